package appendlog

import (
	"context"
	"errors"
	"io"
	"path"
	"sync"
	"sync/atomic"

	"orbitbench/engines"
	"orbitbench/engines/internal/index"
	"orbitbench/engines/internal/meta"
	"orbitbench/engines/internal/storedir"
	"orbitbench/engines/internal/vfs"
	"orbitbench/engines/internal/wal"
)

// logName is the directory of the log in the store's.
const logName = storedir.LogName

// engine is an open store.
//
// Locks are taken in this order: snapshotting, those of the index, metaMu.
type engine struct {
	fs         vfs.FS
	dir        string
	durability engines.Durability
	config     Config
	logf       func(string, ...any)
	dirLock    io.Closer

	index *index.Index
	log   *wal.Log

	meta *meta.Keeper

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

// Stats is engines.Engine.
func (e *engine) Stats() engines.Stats {
	var st engines.Stats
	if e.closing.Load() {
		return st
	}
	l := e.log.Stats()
	st.Flushes, st.LogBytes, st.MappedBytes = l.Flushes, l.RecordBytes, uint64(l.MappedBytes)
	if e.durability.Class == engines.Sync {
		st.LogBytes = l.WrittenBytes
	}
	e.index.AddStats(&st)
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
	e.index.Shut()
	err := e.closeFiles()
	e.closeMemory()
	return errors.Join(err, e.dirLock.Close())
}

// closeFiles leaves the store as the next open likes to find it.
func (e *engine) closeFiles() error {
	err := e.log.Sync()
	if err == nil && e.config.SnapshotOnClose && !e.logIsShort() {
		if serr := e.snapshot(context.Background(), false); serr != nil {
			e.logf("appendlog %s: snapshot at close: %v; the log keeps everything", e.dir, serr)
		}
	}
	return e.meta.CloseLog(e.log, err)
}

// closeMemory frees what is outside the Go heap, once no scan is using it.
func (e *engine) closeMemory() {
	if err := e.index.Close(); err != nil {
		e.logf("appendlog %s: %v", e.dir, err)
	}
}

// loop is the background work: snapshots when the log has grown, and syncs by the clock.
func (e *engine) loop() {
	defer e.background.Done()
	e.log.Upkeep(e.stopped, e.wantsSnapshot, e.checkpoint)
}

// Spans is engines.Spanner.
func (e *engine) Spans() []engines.Span { return e.spans.List() }
