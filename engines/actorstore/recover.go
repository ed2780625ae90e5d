package actorstore

import (
	"context"
	"errors"
	"fmt"
	"path"
	"runtime"
	"time"

	"orbitbench/engines"
	"orbitbench/engines/internal/index"
	"orbitbench/engines/internal/meta"
	"orbitbench/engines/internal/storedir"
	"orbitbench/engines/internal/vfs"
	"orbitbench/engines/internal/wal"
)

// open opens the store in o.Dir of a file system, and recovers it.
func open(ctx context.Context, fsys vfs.FS, o engines.Options) (*engine, error) {
	return openAt(ctx, fsys, o, func() int64 { return time.Now().UnixNano() })
}

// openAt is open with a clock, which gives ns since the Unix epoch.
func openAt(ctx context.Context, fsys vfs.FS, o engines.Options, now func() int64) (*engine, error) {
	config, err := Driver{}.configure(o)
	if err != nil {
		return nil, err
	}
	e := &engine{fs: fsys, dir: o.Dir, durability: o.Durability, config: config, logf: o.Log, now: now, series: newSeriesStore()}
	e.stopped, e.stop = context.WithCancel(context.Background())
	if e.dirLock, err = storedir.Open(fsys, e.dir); err != nil {
		return nil, storedir.FullDevice(err)
	}
	if err := e.recover(ctx); err != nil {
		e.closing.Store(true)
		e.stop()
		if e.log != nil {
			err = errors.Join(err, e.log.Close())
		}
		if e.index != nil {
			e.closeMemory()
		}
		return nil, errors.Join(storedir.FullDevice(err), e.dirLock.Close())
	}
	e.background.Add(3)
	go e.loop()
	go e.sweep()
	go e.warm()
	return e, nil
}

// recover brings the store into memory. A crash within it changes nothing that
// the next one needs: files are removed only if they are leftovers, and META is
// replaced as a whole.
func (e *engine) recover(ctx context.Context) (err error) {
	e.meta, err = meta.Open(metaFormat, e.fs, e.dir, func() (string, error) { return leftovers(e.fs, e.dir) })
	if err != nil {
		return err
	}
	if e.index, err = index.New(e.config.MemoryLimitBytes, e.meta.Seed()); err != nil {
		return err
	}
	e.cache = e.index.NewCache()
	e.index.SetCold(e.series)
	e.index.SetExpired(func(value []byte) bool { return e.expired(value, e.now()) })
	start, err := e.tidy()
	if err != nil {
		return err
	}
	var upTo wal.LSN
	if start > 0 {
		if upTo, err = e.loadCheckpoint(ctx, start); err != nil {
			return err
		}
	}
	info, err := e.replay(ctx, max(start, 1), upTo)
	if err != nil {
		return err
	}
	e.checkpointInfo.start.Store(uint64(start))
	e.checkpointInfo.logAt.Store(-uint64(info.Bytes)) // what was replayed counts as log since the checkpoint
	if start > 0 && e.replayed.Load() == 0 {
		e.checkpointInfo.next.Store(uint64(e.log.Next()))
	}
	if err := e.meta.Reserve(e.durability.Class, uint64(e.index.Highest())); err != nil {
		return err
	}
	if e.durability.Class == engines.Interval {
		e.index.StartLazy(e, e.log, e.durability.Window, e.meta)
	} else {
		e.index.Start(e, e.log, e.durability.Class, e.meta)
	}
	return nil
}

// tidy removes what an interrupted write left behind and returns the start of
// the newest checkpoint, 0 if there is none.
func (e *engine) tidy() (wal.LSN, error) {
	if err := storedir.RemoveTemporary(e.fs, e.dir); err != nil {
		return 0, err
	}
	names, err := e.fs.ReadDir(e.dir)
	if err != nil {
		return 0, err
	}
	var newest wal.LSN
	for _, n := range names {
		if start, ok := checkpoints.Start(n); ok {
			newest = max(newest, start)
		}
	}
	return newest, removeOthers(e.fs, e.dir, newest)
}

// removeOthers removes the checkpoints before start, and the series files that
// do not belong to it: those of a checkpoint that was never finished, too.
func removeOthers(fsys vfs.FS, dir string, start wal.LSN) error {
	names, err := fsys.ReadDir(dir)
	if err != nil {
		return err
	}
	var others []string
	for _, n := range names {
		if s, ok := checkpoints.Start(n); ok && s < start {
			others = append(others, n)
		}
		if s, ok := seriesFiles.Start(n); ok && s != start {
			others = append(others, n)
		}
	}
	if len(others) == 0 {
		return nil
	}
	// A kill may have come between the rename of the newest one and the sync of its
	// name: a power cut must not find the others gone and the newest one unnamed.
	if err := fsys.SyncDir(dir); err != nil {
		return err
	}
	for _, n := range others { // by name, so checkpoints go before what they need
		if err := fsys.Remove(path.Join(dir, n)); err != nil {
			return err
		}
	}
	return fsys.SyncDir(dir)
}

// replay opens the log and applies what it holds from start on. upTo is the
// end of the checkpoint that was loaded.
func (e *engine) replay(ctx context.Context, start, upTo wal.LSN) (wal.ReplayInfo, error) {
	o := e.logOptions()
	o.Next = max(start, upTo+1)
	o.ReplayWorkers = min(max(runtime.GOMAXPROCS(0), 1), 8)
	d := index.NewLanes(e.index, upTo, o.ReplayWorkers)
	o.Begin = d.Begin
	o.Round = func(valid wal.LSN) error { return e.replayError(d.Round(valid)) }
	log, info, err := wal.Open(ctx, o, start-1, func(lane int, r wal.Record) error {
		if r.Kind != kindCheckpoint {
			e.replayed.Add(1)
		}
		err := eachReplayed(r, start, func(o *index.Op) error {
			d.AddTo(lane, r.LSN, o)
			return nil
		})
		if err != nil {
			return corruptLog(e.path(logName), "record %d: %v", r.LSN, err)
		}
		return nil
	})
	e.log = log
	if err != nil {
		return info, err
	}
	return info, checkLog(e.path(logName), e.meta.Meta(), info, start, upTo)
}

// checkLog demands that the log holds what the checkpoint and META say it does.
func checkLog(dir string, m meta.Meta, info wal.ReplayInfo, start, upTo wal.LSN) error {
	have := max(info.Last, start-1)
	switch {
	case info.First > start:
		return corruptLog(dir, "begins with record %d, replay wants %d", info.First, start)
	case have < upTo:
		return corruptLog(dir, "ends with record %d, the checkpoint wants all up to %d", have, upTo)
	case have < wal.LSN(m.Last):
		return corruptLog(dir, "ends with record %d, the store was closed at %d", have, m.Last)
	}
	return nil
}

func corruptLog(dir, format string, args ...any) error {
	return &engines.CorruptError{File: dir, Offset: -1, Reason: "log " + fmt.Sprintf(format, args...)}
}
