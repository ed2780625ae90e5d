package mmapwal

import (
	"errors"
	"fmt"
	"math/bits"
	"runtime"
	"runtime/debug"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"orbitbench/engines"
	"orbitbench/engines/internal/vfs"
)

// table is the mapping of the table file. It is private: what is stored to it stays
// in the process, and only checkpoints write to the file (checkpoint.go). So the
// kernel never writes a page back that the log does not cover. An extent that is added while
// the store is open holds nothing in the file: it is memory without a file, in huge pages, until the store is opened again.
type table struct {
	file        vfs.File
	extentShift uint8 // log2 of the pages in an extent
	extentMask  uint32
	extents     []unsafe.Pointer // start of each mapped extent; its length never changes
	mapped      [][]byte         // the same, for Unmap
	ofFile      int              // how many of them, the first, are of the file

	// flags holds a byte for each page: bit 0: its checksum has been compared, or
	// it was made by this process; bits 1 and 2: the epoch in which it was changed, 0 if
	// not since the last checkpoint. owner is the stripe that changed it. Both are
	// outside the Go heap and guarded by the lock of the page's stripe.
	flags []byte
	owner []byte // u16 each
	epoch uint8  // 1 or 2; changed with all stripes locked

	frozen *freeze // what the running checkpoint needs to know; changed with all stripes locked

	sumMu  sync.Mutex
	sumCRC []uint32 // checksum of each page of sums, as the root says; guarded by sumMu
}

const (
	flagVerified = 1
	epochShift   = 1
)

func (t *table) init(file vfs.File, extentPages uint32, limit uint32) (err error) {
	t.file = file
	t.extentShift = uint8(bits.TrailingZeros32(extentPages))
	t.extentMask = extentPages - 1
	limit = (limit + t.extentMask) &^ t.extentMask
	t.extents = make([]unsafe.Pointer, limit>>t.extentShift)
	t.epoch = 1
	if t.flags, err = anonymous(int(limit)); err == nil {
		t.owner, err = anonymous(2 * int(limit))
	}
	return err
}

func anonymous(n int) ([]byte, error) {
	b, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("reserving memory for %d bytes of the table: %w", n, err)
	}
	return b, nil
}

// extentBytes is the length of an extent.
func (t *table) extentBytes() int64 { return int64(t.extentMask+1) * pageBytes }

// mapFile maps the first n extents from the file, which is long enough.
func (t *table) mapFile(n int) error {
	for i := range n {
		mem, err := t.file.Map(int64(i)*t.extentBytes(), t.extentBytes(), vfs.MapPrivate)
		if err != nil {
			return err
		}
		t.add(mem)
	}
	t.ofFile = n
	return nil
}

// newExtent makes the extent behind the last one.
func (t *table) newExtent() error {
	n := t.extentBytes()
	if i := int64(len(t.mapped)); int(i) == len(t.extents) {
		return fmt.Errorf("%w: table of %d MiB", engines.ErrFull, i*n>>20)
	}
	mem, err := anonymous(int(n))
	if err != nil {
		return err
	}
	_ = unix.Madvise(mem, unix.MADV_HUGEPAGE) // advice: records are found with fewer misses of the TLB
	t.add(mem)
	return nil
}

func (t *table) add(mem []byte) {
	t.extents[len(t.mapped)] = unsafe.Pointer(&mem[0])
	t.mapped = append(t.mapped, mem)
}

func (t *table) close() error {
	var err error
	for i, mem := range t.mapped {
		if i < t.ofFile {
			err = errors.Join(err, t.file.Unmap(mem))
		} else {
			err = errors.Join(err, unix.Munmap(mem))
		}
	}
	t.mapped, t.extents = nil, nil
	for _, b := range [][]byte{t.flags, t.owner} {
		if b != nil {
			err = errors.Join(err, unix.Munmap(b))
		}
	}
	t.flags, t.owner = nil, nil
	if t.file != nil {
		err = errors.Join(err, t.file.Close())
	}
	return err
}

// page returns the memory of a page.
func (t *table) page(p uint32) *page {
	return (*page)(unsafe.Add(t.extents[p>>t.extentShift], uintptr(p&t.extentMask)<<pageShift))
}

// memory returns n bytes at the place of a record.
func (t *table) memory(r ref, n int) record {
	p := r.page()
	base := unsafe.Add(t.extents[p>>t.extentShift], uintptr(p&t.extentMask)<<pageShift+uintptr(r.offset()))
	return unsafe.Slice((*byte)(base), n)
}

// rec returns a record whose first page has been verified.
func (t *table) rec(r ref) record {
	head := t.memory(r, recHead)
	return t.memory(r, recHead+head.keyLen()+head.valueLen())
}

// verified compares a page with its checksum on its first use. Called under the lock of the page's stripe.
func (e *engine) verified(p uint32) error {
	if e.flags[p]&flagVerified != 0 {
		return nil
	}
	return e.verifyPage(p)
}

func (e *engine) verifyPage(p uint32) error {
	if err := e.checkSum(p); err != nil {
		return err
	}
	e.flags[p] |= flagVerified
	return nil
}

// verifiedRest verifies the pages behind the first one of a long record.
func (e *engine) verifiedRest(r ref, rec record) error {
	if len(rec) <= maxSlabSlot {
		return nil
	}
	for i := uint32(1); i < spanPages(len(rec)); i++ {
		if err := e.verified(r.page() + i); err != nil {
			return err
		}
	}
	return nil
}

// touch says that the stripe is about to change a page in a way that a checkpoint
// must have as a whole or not at all: what belongs together lies in several pages.
// While a checkpoint has not come by, it gets the page as it was.
func (e *engine) touch(s *stripe, p uint32) {
	if e.flags[p]>>epochShift != e.epoch {
		e.touchFirst(s, p, true)
	}
}

// touchRenewed says that a renewal is about to change a record in place. A running
// checkpoint may have it or not: the log tells.
func (e *engine) touchRenewed(s *stripe, p uint32) {
	if e.flags[p]>>epochShift != e.epoch {
		e.touchFirst(s, p, false)
	}
}

func (e *engine) touchFirst(s *stripe, p uint32, whole bool) {
	if e.flags[p]>>epochShift != 0 { // changed before the cut of the running checkpoint
		if !whole && !e.frozen.strict {
			return
		}
		e.frozen.keep(p, e.page(p))
	}
	e.flags[p] = e.epoch<<epochShift | flagVerified
	le.PutUint16(e.owner[2*p:], s.no)
}

// guard turns a fault in the mapping, which is what the kernel makes of a file that
// was cut short and of a page that cannot be read, into an error. Use:
//
//	defer e.guard(debug.SetPanicOnFault(true), &err)
func (e *engine) guard(old bool, err *error) {
	debug.SetPanicOnFault(old)
	if x := recover(); x != nil {
		*err = e.faulted(x)
	}
}

// faulted returns the error for a fault in the table; any other panic goes on. What was being
// done may be done in part, so the engine takes no more calls until it is reopened.
func (e *engine) faulted(x any) error {
	fault, ok := x.(interface {
		runtime.Error
		Addr() uintptr
	})
	if !ok {
		panic(x)
	}
	for i, mem := range e.mapped[:e.ofFile] {
		off := fault.Addr() - uintptr(unsafe.Pointer(&mem[0]))
		if off < uintptr(len(mem)) {
			at := int64(i)*int64(len(mem)) + int64(off)
			reason := "cannot be read through its mapping"
			if size, err := e.file.Size(); err == nil && size <= at {
				reason = fmt.Sprintf("the file was cut to %d bytes while it was mapped", size)
			}
			err := &engines.CorruptError{File: e.path(tableName), Offset: at, Reason: reason}
			return e.fail(err)
		}
	}
	panic(x)
}

// fail makes the engine refuse everything from now on, and returns the error that says so.
func (e *engine) fail(err error) error {
	f := fmt.Errorf("%w: %w", engines.ErrFailed, err)
	e.failure.CompareAndSwap(nil, &f)
	return f
}
