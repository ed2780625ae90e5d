package mmapwal

import (
	"context"
	"errors"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"orbitbench/engines"
	"orbitbench/engines/internal/arena"
	"orbitbench/engines/internal/snapshot"
)

// A checkpoint writes the pages that have changed since the last one:
//
//  1. The cut: with all stripes locked, for some 50 microseconds, the epoch changes.
//     What was changed before it belongs to this checkpoint.
//  2. The pages are copied one by one under their stripe's lock. A stripe that wants to
//     change one before its turn leaves a copy (touch), so what is written is the
//     table at the cut; only renewals may be ahead of it.
//  3. The copies, the new page checksums and the root go to the file
//     "checkpoint", which is synced before it gets its name. Now the checkpoint exists.
//  4. Its pages are written to their places in the table (journal.go), which is synced; the
//     root gets its name; "checkpoint" is removed; the log is cut.
//
// A page is thus written twice, and one that a crash tears in step 4 is written again
// from the file of step 3.

// lastCheckpoint is what the engine knows of its latest checkpoint.
type lastCheckpoint struct {
	next      atomic.Uint64 // number of the next log record at its cut, 0 if there is none
	logAt     atomic.Uint64 // bytes of log records (wal.Stats.RecordBytes) at its cut
	pages     atomic.Int64  // pages in it
	written   atomic.Uint64 // bytes of checkpoints since Open
	taken     atomic.Uint64 // checkpoints since Open
	unapplied bool          // step 4 did not end: it comes before the next one; guarded by checkpointing
	released  []owned       // pages that stripes gave up, and no checkpoint says so yet; guarded by checkpointing
}

// freeze is what changes to the table leave for a running checkpoint.
type freeze struct {
	strict bool // renewals leave copies as well
	side   *arena.Arena
	mu     sync.Mutex
	kept   []keptPage // guarded by mu
}

type keptPage struct {
	page uint32
	mem  []byte
	ref  arena.Ref // where mem is, 0: in the Go heap
}

// keep copies a page. Called under the lock of its stripe.
func (f *freeze) keep(p uint32, mem *page) {
	k := keptPage{page: p}
	if r, err := f.side.Alloc(pageBytes); err == nil {
		k.ref, k.mem = r, f.side.Bytes(r, pageBytes)
	} else {
		k.mem = make([]byte, pageBytes)
	}
	copy(k.mem, mem[:])
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kept = append(f.kept, k)
}

// checkpoint is the memory of one checkpoint.
type checkpoint struct {
	ctx     context.Context
	share   float64 // of the device's time
	closing bool    // the engine is being closed, and this is the last thing it does
	strict  bool    // the table is to be exactly as at the cut

	root   *root
	frozen *freeze
	epoch  uint8 // pages of this epoch belong to it
	copied []uint32
	sums   []pageSum
	w      *snapshot.Writer
}

// wantsCheckpoint reports whether the log has outgrown what replay should take.
func (e *engine) wantsCheckpoint() bool {
	limit := e.config.CheckpointLogBytes
	if limit < 0 {
		return false
	}
	return e.logSince() > uint64(max(limit, e.last.pages.Load()*pageBytes))
}

// logSince returns the bytes of log records since the latest checkpoint began.
func (e *engine) logSince() uint64 { return e.log.Stats().RecordBytes - e.last.logAt.Load() }

// Checkpoint is engines.Checkpointer.
func (e *engine) Checkpoint(ctx context.Context) error {
	return e.exclusively(ctx, func(ctx context.Context) error {
		return e.checkpoint(&checkpoint{ctx: ctx, share: e.config.CheckpointShare})
	})
}

// exclusively calls f with no checkpoint running, and a context that ends with the engine.
func (e *engine) exclusively(ctx context.Context, f func(ctx context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := e.logged(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(e.stopped, func() { cancel(engines.ErrClosed) })()
	e.checkpointing.Lock()
	defer e.checkpointing.Unlock()
	if err := e.open(); err != nil {
		return err
	}
	return f(ctx)
}

// checkpoint runs c. The caller holds checkpointing.
func (e *engine) checkpoint(c *checkpoint) error {
	if e.last.unapplied {
		if err := e.finishCheckpoint(c); err != nil {
			return err
		}
	}
	if uint64(e.log.Next()) == e.last.next.Load() {
		return nil // nothing has happened since the last one
	}
	begin := time.Now()
	logAt := e.log.Stats().RecordBytes
	if _, err := e.log.Rotate(); err != nil {
		return err
	}
	// Every commit in the sealed segments is durable, and will be in the table at the cut.
	if err := e.log.Sync(); err != nil {
		return err
	}
	if err := e.cut(c); err != nil {
		return err
	}
	next := c.root.start
	err := e.writeCheckpoint(c)
	if err != nil {
		e.thaw(c)
		return err
	}
	for _, o := range e.last.released {
		e.giveBack(o.page, o.n)
	}
	e.last.released = nil
	e.last.unapplied = true
	e.last.pages.Store(int64(len(c.sums)))
	e.last.logAt.Store(logAt)
	if err := e.finishCheckpoint(c); err != nil {
		return err
	}
	e.last.next.Store(uint64(next))
	e.last.taken.Add(1)
	e.spans.Add("checkpoint", begin, time.Now(), uint64(2*len(c.sums)*pageBytes))
	return e.log.DropBefore(c.root.start)
}

// withAll calls f with all stripes locked and every durable commit visible.
func (e *engine) withAll(f func() error) (err error) {
	if err := e.logged(); err != nil {
		return err
	}
	defer e.guard(debug.SetPanicOnFault(true), &err)
	e.lockAll()
	defer e.unlockAll()
	if e.stripes[0].closed {
		return engines.ErrClosed
	}
	if f := e.failure.Load(); f != nil {
		return *f
	}
	e.publishDurable()
	return f()
}

// publishDurable shows all operations of the batches that are durable: some of them may
// be visible already, and others not.
func (e *engine) publishDurable() {
	durable := e.log.Durable()
	for i := range e.stripes {
		s := &e.stripes[i]
		if s.waiting == 0 {
			continue
		}
		for slot := range s.pending {
			if lsn := s.pending[slot].lsn; lsn != 0 && lsn <= durable {
				e.publishPending(s, uint32(slot))
			}
		}
	}
}

// cut decides what belongs to the checkpoint.
func (e *engine) cut(c *checkpoint) (err error) {
	defer e.guard(debug.SetPanicOnFault(true), &err)
	e.lockAll()
	defer e.unlockAll()
	if e.stripes[0].closed && !c.closing {
		return engines.ErrClosed
	}
	e.publishDurable()
	next := e.log.Next()
	r := &root{extentPages: e.extentMask + 1, seed: e.seed, start: next, cut: next}
	for i := range e.stripes {
		s := &e.stripes[i]
		e.releasePages(s)
		r.stripes[i] = rootStripe{s.live, s.floor, s.highest, slices.Clone(s.ledgers)}
		for _, l := range s.limbo {
			r.loose = append(r.loose, loose{l, s.no, false})
		}
		if s.waiting == 0 {
			continue
		}
		for slot := range s.pending {
			p := &s.pending[slot]
			if p.lsn == 0 {
				continue
			}
			r.start = min(r.start, p.lsn)
			if p.kind == opPut {
				r.loose = append(r.loose, loose{p.newRef, s.no, p.created})
			}
		}
	}
	e.pool.mu.Lock()
	r.size, r.next, r.free = e.pool.size, e.pool.next, slices.Clone(e.pool.free)
	e.pool.mu.Unlock()
	r.release(e.last.released)
	c.root, c.epoch = r, e.epoch
	c.frozen = &freeze{strict: c.strict, side: e.side}
	e.frozen = c.frozen
	e.epoch = 3 - e.epoch
	return nil
}

// maxReleased bounds the free pages that a stripe gives up at one cut, all stripes being locked.
const maxReleased = 16

// releasePages takes free pages that the stripe is not about to need out of its ledger.
// They go back to the pool when the checkpoint exists, which does not list them either.
func (e *engine) releasePages(s *stripe) {
	for range maxReleased {
		var o owned
		switch {
		case len(s.freeSpans) > 0:
			o = s.freeSpans[0]
			s.freeSpans = s.freeSpans[1:]
		case len(s.freePages) > 1:
			o = s.freePages[0]
			s.freePages = s.freePages[1:]
		default:
			return
		}
		e.clearEntry(s, o.entry)
		e.last.released = append(e.last.released, o)
	}
}

// release marks pages as free in the root.
func (r *root) release(list []owned) {
	for _, o := range list {
		for p := o.page; p < o.page+o.n; p++ {
			for int(p>>6) >= len(r.free) {
				r.free = append(r.free, 0)
			}
			r.free[p>>6] |= 1 << (p & 63)
		}
	}
}

// writeCheckpoint is steps 2 and 3: when it returns nil the checkpoint exists.
func (e *engine) writeCheckpoint(c *checkpoint) (err error) {
	defer e.guard(debug.SetPanicOnFault(true), &err)
	c.w, err = snapshot.Create(e.fs, e.path(journalName), journalTag, nil, snapshot.Options{
		Share: c.share,
		OnWrite: func(n int) error {
			e.last.written.Add(uint64(n))
			return context.Cause(c.ctx)
		},
	})
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.w.Abort())
		}
	}()
	if err := e.copyPages(c); err != nil {
		return err
	}
	slices.SortFunc(c.sums, func(a, b pageSum) int { return int(a.page) - int(b.page) })
	if err := e.updateSums(c.sums, func(p uint32, mem []byte) error { return appendPage(c.w, p, mem) }); err != nil {
		return err
	}
	e.sumMu.Lock()
	c.root.sums = slices.Clone(e.sumCRC)
	e.sumMu.Unlock()
	c.root.end = e.log.Next() - 1
	if err := e.log.Sync(); err != nil {
		return err
	}
	if err := appendRoot(c.w, c.root.encode()); err != nil {
		return err
	}
	return c.w.Commit()
}

// copyPages copies every page of the checkpoint into its file.
func (e *engine) copyPages(c *checkpoint) error {
	var buf page
	for p := range c.root.next {
		if e.flags[p]>>epochShift != c.epoch || !e.copyPage(c, p, &buf) {
			continue
		}
		c.copied = append(c.copied, p)
		c.sums = append(c.sums, pageSum{p, checksum(buf[:])})
		if err := appendPage(c.w, p, buf[:]); err != nil {
			return err
		}
	}
	// Whoever wanted to change one of these pages has left a copy by now.
	c.frozen.mu.Lock()
	defer c.frozen.mu.Unlock()
	slices.SortFunc(c.frozen.kept, func(a, b keptPage) int { return int(a.page) - int(b.page) })
	for _, k := range c.frozen.kept {
		c.sums = append(c.sums, pageSum{k.page, checksum(k.mem)})
		if err := appendPage(c.w, k.page, k.mem); err != nil {
			return err
		}
	}
	c.dropKept()
	return nil
}

func (c *checkpoint) dropKept() {
	for _, k := range c.frozen.kept {
		if k.ref != 0 {
			c.frozen.side.Free(k.ref, pageBytes)
		}
	}
	c.frozen.kept = nil
}

// copyPage copies a page unless a copy of it was left meanwhile. From here on it counts as unchanged.
func (e *engine) copyPage(c *checkpoint, p uint32, buf *page) bool {
	s := &e.stripes[le.Uint16(e.owner[2*p:])]
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.flags[p]>>epochShift != c.epoch {
		return false
	}
	*buf = *e.page(p)
	e.flags[p] &= 1<<epochShift - 1
	return true
}

// thaw makes the pages of a checkpoint that failed belong to the next one.
func (e *engine) thaw(c *checkpoint) {
	e.lockAll()
	defer e.unlockAll()
	if e.flags == nil {
		return
	}
	for _, p := range c.copied {
		if e.flags[p]>>epochShift == 0 {
			e.flags[p] |= e.epoch << epochShift
		}
	}
	for p := range c.root.next {
		if e.flags[p]>>epochShift == c.epoch {
			e.flags[p] = e.epoch<<epochShift | flagVerified
		}
	}
	c.frozen.mu.Lock()
	defer c.frozen.mu.Unlock()
	c.dropKept()
}
