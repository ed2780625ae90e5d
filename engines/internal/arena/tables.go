package arena

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Tables is the memory of n tables that grow alike, as those of the stripes of
// an index do: one reservation, in which the first page of every table comes before the
// second of any. So what is in use lies together, in huge pages, and a table
// grows where it is by a page at a time:
//
//	+-------+-------+- - -+---------+-------+-------+- - -+---------+-------+- - -
//	| 0     | 1     |     | n-1     | 0     | 1     |     | n-1     | 0     |
//	| page 0| page 0|     | page 0  | page 1| page 1|     | page 1  | page 2|
//	+-------+-------+- - -+---------+-------+-------+- - -+---------+-------+- - -
//
// Different tables may be used concurrently.
type Tables struct {
	mem   []byte
	slots []uint64 // mem
	n     int
	pages int // of each table at most
}

// NewTables reserves memory for n tables that hold up to entries each. If the
// system refuses that, less is tried, down to 64 MiB in all.
func NewTables(n int, entries int64) (*Tables, error) {
	const page = pageSlots * 8
	for pages := int(entries*8/7/pageSlots) + 2; ; pages /= 2 {
		mem, err := unix.Mmap(-1, 0, pages*n*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
		if err == nil {
			// As in New: a lookup misses the TLB less.
			_ = unix.Madvise(mem, unix.MADV_HUGEPAGE)
			// A mapping is page aligned and holds no pointers.
			slots := unsafe.Slice((*uint64)(unsafe.Pointer(&mem[0])), len(mem)/8)
			return &Tables{mem: mem, slots: slots, n: n, pages: pages}, nil
		}
		if int64(pages*n*page) <= minReserve {
			return nil, fmt.Errorf("reserving memory for hash tables: %w", err)
		}
	}
}

// Table returns the i-th table, empty. Each is taken once.
func (t *Tables) Table(i int) Table { return Table{home: t, index: i} }

func (t *Tables) from(i int) []uint64 { return t.slots[i*pageSlots:] }

func (t *Tables) step() int { return t.n * pageSlots }

// Close unmaps the memory. No table may be used afterwards.
func (t *Tables) Close() error {
	if t.mem == nil {
		return nil
	}
	mem := t.mem
	t.mem, t.slots = nil, nil
	return unix.Munmap(mem)
}
