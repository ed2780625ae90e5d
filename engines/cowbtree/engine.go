package cowbtree

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"sync"
	"sync/atomic"

	"orbitbench/engines"
	"orbitbench/engines/internal/arena"
	"orbitbench/engines/internal/meta"
	"orbitbench/engines/internal/storedir"
	"orbitbench/engines/internal/vfs"
	"orbitbench/engines/internal/wal"
)

// logName is the directory of the log in the store's directory.
const logName = storedir.LogName

// metaFormat is what META says about this engine.
var metaFormat = meta.Format{Magic: "OBCOWBTR", Number: 1, Shape: uint32(engines.NumKeyspaces), ShapeName: "keyspaces", Ours: func(name string) bool { return name == pagesName }}

// engine is an open store.
//
// Locks are taken in this order: checkpointing, mu, the locks of the loader. A reader takes none.
type engine struct {
	fs         vfs.FS
	dir        string
	durability engines.Durability
	config     Config
	logf       func(string, ...any)
	dirLock    io.Closer

	heap     *heap
	loader   *loader
	pages    *pageFile
	log      *wal.Log
	meta     *meta.Keeper
	seed     uint64 // of the hash that names pending records
	base     engines.Version
	limit    int64 // of memory
	deferred bool  // commits are published when the log is durable: class sync

	// After a clean close the log has nothing to replay, and is opened while reads are served.
	writable atomic.Bool   // the log is open
	opened   chan struct{} // closed when it is, or when that has failed
	logErr   error         // why that has failed; set before opened is closed

	mu        sync.Mutex // the writer's lock; guards the tree but for what readers may do, and:
	tree      *tree
	closed    bool
	floor     uint64  // highest version of any record that was deleted
	highest   uint64  // highest version assigned
	applied   wal.LSN // log records up to this one are in the tree
	queue     queue   // commits that are not durable yet
	plans     []plan  // scratch of a batch
	payload   []byte  // scratch of its log record
	renewHead [renewHeadBytes]byte
	commits   uint64
	conflicts uint64

	published atomic.Uint64  // applied, for those without the lock
	inflight  sync.WaitGroup // commits that wait for the log; grows under mu only

	checkpointing sync.Mutex // one checkpoint or close at a time
	progress      progress

	stop       context.CancelFunc // ends background
	stopped    context.Context
	background sync.WaitGroup
	closing    atomic.Bool

	spans    storedir.Spans
	replayed uint64
}

// progress is what is known of checkpoints; its fields are read without a lock.
type progress struct {
	logAt   atomic.Uint64 // bytes of log records (Stats.RecordBytes) when the last one began
	written atomic.Uint64 // bytes since Open
	taken   atomic.Uint64 // since Open
	inUse   atomic.Int64  // bytes of the page file in use
}

func (e *engine) path(name string) string { return path.Join(e.dir, name) }

// open reports whether the engine is open, as an error if not.
func (e *engine) open() error {
	if e.closing.Load() {
		return engines.ErrClosed
	}
	return nil
}

// logged waits until the log is open, and returns why it is not if that failed.
func (e *engine) logged() error {
	if e.writable.Load() {
		return nil
	}
	<-e.opened
	if e.logErr != nil && e.closing.Load() {
		return engines.ErrClosed
	}
	return e.logErr
}

// room makes sure that n bytes of records can be allocated, and what their nodes take.
// The caller holds mu.
func (e *engine) room(n int) error {
	if e.heap.arena.UsedBytes()+int64(n) <= e.limit {
		return nil
	}
	for range 3 { // what is only waiting for readers
		e.heap.collect()
	}
	e.heap.trim()
	if used := e.heap.arena.UsedBytes(); used+int64(n) > e.limit {
		return fmt.Errorf("%w: %d of %d bytes of memory in use", engines.ErrFull, used, e.limit)
	}
	return nil
}

// memoryLimit leaves some of the arena for the nodes of commits whose records were let in.
func memoryLimit(a *arena.Arena, asked int64) int64 {
	all := a.LimitBytes()
	limit := max(all-1<<30, all/2)
	if asked > 0 {
		limit = min(limit, asked)
	}
	return limit
}

// Stats is engines.Engine.
func (e *engine) Stats() engines.Stats {
	var st engines.Stats
	if e.closing.Load() {
		return st
	}
	if e.writable.Load() {
		l := e.log.Stats()
		st.Flushes, st.LogBytes, st.MappedBytes = l.Flushes, l.RecordBytes, uint64(l.MappedBytes)
		if e.deferred {
			st.LogBytes = l.WrittenBytes
		}
		st.ReplayedRecords = e.replayed
	}
	e.mu.Lock()
	st.Commits, st.Conflicts = e.commits, e.conflicts
	for _, n := range e.tree.counts {
		st.Records += n
	}
	e.mu.Unlock()
	st.TableBytes = uint64(e.heap.arena.HeldBytes())
	st.CheckpointBytes, st.Checkpoints = e.progress.written.Load(), e.progress.taken.Load()
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
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.inflight.Wait()
	e.heap.epochs.drain() // readers that came before closing was set
	err := e.closeFiles()
	if cerr := e.pages.close(); err == nil {
		err = cerr
	}
	return errors.Join(err, e.heap.close(), e.dirLock.Close())
}

// closeFiles leaves the store as the next open likes to find it.
func (e *engine) closeFiles() error {
	if e.logErr != nil {
		if e.log != nil {
			return errors.Join(e.logErr, e.log.Close())
		}
		return e.logErr
	}
	err := e.log.Sync()
	if err == nil && e.config.CheckpointOnClose {
		if cerr := e.checkpoint(context.Background(), 1); cerr != nil {
			e.logf("cowbtree %s: checkpoint at close: %v; the log keeps everything", e.dir, cerr)
		}
	}
	return e.meta.CloseLog(e.log, err)
}

// loop is the background work: checkpoints when the log has grown, and syncs by the clock.
func (e *engine) loop() {
	defer e.background.Done()
	e.log.Upkeep(e.stopped, e.wantsCheckpoint, e.checkpointLocked)
}
