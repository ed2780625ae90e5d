package arena

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Ref names a block: its offset in units of 16 bytes. 0 names none.
type Ref uint32

// ErrFull is returned by Alloc when the limit of the arena is reached.
var ErrFull = errors.New("arena is full")

const (
	maxReserve = int64(1) << 32 * unit // what a Ref can address: 64 GiB
	minReserve = int64(64) << 20
	// discardBytes is the size from which the pages of a freed block go back to
	// the kernel; below, the system call costs more than the memory is worth.
	discardBytes = 128 << 10
)

// Arena hands out blocks of anonymous memory. Alloc, Free and the counters are
// safe for concurrent use; the bytes of a block belong to its owner.
type Arena struct {
	mem   []byte // reserved once; pages appear when they are touched
	limit int64

	mu    sync.Mutex
	bump  int64           // first byte never handed out; guarded by mu
	free  [numClasses]Ref // heads of the free lists, linked through the first four bytes; guarded by mu
	spare []span          // left out when bump moved on; guarded by mu

	used atomic.Int64 // bytes of blocks handed out
	high atomic.Int64 // bump, for readers without the lock
}

// New reserves an arena that takes up to limit bytes of blocks; 0 means as
// much as can be addressed. Only touched pages use memory. If the system
// refuses the reservation a smaller one is tried, down to 64 MiB.
func New(limit int64) (*Arena, error) {
	if limit < 0 {
		return nil, fmt.Errorf("arena of %d bytes, want 0 (no limit) or more", limit)
	}
	reserve := maxReserve
	if limit > 0 {
		// Runs begin at a page: what that leaves out fits smaller blocks only.
		reserve = min(maxReserve, (limit+2*unit+32<<20)&^(1<<20-1))
	}
	for {
		mem, err := unix.Mmap(-1, 0, int(reserve), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
		if err == nil {
			// Lookups among a million records miss the TLB less with huge
			// pages. Advice only: without them everything works.
			_ = unix.Madvise(mem, unix.MADV_HUGEPAGE)
			if limit == 0 || limit > reserve {
				limit = reserve
			}
			return &Arena{mem: mem, limit: limit, bump: unit}, nil
		}
		if reserve /= 2; reserve < minReserve || limit > 0 && reserve < limit {
			return nil, fmt.Errorf("reserving memory for records: %w", err)
		}
	}
}

// Alloc returns a block of at least n bytes, 1 <= n <= MaxBlock, with
// undefined content, or ErrFull.
func (a *Arena) Alloc(n int) (Ref, error) {
	c := classOf(n)
	size := int64(classBytes(c))
	a.mu.Lock()
	r := a.free[c]
	switch {
	case a.used.Load()+size > a.limit:
		r = 0
	case r != 0:
		a.free[c] = Ref(binary.LittleEndian.Uint32(a.mem[int64(r)*unit:]))
	case len(a.spare) > 0 && size <= smallLimit:
		if r = a.cutSpareLocked(size); r == 0 {
			r = a.bumpLocked(size)
		}
	default:
		r = a.bumpLocked(size)
	}
	if r != 0 {
		a.used.Add(size)
	}
	a.mu.Unlock()
	if r == 0 {
		return 0, fmt.Errorf("%w: %d of %d bytes in use", ErrFull, a.used.Load(), a.limit)
	}
	return r, nil
}

// bumpLocked takes a block that was never handed out, or returns 0.
func (a *Arena) bumpLocked(size int64) Ref {
	if a.bump+size > int64(len(a.mem)) {
		return 0
	}
	r := Ref(a.bump / unit)
	a.bump += size
	a.high.Store(a.bump)
	return r
}

// Promise counts n bytes as used, so that AllocRun has them later. Errors: ErrFull.
func (a *Arena) Promise(n int64) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.used.Load()+n > a.limit {
		return fmt.Errorf("%w: %d of %d bytes in use, %d wanted", ErrFull, a.used.Load(), a.limit, n)
	}
	a.used.Add(n)
	return nil
}

// Break takes back a promise of n bytes that have not been allocated.
func (a *Arena) Break(n int64) { a.used.Add(-n) }

// AllocRun returns n bytes, a multiple of 16, that were promised. They are blocks already: the
// caller divides them into blocks of BlockBytes each, and frees them one by one. Their
// content is undefined. The run begins at a page. Errors: ErrFull, if address space runs out.
func (a *Arena) AllocRun(n int64) (Ref, error) {
	const page = 4096
	a.mu.Lock()
	defer a.mu.Unlock()
	begin := (a.bump + page - 1) &^ (page - 1)
	if begin+n > int64(len(a.mem)) {
		return 0, fmt.Errorf("%w: %d of %d bytes handed out, %d wanted in one run", ErrFull, begin, len(a.mem), n)
	}
	a.bump = begin + n
	a.high.Store(a.bump)
	return Ref(begin / unit), nil
}

// At returns the block that lies n bytes, a multiple of 16, behind r in a run.
func (r Ref) At(n int) Ref { return r + Ref(n/unit) }

// Free takes back a block that was allocated with n bytes, or with any size of
// the same class.
func (a *Arena) Free(r Ref, n int) {
	c := classOf(n)
	size := int64(classBytes(c))
	if size >= discardBytes {
		a.discard(int64(r)*unit, size)
	}
	a.mu.Lock()
	binary.LittleEndian.PutUint32(a.mem[int64(r)*unit:], uint32(a.free[c]))
	a.free[c] = r
	a.used.Add(-size)
	a.mu.Unlock()
}

// discard gives the whole pages of a range back. Their content is undefined
// afterwards, as Alloc says it is: zero, or what it was if the kernel refused.
func (a *Arena) discard(off, size int64) {
	const page = 4096
	begin, end := (off+page-1)&^(page-1), (off+size)&^(page-1)
	if begin < end {
		// Advice only: when the kernel refuses it the pages just stay.
		_ = unix.Madvise(a.mem[begin:end], unix.MADV_DONTNEED)
	}
}

// Bytes returns the first n bytes of a block. They are outside the Go heap and
// must not be used after Close.
func (a *Arena) Bytes(r Ref, n int) []byte {
	off := int64(r) * unit
	return a.mem[off : off+int64(n) : off+int64(n)]
}

// From returns the memory from the first byte of a block on, for a caller that
// reads the block's own header to learn its length.
func (a *Arena) From(r Ref) []byte { return a.mem[int64(r)*unit:] }

// UsedBytes returns the size of the blocks handed out, slack included.
func (a *Arena) UsedBytes() int64 { return a.used.Load() }

// LimitBytes returns how many bytes of blocks the arena takes.
func (a *Arena) LimitBytes() int64 { return a.limit }

// HeldBytes returns the memory that was ever handed out: what is resident at most.
func (a *Arena) HeldBytes() int64 { return a.high.Load() }

// Close unmaps the memory. Nothing may use the arena afterwards.
func (a *Arena) Close() error {
	if a.mem == nil {
		return nil
	}
	mem := a.mem
	a.mem = nil
	return unix.Munmap(mem)
}
