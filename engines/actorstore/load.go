package actorstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"

	"orbitbench/engines"
	"orbitbench/engines/internal/index"
	"orbitbench/engines/internal/snapshot"
	"orbitbench/engines/internal/vfs"
	"orbitbench/engines/internal/wal"
)

// loadCheckpoint brings the blocks of a checkpoint into memory, gives the index its
// records to take when they are needed, and returns its end.
func (e *engine) loadCheckpoint(ctx context.Context, start wal.LSN) (wal.LSN, error) {
	if err := readSeries(ctx, e.fs, e.dir, start, e.meta.Seed(), func(metric string, b *block) error {
		b.data = bytes.Clone(b.data)
		return e.series.load(metric, b)
	}); err != nil {
		return 0, err
	}
	return checkpoints.Load(e.fs, e.dir, start, e.meta.Seed(), e.index)
}

// readSeries reads the series file of a checkpoint, checks it to its last point,
// and calls seal for each block, whose data is valid until seal returns.
func readSeries(ctx context.Context, fsys vfs.FS, dir string, start wal.LSN, seed uint64, seal func(string, *block) error) error {
	r, err := openSeries(fsys, dir, start, seed)
	if err != nil {
		return err
	}
	defer r.Close() // opened for reading: nothing can be lost
	name := dir + "/" + seriesFiles.Name(start)
	var read seriesEnd
	var order blockOrder
	var end *seriesEnd
	var payload, buf []byte
	for i := range r.Chunks() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if payload, _, buf, err = r.Chunk(i, buf); err != nil {
			return err
		}
		end, err = eachBlock(payload, func(metric string, b *block) error {
			read.blocks++
			read.points += uint64(b.n)
			if err := order.follows(metric, b); err != nil {
				return err
			}
			return seal(metric, b)
		})
		if err == nil && (end != nil) != (i == r.Chunks()-1) {
			err = errors.New("the end is not where the last chunk ends")
		}
		if err != nil {
			return &engines.CorruptError{File: name, Offset: r.ChunkOffset(i), Reason: err.Error()}
		}
	}
	if end == nil || *end != read {
		return &engines.CorruptError{File: name, Offset: r.Size(), Reason: fmt.Sprintf("%d blocks with %d points, and the end does not say so", read.blocks, read.points)}
	}
	return nil
}

// openSeries opens a series file and checks what its head says.
func openSeries(fsys vfs.FS, dir string, start wal.LSN, seed uint64) (*snapshot.Reader, error) {
	name := dir + "/" + seriesFiles.Name(start)
	r, err := snapshot.Open(fsys, name, seriesFiles.Tag)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &engines.CorruptError{File: name, Offset: -1, Reason: "is missing beside " + checkpoints.Name(start)}
	}
	if err != nil {
		return nil, err
	}
	if h := r.Meta(); len(h) != headBytes || le.Uint64(h) != seed || wal.LSN(le.Uint64(h[8:])) != start {
		err := &engines.CorruptError{File: name, Offset: 0, Reason: fmt.Sprintf("metadata %x, want hash seed %016x and start %d", h, seed, start)}
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// blockOrder checks that blocks come in order and do not overlap.
type blockOrder struct {
	metric string
	last   uint64
	any    bool
}

func (o *blockOrder) follows(metric string, b *block) error {
	if o.any && (metric < o.metric || metric == o.metric && b.first <= o.last) {
		return fmt.Errorf("block of %q from %d follows one of %q to %d", metric, b.first, o.metric, o.last)
	}
	o.metric, o.last, o.any = metric, b.last, true
	return nil
}

// writeSeries makes a series file durable.
func (e *engine) writeSeries(name string, start wal.LSN, onWrite func(int) error) (size int64, err error) {
	head := le.AppendUint64(le.AppendUint64(nil, e.meta.Seed()), uint64(start))
	w, err := snapshot.Create(e.fs, name, seriesFiles.Tag, head, snapshot.Options{OnWrite: onWrite})
	if err != nil {
		return 0, err
	}
	var end seriesEnd
	var buf []byte
	metrics, blocks := e.series.snapshot()
	for i, metric := range metrics {
		for _, b := range blocks[i] {
			end.blocks++
			end.points += uint64(b.n)
			buf = appendBlock(buf[:0], metric, b)
			if err := w.Append(buf); err != nil {
				return 0, errors.Join(err, w.Abort())
			}
		}
	}
	if err := w.Append(end.encode(buf[:0])); err != nil {
		return 0, errors.Join(err, w.Abort())
	}
	if err := w.Commit(); err != nil {
		return 0, err
	}
	return w.Bytes(), nil
}

// warm brings all records into memory in the background.
func (e *engine) warm() {
	defer e.background.Done()
	if err := e.index.Warm(e.stopped, e.spans.Add); err != nil {
		e.logf("actorstore %s: loading the checkpoint: %v", e.dir, err)
	}
}

// replayError makes what was wrong with operations of the log damage of it.
func (e *engine) replayError(err error) error {
	var bad *index.ReplayError
	if errors.As(err, &bad) {
		return wal.Corrupt(e.path(logName), "%v", bad)
	}
	return err
}

// replayedRecords counts records of the log, on several goroutines.
type replayedRecords struct{ atomic.Uint64 }
