package arena

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Table is an open-addressing hash table from tags to refs with linear
// probing. A slot holds a tag (upper half) and a ref (lower half), 0 is empty.
// Home is the tag's low bits, so that removal can shift entries back without
// asking for keys. It is not safe for concurrent use.
type Table struct {
	slots []uint64
	mask  uint32
	used  int
	mem   []byte // mapping behind slots, nil while they are small enough for the heap
}

const (
	minSlots = 16
	// heapSlots is the largest table kept in the Go heap: below a page a mapping wastes memory.
	heapSlots = 512
)

// Len returns the number of entries.
func (t *Table) Len() int { return t.used }

// SizeBytes returns the memory that the slots take.
func (t *Table) SizeBytes() int64 { return int64(len(t.slots)) * 8 }

// Start returns the position at which a search for tag begins.
func (t *Table) Start(tag uint32) uint32 { return tag & t.mask }

// Next returns the first ref with this tag at or after pos, and its position;
// or 0 when the search is over. The caller compares keys, and goes on at the
// position plus one if they differ.
func (t *Table) Next(tag, pos uint32) (Ref, uint32) {
	if t.used == 0 {
		return 0, 0
	}
	for {
		pos &= t.mask
		s := t.slots[pos]
		if s == 0 {
			return 0, pos
		}
		if uint32(s>>32) == tag {
			return Ref(s), pos
		}
		pos++
	}
}

// Set replaces the ref at a position that Next returned.
func (t *Table) Set(pos uint32, r Ref) {
	t.slots[pos] = t.slots[pos]&^0xffffffff | uint64(r)
}

// Insert adds an entry; the caller knows that its key is not there yet.
func (t *Table) Insert(tag uint32, r Ref) error {
	if (t.used+1)*5 > len(t.slots)*4 {
		if err := t.grow(max(minSlots, 2*len(t.slots))); err != nil {
			return err
		}
	}
	t.place(uint64(tag)<<32 | uint64(r))
	t.used++
	return nil
}

// Reserve makes room for n entries in all.
func (t *Table) Reserve(n int) error {
	size := minSlots
	for n*5 > size*4 {
		size *= 2
	}
	if size <= len(t.slots) {
		return nil
	}
	return t.grow(size)
}

func (t *Table) place(s uint64) {
	pos := uint32(s>>32) & t.mask
	for t.slots[pos] != 0 {
		pos = (pos + 1) & t.mask
	}
	t.slots[pos] = s
}

// Remove takes out the entry at a position that Next returned, and moves later
// entries of its run back so that no tombstone is left.
func (t *Table) Remove(pos uint32) {
	t.used--
	hole := pos
	for {
		pos = (pos + 1) & t.mask
		s := t.slots[pos]
		if s == 0 {
			break
		}
		home := uint32(s>>32) & t.mask
		if (pos-home)&t.mask >= (pos-hole)&t.mask {
			t.slots[hole] = s
			hole = pos
		}
	}
	t.slots[hole] = 0
}

// All calls yield with every ref until it returns false. The table must not change meanwhile.
func (t *Table) All(yield func(Ref) bool) {
	for _, s := range t.slots {
		if s != 0 && !yield(Ref(s)) {
			return
		}
	}
}

func (t *Table) grow(size int) error {
	if size > 1<<31 {
		return fmt.Errorf("%w: hash table of %d slots", ErrFull, size)
	}
	slots, mem, err := makeSlots(size)
	if err != nil {
		return fmt.Errorf("growing a hash table to %d slots: %w", size, err)
	}
	old, oldMem := t.slots, t.mem
	t.slots, t.mem, t.mask = slots, mem, uint32(size-1)
	for _, s := range old {
		if s != 0 {
			t.place(s)
		}
	}
	if oldMem != nil {
		return unix.Munmap(oldMem)
	}
	return nil
}

func makeSlots(n int) ([]uint64, []byte, error) {
	if n <= heapSlots {
		return make([]uint64, n), nil, nil
	}
	mem, err := unix.Mmap(-1, 0, n*8, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, nil, err
	}
	// A mapping is page aligned and holds no pointers.
	return unsafe.Slice((*uint64)(unsafe.Pointer(&mem[0])), n), mem, nil
}

// Close releases the slots.
func (t *Table) Close() error {
	mem := t.mem
	*t = Table{}
	if mem == nil {
		return nil
	}
	return unix.Munmap(mem)
}
