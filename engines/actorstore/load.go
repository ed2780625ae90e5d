package actorstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"orbitbench/engines"
	"orbitbench/engines/internal/meta"
	"orbitbench/engines/internal/snapshot"
	"orbitbench/engines/internal/vfs"
	"orbitbench/engines/internal/wal"
)

// loadCheckpoint brings the records and blocks of a checkpoint into memory and
// returns its end. Chunks are read, checked and applied by one goroutine per processor.
func (e *engine) loadCheckpoint(ctx context.Context, start wal.LSN) (wal.LSN, error) {
	name := e.path(checkpointName(start))
	r, head, err := openCheckpoint(e.fs, name, start)
	if err != nil {
		return 0, err
	}
	defer r.Close() // opened for reading: nothing can be lost
	if head.seed != e.meta.Seed() {
		return 0, &engines.CorruptError{File: name, Offset: 0, Reason: fmt.Sprintf("hash seed %016x, %s says %016x", head.seed, meta.Name, e.meta.Seed())}
	}
	if err := e.index.Reserve(head.live); err != nil {
		return 0, err
	}
	l := loader{e: e, r: r, name: name}
	var done sync.WaitGroup
	errs := make([]error, min(max(1, runtime.GOMAXPROCS(0)), 8))
	for i := range errs {
		done.Go(func() { errs[i] = l.run(ctx) })
	}
	done.Wait()
	for _, err := range errs {
		if err != nil {
			return 0, err
		}
	}
	if l.end == nil {
		return 0, &engines.CorruptError{File: name, Offset: r.Size(), Reason: "the end of the checkpoint is missing"}
	}
	if metric, ok := e.series.finishLoad(); !ok {
		return 0, &engines.CorruptError{File: name, Offset: -1, Reason: fmt.Sprintf("blocks of metric %q overlap", metric)}
	}
	for i, f := range l.end.floors {
		e.index.RaiseFloor(i, f)
	}
	return l.end.end, nil
}

// loader is shared by the goroutines that load one checkpoint.
type loader struct {
	e      *engine
	r      *snapshot.Reader
	name   string
	next   atomic.Int64 // chunk to take
	failed atomic.Bool
	end    *checkpointEnd // written by the goroutine that takes the last chunk
}

func (l *loader) run(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			l.failed.Store(true)
		}
	}()
	var buf []byte
	for !l.failed.Load() {
		i := int(l.next.Add(1)) - 1
		if i >= l.r.Chunks() {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		payload, _, b, err := l.r.Chunk(i, buf)
		if err != nil {
			return err
		}
		buf = b
		if err := l.chunk(i, payload); err != nil {
			return err
		}
	}
	return nil
}

func (l *loader) chunk(i int, payload []byte) error {
	put := l.e.index.NewLoader()
	end, err := eachRecord(payload, put.Put, func(metric string, b *block) error {
		b.data = bytes.Clone(b.data)
		l.e.series.load(metric, b)
		return nil
	})
	put.Done()
	if end != nil && i != l.r.Chunks()-1 && err == nil {
		err = errors.New("the end is not in the last chunk")
	}
	if errors.Is(err, engines.ErrFull) {
		return err
	}
	if err != nil {
		return &engines.CorruptError{File: l.name, Offset: -1, Reason: fmt.Sprintf("chunk %d: %v", i, err)}
	}
	if end != nil {
		l.end = end
	}
	return nil
}

// openCheckpoint opens a checkpoint and checks what its head says.
func openCheckpoint(fsys vfs.FS, name string, start wal.LSN) (*snapshot.Reader, checkpointHead, error) {
	r, err := snapshot.Open(fsys, name, checkpointTag)
	if err != nil {
		return nil, checkpointHead{}, err
	}
	head, err := decodeCheckpointHead(r.Meta())
	if err == nil && head.start != start {
		err = fmt.Errorf("start %d in a file named for %d", head.start, start)
	}
	if err != nil {
		return nil, head, errors.Join(&engines.CorruptError{File: name, Offset: 0, Reason: err.Error()}, r.Close())
	}
	return r, head, nil
}
