package appendlog

import (
	"context"
	"math"
	"path"
	"sync/atomic"
	"time"

	"orbitbench/engines"
	"orbitbench/engines/internal/image"
	"orbitbench/engines/internal/meta"
	"orbitbench/engines/internal/pace"
	"orbitbench/engines/internal/storedir"
	"orbitbench/engines/internal/wal"
)

// A snapshot is fuzzy: stripes are copied one after the other, some records at
// a time under the stripe's lock, while writers go on. It begins at the log
// record number start, and holds each record in some state that it had between
// start and the end of the copy. Replaying the log from start over it gives the
// state at the end, because operations that the snapshot has already are told
// by their versions. So it is of use only once the log up to end is durable.

// snapshotInfo is what the engine knows of its latest snapshot.
type snapshotInfo struct {
	start   atomic.Uint64 // its start, 0 if there is none
	next    atomic.Uint64 // number of the next log record when it ended
	bytes   atomic.Int64  // size of its file
	logAt   atomic.Uint64 // bytes of log records (Stats.RecordBytes) at its start
	written atomic.Uint64 // bytes of snapshots since Open
	taken   atomic.Uint64 // snapshots since Open
}

// wantsSnapshot reports whether the log has outgrown what replay should take.
func (e *engine) wantsSnapshot() bool {
	if e.config.SnapshotLogBytes < 0 || e.index.Away() > 0 { // records that are on their way into memory come first
		return false
	}
	return e.logSince() > uint64(e.logLimit())
}

// logLimit returns how many bytes of log call for a snapshot.
func (e *engine) logLimit() int64 { return max(e.config.SnapshotLogBytes, e.snapshotInfo.bytes.Load()) }

// pace returns the pace of a snapshot that begins now: with four times the log that calls for
// one it goes as fast as it can, unless none is taken for the log.
func (e *engine) pace() *pace.Pace {
	bound := uint64(math.MaxUint64)
	if e.config.SnapshotLogBytes >= 0 {
		bound = 4 * uint64(e.logLimit())
	}
	return pace.New(e.config.SnapshotShare, e.logSince, bound)
}

// logSince returns the bytes of log records since the latest snapshot began.
func (e *engine) logSince() uint64 { return e.log.Stats().RecordBytes - e.snapshotInfo.logAt.Load() }

// logIsShort reports whether the next open would have to read so little of the log that
// it can read a record at once, whatever the size of the store.
func (e *engine) logIsShort() bool {
	const little = 256 << 10
	return e.logSince() <= little
}

// Checkpoint is engines.Checkpointer: it takes a snapshot and cuts the log.
func (e *engine) Checkpoint(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(e.stopped, func() { cancel(engines.ErrClosed) })()
	return e.checkpoint(ctx)
}

func (e *engine) checkpoint(ctx context.Context) error {
	e.snapshotting.Lock()
	defer e.snapshotting.Unlock()
	if err := e.open(); err != nil {
		return err
	}
	return e.snapshot(ctx, true)
}

// snapshot writes a snapshot, makes it the store's, and drops what it replaces.
// The caller holds snapshotting. paced leaves room on the device for writers.
func (e *engine) snapshot(ctx context.Context, paced bool) error {
	if uint64(e.log.Next()) == e.snapshotInfo.next.Load() && e.logIsShort() {
		return nil // nothing has happened since the last one, and little while it was taken
	}
	begin := time.Now()
	logAt := e.log.Stats().RecordBytes
	start, err := e.log.Rotate()
	if err == nil {
		// Every commit below start is in memory, and durable, before the copy begins.
		err = e.log.Sync()
	}
	if err != nil {
		return err
	}
	source := image.Source{Shut: !paced, End: e.logEnd}
	if paced {
		source.Pace = e.pace()
	}
	bytes, end, err := e.write(ctx, e.path(snapshots.Name(start)), start, source)
	if err != nil {
		return err
	}
	i := &e.snapshotInfo
	i.start.Store(uint64(start))
	i.next.Store(uint64(end) + 1)
	i.bytes.Store(bytes)
	i.logAt.Store(logAt)
	i.taken.Add(1)
	e.spans.Add("snapshot", begin, time.Now(), uint64(bytes))
	if err := removeOlder(e.fs, e.dir, start); err != nil {
		return err
	}
	return e.log.DropBefore(start)
}

// write makes the snapshot file name of the records of a view, or of what readers
// see. When it returns nil the file is durable, and so is the log up to its end.
func (e *engine) write(ctx context.Context, name string, start wal.LSN, s image.Source) (bytes int64, end wal.LSN, err error) {
	s.Index, s.Seed = e.index, e.meta.Seed()
	s.OnWrite = func(n int) error {
		e.snapshotInfo.written.Add(uint64(n))
		s.Pace.Rest()
		return context.Cause(ctx)
	}
	return snapshots.Write(e.fs, name, start, s)
}

// logEnd makes the log durable up to the record that it returns.
func (e *engine) logEnd() (wal.LSN, error) {
	last := e.log.Next() - 1
	return last, e.log.Sync()
}

// Snapshot is engines.Snapshotter: the records of a view, and an empty log.
func (e *engine) Snapshot(ctx context.Context, dir string) error {
	v, err := e.index.View(ctx)
	if err != nil {
		return err
	}
	defer v.Close() // cannot fail: it is open
	if err := storedir.MakeEmpty(e.fs, dir); err != nil {
		return err
	}
	begin := time.Now()
	bytes, _, err := e.write(ctx, path.Join(dir, snapshots.Name(1)), 1, image.Source{View: v, Pace: e.pace()})
	if err != nil {
		return err
	}
	e.spans.Add("copy", begin, time.Now(), uint64(bytes))
	return metaFormat.Write(e.fs, dir, meta.Meta{Seed: e.meta.Seed(), Base: e.meta.Base()})
}
