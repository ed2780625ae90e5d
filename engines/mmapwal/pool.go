package mmapwal

import (
	"fmt"
	"math/bits"
	"sync"
	"sync/atomic"

	"orbitbench/engines"
	"orbitbench/engines/internal/storedir"
)

// pool hands out the pages of the table that no stripe has. A stripe takes a page
// from it with a record in the log (kindClaim), so that replay, which brings
// the stripes back side by side, gives each the same pages. Pages come back with checkpoints only.
type pool struct {
	mu    sync.Mutex
	next  uint32        // first page that was never handed out; guarded by mu
	free  []uint64      // bit of each page below next: it is free; guarded by mu
	nfree uint32        // guarded by mu
	hint  int           // word of free where the search begins; guarded by mu
	size  uint32        // pages that are mapped; guarded by mu
	seen  atomic.Uint32 // size, for those without the lock
	limit uint32        // pages that there may be

	growing sync.Mutex // one growth at a time; taken before mu
}

// pages returns the number of pages that are mapped.
func (p *pool) pages() uint32 { return p.seen.Load() }

// resize sets the number of pages that are mapped.
func (p *pool) resize(n uint32) {
	p.size = n
	p.seen.Store(n)
}

func (p *pool) mark(first, n uint32, free bool) {
	for i := first; i < first+n; i++ {
		for int(i>>6) >= len(p.free) {
			p.free = append(p.free, 0)
		}
		if free {
			p.free[i>>6] |= 1 << (i & 63)
			p.nfree++
			p.hint = min(p.hint, int(i>>6))
		} else {
			p.free[i>>6] &^= 1 << (i & 63)
			p.nfree--
		}
	}
}

func (p *pool) isFree(i uint32) bool {
	return int(i>>6) < len(p.free) && p.free[i>>6]>>(i&63)&1 != 0
}

// single takes one free page below next.
func (p *pool) single() (uint32, bool) {
	if p.nfree == 0 {
		return 0, false
	}
	for w := p.hint; w < len(p.free); w++ {
		if p.free[w] != 0 {
			p.hint = w
			i := uint32(w*64 + bits.TrailingZeros64(p.free[w]))
			p.mark(i, 1, false)
			return i, true
		}
	}
	return 0, false
}

// run takes n free pages in a row below next.
func (p *pool) run(n uint32) (uint32, bool) {
	if p.nfree < n {
		return 0, false
	}
	have := uint32(0)
	for i, end := uint32(p.hint)*64, min(p.next, uint32(len(p.free))*64); i < end; i++ {
		if i&63 == 0 && p.free[i>>6] == 0 {
			have = 0
			i += 63
			continue
		}
		if !p.isFree(i) { // pages of sums never are
			have = 0
			continue
		}
		if have++; have == n {
			p.mark(i-n+1, n, false)
			return i - n + 1, true
		}
	}
	return 0, false
}

// fresh takes n pages in a row from next on, or false if the table has to grow first.
func (p *pool) fresh(n uint32) (uint32, bool) {
	first, left := p.next, uint32(0)
	if first&groupMask == 0 {
		first++
	} else if left = groupLen - first&groupMask; left < n {
		first += left + 1 // a run does not go round a page of sums
	} else {
		left = 0
	}
	if first+n > p.size {
		return 0, false
	}
	p.mark(p.next, left, true)
	p.next = first + n
	return first, true
}

// take returns want pages in a row, or fewer (at least one) if exact is not set.
func (e *engine) take(want uint32, exact bool) (first, n uint32, err error) {
	p := &e.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		if !exact || want == 1 {
			if first, ok := p.single(); ok {
				return first, 1, nil
			}
		} else if first, ok := p.run(want); ok {
			return first, want, nil
		}
		if first, ok := p.fresh(want); ok {
			if p.size-p.next < e.extentMask/2 {
				e.wakeGrower()
			}
			return first, want, nil
		}
		size := p.size
		p.mu.Unlock()
		err := e.grow(size)
		p.mu.Lock()
		if err != nil {
			return 0, 0, err
		}
	}
}

// grow adds an extent unless the table has grown beyond size meanwhile.
func (e *engine) grow(size uint32) error {
	p := &e.pool
	p.growing.Lock()
	defer p.growing.Unlock()
	if p.pages() > size {
		return nil
	}
	n := e.extentMask + 1
	if size+n > p.limit {
		return fmt.Errorf("%w: table of %d MiB", engines.ErrFull, int64(size)*pageBytes>>20)
	}
	if err := e.file.Allocate(int64(size)*pageBytes, int64(n)*pageBytes); err != nil {
		return storedir.FullDevice(err)
	}
	if err := e.newExtent(); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.resize(p.size + n)
	return nil
}

// claim takes pages for a stripe, says so in the log, and puts them into its ledger.
func (e *engine) claim(s *stripe, use uint8, want uint32) error {
	if e.log == nil {
		return fmt.Errorf("stripe %d needs more pages than it has claimed", s.no)
	}
	room := want
	switch use {
	case useSpare:
		room = 0 // it takes an entry if there is one
	case useSpan:
		room = 1
	}
	if err := e.makeRoom(s, room); err != nil {
		return err
	}
	first, n, err := e.take(want, use == useSpan)
	if err != nil {
		return err
	}
	var b [claimBytes]byte
	putClaim(&b, claim{stripe: s.no, use: use, first: first, n: n})
	if _, err := e.log.Append(kindClaim, b[:]); err != nil {
		e.giveBack(first, n)
		return err
	}
	e.fresh(first, n)
	return e.takeOver(s, use, first, n)
}

// fresh says that pages hold nothing that was there before.
func (e *engine) fresh(first, n uint32) {
	for i := first; i < first+n; i++ {
		e.flags[i] = flagVerified
	}
}

func (e *engine) giveBack(first, n uint32) {
	e.pool.mu.Lock()
	defer e.pool.mu.Unlock()
	e.pool.mark(first, n, true)
}

// takeClaimed takes the pages that a claim in the log names.
func (e *engine) takeClaimed(c claim) error {
	p := &e.pool
	p.mu.Lock()
	for p.size < c.first+c.n {
		size := p.size
		p.mu.Unlock()
		if err := e.grow(size); err != nil {
			return err
		}
		p.mu.Lock()
	}
	defer p.mu.Unlock()
	for p.next < c.first+c.n { // the pages between were claimed by others, or will be
		if p.next&groupMask != 0 {
			p.mark(p.next, 1, true)
		}
		p.next++
	}
	taken := 0
	for i := c.first; i < c.first+c.n; i++ {
		if !p.isFree(i) {
			taken++
		}
	}
	if taken > 0 {
		return fmt.Errorf("%d of the pages %d to %d claimed by stripe %d are in use", taken, c.first, c.first+c.n-1, c.stripe)
	}
	p.mark(c.first, c.n, false)
	return nil
}
