package actorstore

import (
	"context"
	"errors"
	"path"
	"sync/atomic"
	"time"

	"orbitbench/engines"
	"orbitbench/engines/internal/index"
	"orbitbench/engines/internal/meta"
	"orbitbench/engines/internal/snapshot"
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
	limit := e.config.CheckpointLogBytes
	if limit < 0 {
		return false
	}
	limit = max(limit, e.checkpointInfo.bytes.Load())
	return e.logSince() > uint64(limit) || e.unsealed.Load() >= e.config.SeriesTailPoints
}

// logSince returns the bytes of log records since the latest checkpoint began.
func (e *engine) logSince() uint64 { return e.log.Stats().RecordBytes - e.checkpointInfo.logAt.Load() }

// closeWantsCheckpoint compares what the next open would have to replay with what
// it would load instead. A replayed byte costs about as much as a loaded one.
func (e *engine) closeWantsCheckpoint() bool {
	const always = 1 << 20 // replayed in a few milliseconds
	return e.logSince() > max(always, uint64(e.index.UsedBytes())/4)
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
	if uint64(e.log.Next()) == e.checkpointInfo.next.Load() {
		return nil // nothing has happened since the last one
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
	c := &copier{e: e, ctx: ctx, share: 1, closing: !paced}
	if paced {
		c.share = e.config.CheckpointShare
	}
	if err := c.write(e.path(checkpointName(start)), start); err != nil {
		return err
	}
	i := &e.checkpointInfo
	i.start.Store(uint64(start))
	i.bytes.Store(c.bytes)
	i.logAt.Store(logAt)
	i.taken.Add(1)
	noted, err := e.log.Append(kindCheckpoint, le.AppendUint64(nil, uint64(start)))
	switch {
	case err == nil:
		e.index.Reuse()
	case !errors.Is(err, engines.ErrFull): // without room the ids rest until the next checkpoint
		return err
	}
	if noted == c.tail.end+1 {
		i.next.Store(uint64(noted) + 1) // nothing else has happened since
	}
	e.spans.Add("checkpoint", begin, time.Now(), uint64(c.bytes))
	if err := removeOlder(e.fs, e.dir, start); err != nil {
		return err
	}
	return e.log.DropBefore(start)
}

// copier writes the records of a store to a checkpoint file.
type copier struct {
	e       *engine
	ctx     context.Context
	view    *index.View // whose records are copied; nil: what readers see
	share   float64     // of the device's time
	closing bool        // the engine is being closed, and this is the last thing it does
	apart   bool        // the copy is a store of its own, with an empty log

	buf   []byte
	tail  checkpointEnd
	bytes int64
}

// write makes the checkpoint file name. When it returns nil the file is durable,
// and so is the log up to its end.
func (c *copier) write(name string, start wal.LSN) error {
	e := c.e
	head := checkpointHead{seed: e.meta.Seed(), start: start, live: e.index.Live()}
	w, err := snapshot.Create(e.fs, name, checkpointTag, head.encode(nil), snapshot.Options{
		Share: c.share,
		OnWrite: func(n int) error {
			e.checkpointInfo.written.Add(uint64(n))
			return context.Cause(c.ctx)
		},
	})
	if err != nil {
		return err
	}
	if err := c.records(w); err != nil {
		return errors.Join(err, w.Abort())
	}
	if err := w.Commit(); err != nil {
		return err
	}
	c.bytes = w.Bytes()
	return nil
}

func (c *copier) records(w *snapshot.Writer) error {
	for i := range index.Stripes {
		for cursor := 0; cursor >= 0; {
			var err error
			c.buf = c.buf[:0]
			cursor, c.tail.floors[i], err = c.e.index.Slice(i, cursor, c.view, c.closing, func(o *index.Op) { c.buf = index.AppendOp(c.buf, o) })
			if err != nil {
				return err
			}
			if err := w.Append(c.buf); err != nil {
				return err
			}
		}
	}
	names, blocks := c.e.series.snapshot()
	for i, name := range names {
		for _, b := range blocks[i] {
			c.buf = appendBlock(c.buf[:0], name, b)
			if err := w.Append(c.buf); err != nil {
				return err
			}
		}
	}
	if !c.apart {
		c.tail.end = c.e.log.Next() - 1
		if err := c.e.log.Sync(); err != nil {
			return err
		}
	}
	return w.Append(c.tail.encode(c.buf[:0]))
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
	c := &copier{e: e, ctx: ctx, view: v, share: e.config.CheckpointShare, apart: true}
	if err := c.write(path.Join(dir, checkpointName(1)), 1); err != nil {
		return err
	}
	e.spans.Add("copy", begin, time.Now(), uint64(c.bytes))
	return metaFormat.Write(e.fs, dir, meta.Meta{Seed: e.meta.Seed(), Base: e.meta.Base()})
}
