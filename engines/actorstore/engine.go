package actorstore

import (
	"context"
	"errors"
	"io"
	"path"
	"sync"
	"sync/atomic"
	"time"

	"orbitbench/engines"
	"orbitbench/engines/internal/index"
	"orbitbench/engines/internal/meta"
	"orbitbench/engines/internal/storedir"
	"orbitbench/engines/internal/vfs"
	"orbitbench/engines/internal/wal"
)

// logName is the log's directory in that of the store, beside META and the checkpoint.
const logName = storedir.LogName

// engine is an open store.
//
// Locks are taken in this order: evicting or checkpointing, those of the index, those of series.
type engine struct {
	fs         vfs.FS
	dir        string
	durability engines.Durability
	config     Config
	logf       func(string, ...any)
	now        func() int64 // ns since the Unix epoch, for the TTL of the query cache
	dirLock    io.Closer

	index *index.Index
	log   *wal.Log
	meta  *meta.Keeper

	cache    *index.Cache
	evicting sync.Mutex    // one at a time makes room in the query cache
	evicted  atomic.Uint64 // batches by which the engine itself has removed entries

	series *seriesStore
	sealed atomic.Uint64 // index.Points when points were sealed last

	checkpointing  sync.Mutex // one checkpoint at a time
	checkpointInfo checkpointInfo

	stop       context.CancelFunc // ends background
	stopped    context.Context
	background sync.WaitGroup
	closing    atomic.Bool

	spans    storedir.Spans
	replayed replayedRecords
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
	if e.durability.Class >= engines.Interval {
		st.LogBytes = l.WrittenBytes
	}
	e.index.AddStats(&st)
	st.Commits -= e.evicted.Load()
	st.Records += e.series.points.Load()
	st.CacheBytes = uint64(e.cache.Bytes())
	st.TableBytes += uint64(e.series.bytes.Load())
	st.CheckpointBytes, st.Checkpoints = e.checkpointInfo.written.Load(), e.checkpointInfo.taken.Load()
	st.ReplayedRecords = e.replayed.Load()
	return st
}

// Close is engines.Engine.
func (e *engine) Close() error {
	if e.closing.Swap(true) {
		return engines.ErrClosed
	}
	e.stop()
	e.background.Wait()
	e.checkpointing.Lock() // a Checkpoint that is running has been told to stop
	defer e.checkpointing.Unlock()
	e.index.Shut()
	err := e.closeFiles()
	e.closeMemory()
	return errors.Join(err, e.dirLock.Close())
}

// closeFiles leaves the store as the next open likes to find it.
func (e *engine) closeFiles() error {
	err := e.index.Flush()
	if err == nil && e.config.CheckpointOnClose && !e.logIsShort() {
		if cerr := e.checkpoint(context.Background(), false); cerr != nil {
			e.logf("actorstore %s: checkpoint at close: %v; the log keeps everything", e.dir, cerr)
		}
	}
	return e.meta.CloseLog(e.log, err)
}

// closeMemory frees what is outside the Go heap, once no scan is using it.
func (e *engine) closeMemory() {
	if err := e.index.Close(); err != nil {
		e.logf("actorstore %s: %v", e.dir, err)
	}
}

// loop is the background work: checkpoints when the log has grown, and syncs by the clock.
func (e *engine) loop() {
	defer e.background.Done()
	e.log.Upkeep(e.stopped, e.wantsCheckpoint, e.lockedCheckpoint)
}

// sweep deletes entries of the query cache that have run out, by the clock.
func (e *engine) sweep() {
	defer e.background.Done()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-e.stopped.Done():
			return
		case <-tick.C:
		}
		err := e.sweepCache(e.stopped)
		if errors.Is(err, engines.ErrFailed) {
			return
		}
		if err != nil && e.stopped.Err() == nil {
			e.logf("actorstore %s: removing cache entries that have run out: %v", e.dir, err)
		}
	}
}

// Spans is engines.Spanner.
func (e *engine) Spans() []engines.Span { return e.spans.List() }
