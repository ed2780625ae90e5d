package appendlog

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
	"orbitbench/engines/internal/storedir"
	"orbitbench/engines/internal/vfs"
	"orbitbench/engines/internal/wal"
)

// logName is the directory of the log in the store's.
const logName = "log"

// engine is an open store.
//
// Locks are taken in this order: viewMu or snapshotting, stripes by number, order.mu, limbo.mu.
type engine struct {
	fs         vfs.FS
	dir        string
	durability engines.Durability
	config     Config
	logf       func(string, ...any)
	dirLock    io.Closer

	arena    *arena.Arena
	log      *wal.Log
	deferred bool // commits are published when the log is durable: class sync

	stripes [stripes]stripe
	orders  [engines.NumKeyspaces]order
	limbo   limbo

	inflight sync.WaitGroup // commits that wait for the log; grows under a stripe's lock only

	meta *meta.Keeper
	seed uint64 // of the key hash
	base uint64 // every version that is assigned is above it

	viewMu  sync.Mutex
	viewSeq uint64 // guarded by viewMu
	views   int    // open ones; guarded by viewMu

	snapshotting sync.Mutex // one snapshot at a time
	snapshotInfo snapshotInfo

	stop       context.CancelFunc // ends background
	stopped    context.Context
	background sync.WaitGroup
	closing    atomic.Bool

	spans    storedir.Spans
	replayed uint64
}

func (e *engine) path(name string) string { return path.Join(e.dir, name) }

// open reports whether the engine is open, as an error if not.
func (e *engine) open() error {
	if e.closing.Load() {
		return engines.ErrClosed
	}
	return nil
}

// raiseCeiling makes sure that v may be assigned.
func (e *engine) raiseCeiling(v engines.Version) error {
	if err := e.open(); err != nil {
		return err
	}
	return e.meta.Raise(v)
}

// Stats is engines.Engine.
func (e *engine) Stats() engines.Stats {
	var st engines.Stats
	if e.closing.Load() {
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
		tables += s.table.SizeBytes() + int64(cap(s.handles)+cap(s.freeIDs))*4
		s.mu.Unlock()
	}
	for i := range e.orders {
		tables += e.orders[i].sizeBytes()
	}
	st.TableBytes = uint64(tables + e.arena.HeldBytes())
	st.CheckpointBytes, st.Checkpoints = e.snapshotInfo.written.Load(), e.snapshotInfo.taken.Load()
	st.ReplayedRecords = e.replayed
	return st
}

// Close is engines.Engine.
func (e *engine) Close() error {
	if e.closing.Swap(true) {
		return engines.ErrClosed
	}
	e.stop()
	e.background.Wait()
	e.snapshotting.Lock() // a Checkpoint that is running has been told to stop
	defer e.snapshotting.Unlock()
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
	err := e.log.Sync()
	if err == nil && e.config.SnapshotOnClose && e.closeWantsSnapshot() {
		if serr := e.snapshot(context.Background(), false); serr != nil {
			e.logf("appendlog %s: snapshot at close: %v; the log keeps everything", e.dir, serr)
		}
	}
	last := e.log.Stats().Next - 1
	if cerr := e.log.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err // META still says that the store was not closed
	}
	return e.meta.Close(uint64(last))
}

// closeMemory frees what is outside the Go heap, once no scan is using it.
func (e *engine) closeMemory() {
	for i := range e.orders {
		e.orders[i].close()
	}
	for i := range e.stripes {
		s := &e.stripes[i]
		s.mu.Lock()
		if err := s.table.Close(); err != nil {
			e.logf("appendlog %s: %v", e.dir, err)
		}
		s.mu.Unlock()
	}
	if err := e.arena.Close(); err != nil {
		e.logf("appendlog %s: %v", e.dir, err)
	}
}

// loop is the background work: snapshots when the log has grown, and syncs by the clock.
func (e *engine) loop() {
	defer e.background.Done()
	const poll = 50 * time.Millisecond
	tick := time.NewTicker(poll)
	defer tick.Stop()
	lastSync := time.Now()
	var retry time.Time
	for {
		select {
		case <-e.stopped.Done():
			return
		case <-tick.C:
		}
		if every := e.syncEvery(); every > 0 && time.Since(lastSync) >= every {
			lastSync = time.Now()
			if err := e.log.Sync(); err != nil {
				e.logf("appendlog %s: %v", e.dir, err)
				return
			}
		}
		if !e.wantsSnapshot() || time.Now().Before(retry) {
			continue
		}
		err := e.checkpoint(e.stopped)
		if errors.Is(err, engines.ErrFailed) {
			return
		}
		if err != nil && e.stopped.Err() == nil {
			e.logf("appendlog %s: snapshot: %v; the log is kept", e.dir, err)
			retry = time.Now().Add(time.Second)
		}
	}
}

func (e *engine) syncEvery() time.Duration {
	if e.durability.Class > engines.Process {
		return 0
	}
	return time.Duration(e.config.WALSyncInterval * float64(time.Second))
}

// Spans is engines.Spanner.
func (e *engine) Spans() []engines.Span { return e.spans.List() }
