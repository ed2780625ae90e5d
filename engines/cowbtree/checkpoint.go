package cowbtree

import (
	"context"
	"errors"
	"fmt"
	"path"
	"time"

	"orbitbench/engines"
	"orbitbench/engines/internal/meta"
	"orbitbench/engines/internal/storedir"
	"orbitbench/engines/internal/wal"
)

// A checkpoint is a view that is written to the page file:
//
//  1. The log goes on in a new segment, and everything before it is made durable
//     and visible. Then a view is taken; it holds the log up to one number exactly.
//  2. The nodes of the view that have changed since they were last stored get new
//     pages (pageWriter). Writers go on: they copy the nodes that the view sees, but for leaves
//     that are to be written anyway, in which a single record is replaced in place (tree.fuzzy).
//     Replay skips what a page has already, so no leaf is copied and no old record kept for renewals.
//  3. The log is synced, so that it reaches what the pages may hold; then the
//     meta block makes the checkpoint the last one.
//  4. The nodes that are still in the tree as they were written learn their pages; the others
//     have left theirs for the next checkpoint to free. The pages that were given up
//     before the view was taken are free now.
//  5. The view is let go, and the log's old segments are dropped.

// wantsCheckpoint reports whether the log has outgrown what replay should take.
func (e *engine) wantsCheckpoint() bool {
	limit := e.config.CheckpointLogBytes
	if limit < 0 {
		return false
	}
	limit = max(limit, e.progress.inUse.Load()/4)
	return e.log.Stats().RecordBytes-e.progress.logAt.Load() > uint64(limit)
}

// Checkpoint is engines.Checkpointer.
func (e *engine) Checkpoint(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(e.stopped, func() { cancel(engines.ErrClosed) })()
	return e.checkpointLocked(ctx)
}

func (e *engine) checkpointLocked(ctx context.Context) error {
	if err := e.logged(); err != nil {
		return err
	}
	e.checkpointing.Lock()
	defer e.checkpointing.Unlock()
	if err := e.open(); err != nil {
		return err
	}
	return storedir.FullDevice(e.checkpoint(ctx, e.config.CheckpointShare))
}

// holdLocked takes a view, and says what a checkpoint of it would: all but the pages.
// The caller holds mu.
func (e *engine) holdLocked(checkpoint bool) (*hold, pagesMeta, error) {
	if e.tree.gen >= maxBorn {
		return nil, pagesMeta{}, fmt.Errorf("%w: %d views have been taken; the store must be opened again", engines.ErrFull, e.tree.gen)
	}
	if e.deferred {
		e.publish(e.log.Durable())
	}
	m := pagesMeta{
		seed: e.seed, applied: uint64(e.applied), upTo: uint64(e.applied), floor: e.floor, highest: e.highest, counts: e.tree.counts,
	}
	return e.tree.hold(checkpoint), m, nil
}

// checkpoint writes one unless nothing has happened since the last. The caller holds checkpointing.
func (e *engine) checkpoint(ctx context.Context, share float64) error {
	begin := time.Now()
	logAt := e.log.Stats().RecordBytes
	if _, err := e.log.Rotate(); err != nil {
		return err
	}
	if err := e.log.Sync(); err != nil {
		return err
	}
	e.mu.Lock()
	held, m, err := e.holdLocked(true)
	if err != nil {
		e.mu.Unlock()
		return err
	}
	freed := e.tree.freed
	e.tree.freed = nil
	e.mu.Unlock()
	m.checkpoint = e.pages.meta.checkpoint + 1
	w := newPageWriter(ctx, e.fs, e.loader, e.pages, m.checkpoint)
	w.share, w.compress = share, e.config.EnableCompression
	w.onWrite = func(n int) { e.progress.written.Add(uint64(n)) }
	if m.applied == e.pages.meta.applied {
		err = errNothingNew
	} else {
		err = e.writePages(w, held, &m, freed)
	}
	e.finishCheckpoint(w, held, freed, err == nil)
	if err != nil {
		if errors.Is(err, errNothingNew) {
			err = nil
		}
		return err
	}
	for _, a := range append(freed, e.pages.meta.mapPage) {
		e.pages.space.clear(a.block, a.blocks())
	}
	e.pages.meta = m
	e.progress.inUse.Store(int64(e.pages.space.inUse) * blockBytes)
	e.progress.logAt.Store(logAt)
	e.progress.taken.Add(1)
	e.spans.Add("checkpoint", begin, time.Now(), uint64(w.bytes))
	return e.log.DropBefore(wal.LSN(m.applied) + 1)
}

// errNothingNew ends a checkpoint that would be the one before again.
var errNothingNew = errors.New("nothing has changed")

// writePages writes the checkpoint m of what is held. When it fails, the blocks that were
// taken are free again, or are freed by the next checkpoint if the meta block may be there.
func (e *engine) writePages(w *pageWriter, held *hold, m *pagesMeta, freed []pageAddr) error {
	err := w.all(held.top, m)
	if err == nil {
		e.mu.Lock()
		m.upTo = uint64(e.applied)
		e.mu.Unlock()
		err = e.log.Sync()
	}
	touched := false
	if err == nil {
		touched, err = w.finish(m, freed)
	}
	if err == nil {
		return nil
	}
	if touched {
		e.mu.Lock()
		e.tree.freed = append(e.tree.freed, w.taken...)
		e.mu.Unlock()
	} else {
		w.abandon()
	}
	return fmt.Errorf("checkpoint %d: %w", m.checkpoint, err)
}

// finishCheckpoint tells the nodes where they are stored, and lets the view go.
func (e *engine) finishCheckpoint(w *pageWriter, held *hold, freed []pageAddr, done bool) {
	e.mu.Lock()
	t := e.tree
	if done {
		for _, p := range w.placed {
			if n := t.node(p.ref); n.retired || n.changes() != p.changes {
				t.freed = append(t.freed, p.page)
			} else {
				n.page = p.page
			}
		}
	} else {
		t.freed = append(t.freed, freed...)
	}
	t.release(held)
	e.mu.Unlock()
	e.settle(held)
}

// Snapshot is engines.Snapshotter: a page file of its own that holds everything a view
// sees, and an empty log.
func (e *engine) Snapshot(ctx context.Context, dir string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	held, m, err := e.hold(true)
	if err != nil {
		return err
	}
	defer e.inflight.Done()
	defer e.letGo(held)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(e.stopped, func() { cancel(engines.ErrClosed) })()
	return storedir.FullDevice(e.copyTo(ctx, dir, held, m))
}

// firstOfCopy is the log record that a copy says it holds. Its log is empty and begins
// behind it, so that the loss of the copy's page file is not taken for a new store.
const firstOfCopy = 1

func (e *engine) copyTo(ctx context.Context, dir string, held *hold, m pagesMeta) (err error) {
	if err := storedir.MakeEmpty(e.fs, dir); err != nil {
		return err
	}
	begin, name := time.Now(), path.Join(dir, pagesName)
	if err := createPages(e.fs, name, pagesMeta{seed: e.seed, blocks: firstPageBlock}); err != nil {
		return err
	}
	to, err := openPages(e.fs, name, e.seed, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.close()) }()
	m.checkpoint, m.applied, m.upTo = 1, firstOfCopy, firstOfCopy
	w := newPageWriter(ctx, e.fs, e.loader, to, m.checkpoint)
	w.share, w.compress = e.config.CheckpointShare, e.config.EnableCompression
	if err := w.all(held.top, &m); err != nil {
		return err
	}
	if _, err := w.finish(&m, nil); err != nil {
		return err
	}
	e.spans.Add("snapshot", begin, time.Now(), uint64(w.bytes))
	return metaFormat.Write(e.fs, dir, meta.Meta{Seed: e.seed, Base: uint64(e.base), Last: firstOfCopy})
}
