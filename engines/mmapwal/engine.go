package mmapwal

import (
	"context"
	"errors"
	"io"
	"path"
	"sync"
	"sync/atomic"
	"time"

	"orbitbench/engines"
	"orbitbench/engines/internal/arena"
	"orbitbench/engines/internal/meta"
	"orbitbench/engines/internal/order"
	"orbitbench/engines/internal/storedir"
	"orbitbench/engines/internal/vfs"
	"orbitbench/engines/internal/wal"
)

// Names in the store's directory, beside META.
const (
	tableName   = "table"
	rootName    = "root"
	journalName = "checkpoint"
	logName     = storedir.LogName
)

// engine is an open store.
//
// Locks are taken in this order: checkpointing, viewMu, stripes by number, order.mu,
// then pool.growing, pool.mu, table.sumMu or freeze.mu.
type engine struct {
	table
	pool pool

	fs         vfs.FS
	dir        string
	durability engines.Durability
	config     Config
	logf       func(string, ...any)
	dirLock    io.Closer

	log      *wal.Log      // nil until the log is open
	writable atomic.Bool   // the log is open
	opened   chan struct{} // closed when it is, or when that has failed
	logErr   error         // why that has failed; set before opened is closed
	deferred bool          // commits are published when the log is durable: class sync
	seed     uint64
	base     engines.Version
	meta     *meta.Keeper
	side     *arena.Arena // what views and checkpoints keep of what has changed

	stripes [numStripes]stripe
	orders  [engines.NumKeyspaces]order.Set
	limbo   atomic.Int32 // ordered sets that are being built

	inflight sync.WaitGroup // commits that wait for the log; grows under a stripe's lock only
	failure  atomic.Pointer[error]

	viewMu  sync.Mutex
	viewSeq uint64 // guarded by viewMu
	views   int    // open ones; guarded by viewMu

	checkpointing sync.Mutex // one checkpoint at a time
	last          lastCheckpoint

	growKick   chan struct{}
	stop       context.CancelFunc // ends background
	stopped    context.Context
	background sync.WaitGroup
	closing    atomic.Bool

	spans    storedir.Spans
	replayed uint64
}

func (e *engine) path(name string) string { return path.Join(e.dir, name) }

// open reports whether the engine takes calls, as an error if not.
func (e *engine) open() error {
	if e.closing.Load() {
		return engines.ErrClosed
	}
	if f := e.failure.Load(); f != nil {
		return *f
	}
	return nil
}

// ready prepares a stripe for a call, which holds its lock.
func (e *engine) ready(s *stripe) error {
	if s.closed {
		return engines.ErrClosed
	}
	if f := e.failure.Load(); f != nil {
		return *f
	}
	if s.loaded {
		return nil
	}
	return e.load(s)
}

func (e *engine) lockAll() {
	for i := range e.stripes {
		e.stripes[i].mu.Lock()
	}
}

func (e *engine) unlockAll() {
	for i := range e.stripes {
		e.stripes[i].mu.Unlock()
	}
}

// Stats is engines.Engine.
func (e *engine) Stats() engines.Stats {
	var st engines.Stats
	if e.closing.Load() || e.logged() != nil {
		return st
	}
	l := e.log.Stats()
	st.Flushes, st.LogBytes, st.MappedBytes = l.Flushes, l.RecordBytes, uint64(l.MappedBytes)
	if e.deferred {
		st.LogBytes = l.WrittenBytes
	}
	var tables int64
	for i := range e.stripes {
		s := &e.stripes[i]
		s.mu.Lock()
		st.Commits += s.commits
		st.Conflicts += s.conflicts
		st.Records += s.live
		tables += int64(len(s.dir))*8 + int64(cap(s.index))*20 + int64(cap(s.pending))*64
		s.mu.Unlock()
	}
	for i := range e.orders {
		tables += e.orders[i].Bytes()
	}
	st.MappedBytes += uint64(e.pool.pages()) * pageBytes
	st.TableBytes = uint64(tables + e.side.HeldBytes())
	st.CheckpointBytes, st.Checkpoints = e.last.written.Load(), e.last.taken.Load()
	st.ReplayedRecords = e.replayed
	return st
}

// Spans is engines.Spanner.
func (e *engine) Spans() []engines.Span { return e.spans.List() }

// Close is engines.Engine.
func (e *engine) Close() error {
	if e.closing.Swap(true) {
		return engines.ErrClosed
	}
	<-e.opened
	e.stop()
	e.background.Wait()
	e.checkpointing.Lock() // a Checkpoint that is running has been told to stop
	defer e.checkpointing.Unlock()
	for i := range e.stripes {
		s := &e.stripes[i]
		s.mu.Lock()
		s.closed = true
		s.mu.Unlock()
	}
	e.inflight.Wait()
	err := e.closeFiles()
	e.closeMemory()
	return errors.Join(err, e.dirLock.Close())
}

// closeFiles leaves the store as the next open likes to find it.
func (e *engine) closeFiles() error {
	if e.log == nil {
		return e.logErr
	}
	if e.logErr != nil {
		return errors.Join(e.logErr, e.log.Close())
	}
	err := e.log.Sync()
	if f := e.failure.Load(); f != nil {
		return errors.Join(*f, e.log.Close())
	}
	if err == nil && e.config.CheckpointOnClose {
		if cerr := e.checkpoint(&checkpoint{ctx: context.Background(), share: 1, closing: true}); cerr != nil {
			e.logf("mmapwal %s: checkpoint at close: %v; the log keeps everything", e.dir, cerr)
		}
	}
	return e.meta.CloseLog(e.log, err)
}

// closeMemory unmaps the table, once nobody is using it.
func (e *engine) closeMemory() {
	for i := range e.orders {
		e.orders[i].Close()
	}
	e.lockAll() // a call that came late finds its stripe closed
	defer e.unlockAll()
	if err := e.table.close(); err != nil {
		e.logf("mmapwal %s: %v", e.dir, err)
	}
	if e.side == nil {
		return
	}
	if err := e.side.Close(); err != nil {
		e.logf("mmapwal %s: %v", e.dir, err)
	}
}

// loop is the background work: checkpoints when the log has grown, and syncs by the clock.
func (e *engine) loop() {
	defer e.background.Done()
	e.log.Upkeep(e.stopped, e.wantsCheckpoint, e.Checkpoint)
}

// wakeGrower has the table grow before somebody waits for it.
func (e *engine) wakeGrower() {
	select {
	case e.growKick <- struct{}{}:
	default:
	}
}

// grower adds extents ahead of their use.
func (e *engine) grower() {
	defer e.background.Done()
	for {
		select {
		case <-e.stopped.Done():
			return
		case <-e.growKick:
		}
		e.pool.mu.Lock()
		size, left := e.pool.size, e.pool.size-min(e.pool.next, e.pool.size)
		e.pool.mu.Unlock()
		if left >= e.extentMask/2 || size+e.extentMask+1 > e.pool.limit {
			continue
		}
		begin := time.Now()
		if err := e.grow(size); err != nil {
			e.logf("mmapwal %s: growing ahead: %v", e.dir, err)
			continue
		}
		e.spans.Add("growth", begin, time.Now(), uint64(e.extentMask+1)*pageBytes)
	}
}
