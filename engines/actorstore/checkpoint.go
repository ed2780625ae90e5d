package actorstore

import (
	"context"
	"errors"
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

// A checkpoint is fuzzy: stripes are copied one after the other, some records at
// a time under the stripe's lock, while writers go on. It begins at the log
// record number start, and holds each record in some state that it had between
// start and the end of the copy. Replaying the log from start over it gives the
// state at the end, because operations that it has already are told by their
// versions. So it is of use only once the log up to end is durable. Points of
// time series are sealed into blocks before it begins, and blocks are copied last.

// checkpointInfo is what the engine knows of its latest checkpoint.
type checkpointInfo struct {
	start   atomic.Uint64 // its start, 0 if there is none
	next    atomic.Uint64 // number of the next log record when it ended
	bytes   atomic.Int64  // size of its file
	logAt   atomic.Uint64 // bytes of log records (Stats.RecordBytes) at its start
	written atomic.Uint64 // bytes of checkpoints since Open
	taken   atomic.Uint64 // checkpoints since Open
}

// wantsCheckpoint reports whether the log has outgrown what replay should take,
// or the points that are not sealed the index.
func (e *engine) wantsCheckpoint() bool {
	if e.config.CheckpointLogBytes < 0 || e.index.Away() > 0 { // records that are on their way into memory come first
		return false
	}
	return e.logSince() > uint64(e.logLimit()) || e.index.Points()-e.sealed.Load() >= uint64(e.config.SeriesTailPoints)
}

// logLimit returns how many bytes of log call for a checkpoint.
func (e *engine) logLimit() int64 {
	return max(e.config.CheckpointLogBytes, e.checkpointInfo.bytes.Load())
}

// pace returns the pace of a checkpoint that begins now: with four times the log that calls for
// one it goes as fast as it can, unless none is taken for the log.
func (e *engine) pace() *pace.Pace {
	bound := uint64(math.MaxUint64)
	if e.config.CheckpointLogBytes >= 0 {
		bound = 4 * uint64(e.logLimit())
	}
	return pace.New(e.config.CheckpointShare, e.logSince, bound)
}

// logSince returns the bytes of log records since the latest checkpoint began.
func (e *engine) logSince() uint64 { return e.log.Stats().RecordBytes - e.checkpointInfo.logAt.Load() }

// logIsShort reports whether the next open would have to read so little of the log that
// it can read a record at once, whatever the size of the store.
func (e *engine) logIsShort() bool {
	const little = 256 << 10
	return e.logSince() <= little
}

// Checkpoint is engines.Checkpointer: it seals points, writes a checkpoint and cuts the log.
func (e *engine) Checkpoint(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(e.stopped, func() { cancel(engines.ErrClosed) })()
	return e.lockedCheckpoint(ctx)
}

func (e *engine) lockedCheckpoint(ctx context.Context) error {
	e.checkpointing.Lock()
	defer e.checkpointing.Unlock()
	if err := e.open(); err != nil {
		return err
	}
	if err := e.seal(ctx); err != nil {
		return err
	}
	return e.checkpoint(ctx, true)
}

// checkpoint writes a checkpoint, makes it the store's, and drops what it replaces.
// The caller holds checkpointing. paced leaves room on the device for writers.
func (e *engine) checkpoint(ctx context.Context, paced bool) error {
	if err := e.index.Flush(); err != nil { // renewals that wait for a round
		return err
	}
	if uint64(e.log.Next()) == e.checkpointInfo.next.Load() && e.logIsShort() {
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
	bytes, end, err := e.write(ctx, e.dir, start, source)
	if err != nil {
		return err
	}
	i := &e.checkpointInfo
	i.start.Store(uint64(start))
	i.bytes.Store(bytes)
	i.logAt.Store(logAt)
	i.taken.Add(1)
	noted, err := e.log.Append(kindCheckpoint, le.AppendUint64(nil, uint64(start)))
	switch {
	case err == nil:
		e.index.Reuse()
	case !errors.Is(err, engines.ErrFull): // without room the ids rest until the next checkpoint
		return err
	}
	if noted == end+1 {
		i.next.Store(uint64(noted) + 1) // nothing else has happened since
	}
	e.spans.Add("checkpoint", begin, time.Now(), uint64(bytes))
	if err := removeOthers(e.fs, e.dir, start); err != nil {
		return err
	}
	return e.log.DropBefore(start)
}

// write makes the two files of a checkpoint in dir, of the records of a view or of
// what readers see. When it returns nil they are durable, and so is the log up to the end. The series
// come first: a checkpoint without them would be damaged. Blocks do not change meanwhile, as
// they do so before a checkpoint begins, and never while a view is open.
func (e *engine) write(ctx context.Context, dir string, start wal.LSN, s image.Source) (bytes int64, end wal.LSN, err error) {
	s.Index, s.Seed = e.index, e.meta.Seed()
	s.OnWrite = func(n int) error {
		e.checkpointInfo.written.Add(uint64(n))
		s.Pace.Rest()
		return context.Cause(ctx)
	}
	series, err := e.writeSeries(path.Join(dir, seriesFiles.Name(start)), start, s.OnWrite)
	if err != nil {
		return 0, 0, err
	}
	bytes, end, err = checkpoints.Write(e.fs, path.Join(dir, checkpoints.Name(start)), start, s)
	return bytes + series, end, err
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
	bytes, _, err := e.write(ctx, dir, 1, image.Source{View: v, Pace: e.pace()})
	if err != nil {
		return err
	}
	e.spans.Add("copy", begin, time.Now(), uint64(bytes))
	return metaFormat.Write(e.fs, dir, meta.Meta{Seed: e.meta.Seed(), Base: e.meta.Base()})
}
