package arena

import (
	"fmt"
	"sync"
)

// Table is an open-addressing hash table from tags to refs with linear
// probing. A slot holds a tag (upper half) and a ref (lower half), 0 is empty.
// Home is the first slot of a cache line, which one it is follows from the tag
// alone, so that removal can shift entries back without asking for keys. Tags
// are spread over the lines by their size and not by their low bits: a table
// may have any number of lines, and growing keeps the order of its entries. It is
// made by Tables.Table and not safe for concurrent use.
type Table struct {
	slots []uint64 // the heap's, or those of the reservation from this table's first page on
	step  int      // distance of two pages of this table in slots
	size  uint32   // number of slots of this table, a multiple of lineSlots
	used  int
	home  *Tables
	index int
}

const (
	lineSlots = 8   // a cache line
	pageSlots = 512 // 4 KiB
	minSlots  = 16
	// heapSlots is the largest table that is kept in the Go heap: for it a page would be more than it needs.
	heapSlots = 256
)

// fits reports whether n entries in so many slots are found in little more than one cache
// line each: seven of eight slots may be used.
func fits(n, slots int) bool { return n*8 <= slots*7 }

// Len returns the number of entries.
func (t *Table) Len() int { return t.used }

// SizeBytes returns the memory that the slots take.
func (t *Table) SizeBytes() int64 { return int64(t.size) * 8 }

// Start returns the position at which a search for tag begins.
func (t *Table) Start(tag uint32) uint32 {
	return uint32(uint64(tag)*uint64(t.size/lineSlots)>>32) * lineSlots
}

// at returns where in slots a position lies.
func (t *Table) at(pos uint32) int { return int(pos/pageSlots)*t.step + int(pos%pageSlots) }

// Next returns the first ref with this tag at or after pos, and its position;
// or 0 when the search is over. The caller compares keys, and goes on at the
// position plus one if they differ.
func (t *Table) Next(tag, pos uint32) (Ref, uint32) {
	if t.used == 0 {
		return 0, 0
	}
	for ; ; pos++ {
		if pos == t.size {
			pos = 0
		}
		s := t.slots[t.at(pos)]
		if s == 0 {
			return 0, pos
		}
		if uint32(s>>32) == tag {
			return Ref(s), pos
		}
	}
}

// Set replaces the ref at a position that Next returned.
func (t *Table) Set(pos uint32, r Ref) {
	s := &t.slots[t.at(pos)]
	*s = *s&^0xffffffff | uint64(r)
}

// Insert adds an entry; the caller knows that its key is not there yet. Errors: ErrFull.
func (t *Table) Insert(tag uint32, r Ref) error {
	if !fits(t.used+1, int(t.size)) {
		if err := t.grow(t.nextSize()); err != nil {
			return err
		}
	}
	t.place(uint64(tag)<<32 | uint64(r))
	t.used++
	return nil
}

// Reserve makes room for n entries in all. Errors: ErrFull.
func (t *Table) Reserve(n int) error {
	size := minSlots
	for size < heapSlots && !fits(n, size) {
		size *= 2
	}
	if !fits(n, size) {
		size = (n*8/7 + pageSlots) &^ (pageSlots - 1)
	}
	if size <= int(t.size) {
		return nil
	}
	return t.grow(size)
}

// nextSize is by an eighth more where there are pages, so that little is unused, and a
// large table moves each entry some eight times in all.
func (t *Table) nextSize() int {
	size := int(t.size)
	if size < heapSlots {
		return max(minSlots, 2*size)
	}
	pages := size / pageSlots
	return (pages + max(1, pages/8)) * pageSlots
}

func (t *Table) place(s uint64) {
	pos := t.Start(uint32(s >> 32))
	for t.slots[t.at(pos)] != 0 {
		if pos++; pos == t.size {
			pos = 0
		}
	}
	t.slots[t.at(pos)] = s
}

// ahead returns how far to is ahead of from.
func (t *Table) ahead(from, to uint32) uint32 {
	if to < from {
		to += t.size
	}
	return to - from
}

// Remove takes out the entry at a position that Next returned, and moves later
// entries of its run back so that no tombstone is left.
func (t *Table) Remove(pos uint32) {
	t.used--
	hole := pos
	for {
		if pos++; pos == t.size {
			pos = 0
		}
		s := t.slots[t.at(pos)]
		if s == 0 {
			break
		}
		if t.ahead(t.Start(uint32(s>>32)), pos) >= t.ahead(hole, pos) {
			t.slots[t.at(hole)] = s
			hole = pos
		}
	}
	t.slots[t.at(hole)] = 0
}

// All calls yield with every ref until it returns false. The table must not change meanwhile.
func (t *Table) All(yield func(Ref) bool) {
	for pos := range t.size {
		if s := t.slots[t.at(pos)]; s != 0 && !yield(Ref(s)) {
			return
		}
	}
}

// moved is memory for the entries of a table that grows.
var moved = sync.Pool{New: func() any { return new([]uint64) }}

// grow gives the table its next pages and places every entry anew.
func (t *Table) grow(size int) error {
	if size > heapSlots && size/pageSlots > t.home.pages {
		return fmt.Errorf("%w: hash table of %d slots", ErrFull, size)
	}
	entries := moved.Get().(*[]uint64)
	defer moved.Put(entries)
	*entries = (*entries)[:0]
	for pos := range t.size {
		if s := &t.slots[t.at(pos)]; *s != 0 {
			*entries = append(*entries, *s)
			*s = 0
		}
	}
	t.size = uint32(size)
	if size > heapSlots {
		t.slots, t.step = t.home.from(t.index), t.home.step()
	} else {
		t.slots, t.step = make([]uint64, size), pageSlots
	}
	for _, s := range *entries {
		t.place(s)
	}
	return nil
}
