package appendlog

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
	limit := e.config.SnapshotLogBytes
	if limit < 0 {
		return false
	}
	limit = max(limit, e.snapshotInfo.bytes.Load())
	return e.logSince() > uint64(limit)
}

// logSince returns the bytes of log records since the latest snapshot began.
func (e *engine) logSince() uint64 { return e.log.Stats().RecordBytes - e.snapshotInfo.logAt.Load() }

// closeWantsSnapshot reports whether the next open would have to replay more than
// takes a millisecond or two: with less it can read a record at once, whatever the size of the store.
func (e *engine) closeWantsSnapshot() bool {
	const little = 256 << 10
	return e.logSince() > little
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
	if uint64(e.log.Next()) == e.snapshotInfo.next.Load() {
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
		c.share = e.config.SnapshotShare
	}
	if err := c.write(e.path(snapshotName(start)), start); err != nil {
		return err
	}
	i := &e.snapshotInfo
	i.start.Store(uint64(start))
	i.next.Store(uint64(c.tail.end) + 1)
	i.bytes.Store(c.bytes)
	i.logAt.Store(logAt)
	i.taken.Add(1)
	e.spans.Add("snapshot", begin, time.Now(), uint64(c.bytes))
	if err := removeOlder(e.fs, e.dir, start); err != nil {
		return err
	}
	return e.log.DropBefore(start)
}

// ownChunk is how full a chunk is at the end of a stripe for the next one to begin
// another: a chunk that two share is read for each. Small stripes share theirs.
const ownChunk = 64 << 10

// copier writes the records of a store to a snapshot file.
type copier struct {
	e       *engine
	ctx     context.Context
	view    *index.View // whose records are copied; nil: what readers see
	share   float64     // of the device's time
	closing bool        // the engine is being closed, and this is the last thing it does
	apart   bool        // the copy is a store of its own, with an empty log

	tail  snapshotEnd
	bytes int64
}

// write makes the snapshot file name. When it returns nil the file is durable,
// and so is the log up to its end.
func (c *copier) write(name string, start wal.LSN) error {
	e := c.e
	head := snapshotHead{seed: e.meta.Seed(), start: start}
	w, err := snapshot.Create(e.fs, name, snapshotTag, head.encode(nil), snapshot.Options{
		Share: c.share,
		OnWrite: func(n int) error {
			e.snapshotInfo.written.Add(uint64(n))
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
	m := c.e.index.NewImager()
	for i := range index.Stripes {
		var err error
		if c.tail.stripes[i], err = m.Gather(i, c.view, c.closing); err != nil {
			return err
		}
		err = m.Each(func(tag uint32, block []byte) error {
			if err := w.Append(block); err != nil {
				return err
			}
			if w.Chunk() == len(c.tail.tags) {
				c.tail.tags = append(c.tail.tags, tag)
			}
			return nil
		})
		if err == nil && (w.Pending() >= ownChunk || i == index.Stripes-1) {
			err = w.Cut()
		}
		if err != nil {
			return err
		}
	}
	if !c.apart {
		c.tail.end = c.e.log.Next() - 1
		if err := c.e.log.Sync(); err != nil {
			return err
		}
	}
	return w.Append(c.tail.encode(nil))
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
	c := &copier{e: e, ctx: ctx, view: v, share: e.config.SnapshotShare, apart: true}
	if err := c.write(path.Join(dir, snapshotName(1)), 1); err != nil {
		return err
	}
	e.spans.Add("copy", begin, time.Now(), uint64(c.bytes))
	return metaFormat.Write(e.fs, dir, meta.Meta{Seed: e.meta.Seed(), Base: e.meta.Base()})
}
