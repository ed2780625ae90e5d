package actorstore

import (
	"context"
	"errors"
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
	e.meta, err = meta.Open(metaFormat, e.fs, e.dir)
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
	newest, err := checkpoints.Newest(e.fs, e.dir)
	if err != nil {
		return 0, err
	}
	return newest, removeOthers(e.fs, e.dir, newest)
}

// removeOthers removes the checkpoints before start, and the series files that
// do not belong to it: those of a checkpoint that was never finished, too.
func removeOthers(fsys vfs.FS, dir string, start wal.LSN) error {
	return storedir.RemoveOld(fsys, dir, func(name string) bool { // by name, so checkpoints go before what they need
		s, ok := checkpoints.Start(name)
		series, is := seriesFiles.Start(name)
		return ok && s < start || is && series != start
	})
}

// replay opens the log and applies what it holds from start on. upTo is the
// end of the checkpoint that was loaded.
func (e *engine) replay(ctx context.Context, start, upTo wal.LSN) (wal.ReplayInfo, error) {
	o := e.logOptions()
	o.Next = max(start, upTo+1)
	o.ReplayWorkers = min(max(runtime.GOMAXPROCS(0), 1), 8)
	d := index.NewDealer(e.index, upTo, o.ReplayWorkers, e.replayError)
	o.Text = d.Text()
	o.Round = func(valid wal.LSN) error { return e.replayError(d.Round(valid)) }
	log, info, err := wal.Open(ctx, o, start-1, func(lane int, r wal.Record) (err error) {
		if r.Kind != kindCheckpoint {
			e.replayed.Add(1)
		}
		if r.Kind == kindRenewals && len(r.Payload) > 0 {
			err = d.AddDeltas(lane, &r)
		} else {
			err = eachReplayed(r, start, func(at int, o index.Op) error {
				d.Add(lane, &r, at, &o)
				return nil
			})
		}
		if err != nil {
			return wal.Corrupt(e.path(logName), "record %d: %v", r.LSN, err)
		}
		return nil
	})
	e.log = log
	if err != nil {
		return info, err
	}
	return info, info.Check(e.path(logName), start, upTo, wal.LSN(e.meta.Meta().Last), checkpoints.Name(start))
}
