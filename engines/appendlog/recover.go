package appendlog

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"orbitbench/engines"
	"orbitbench/engines/internal/index"
	"orbitbench/engines/internal/meta"
	"orbitbench/engines/internal/storedir"
	"orbitbench/engines/internal/vfs"
	"orbitbench/engines/internal/wal"
)

// open opens the store in o.Dir of a file system, and recovers it.
func open(ctx context.Context, fsys vfs.FS, o engines.Options) (*engine, error) {
	config, err := Driver{}.configure(o)
	if err != nil {
		return nil, err
	}
	e := &engine{fs: fsys, dir: o.Dir, durability: o.Durability, config: config, logf: o.Log}
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
	e.background.Add(2)
	go e.loop()
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
	start, err := e.tidy()
	if err != nil {
		return err
	}
	var upTo wal.LSN
	if start > 0 {
		if upTo, err = e.loadSnapshot(start); err != nil {
			return err
		}
	}
	info, err := e.replay(ctx, max(start, 1), upTo)
	if err != nil {
		return err
	}
	e.replayed = info.Records
	e.snapshotInfo.start.Store(uint64(start))
	e.snapshotInfo.logAt.Store(-uint64(info.Bytes)) // what was replayed counts as log since the snapshot
	if start > 0 && info.Records == 0 {
		e.snapshotInfo.next.Store(uint64(e.log.Next()))
	}
	if err := e.meta.Reserve(e.durability.Class, uint64(e.index.Highest())); err != nil {
		return err
	}
	e.index.Start(e, e.log, e.durability.Class, e.meta)
	return nil
}

// tidy removes what an interrupted write left behind and returns the start of
// the newest snapshot, 0 if there is none.
func (e *engine) tidy() (wal.LSN, error) {
	if err := storedir.RemoveTemporary(e.fs, e.dir); err != nil {
		return 0, err
	}
	newest, err := snapshots.Newest(e.fs, e.dir)
	if err != nil {
		return 0, err
	}
	return newest, removeOlder(e.fs, e.dir, newest)
}

// removeOlder removes the snapshots before start.
func removeOlder(fsys vfs.FS, dir string, start wal.LSN) error {
	return storedir.RemoveOld(fsys, dir, func(name string) bool {
		s, ok := snapshots.Start(name)
		return ok && s < start
	})
}

// replay opens the log and applies what it holds from start on. upTo is the
// end of the snapshot that was loaded.
func (e *engine) replay(ctx context.Context, start, upTo wal.LSN) (wal.ReplayInfo, error) {
	o := e.logOptions()
	o.Next = max(start, upTo+1)
	o.ReplayWorkers = min(max(runtime.GOMAXPROCS(0), 1), 8)
	d := index.NewDealer(e.index, upTo, o.ReplayWorkers, e.replayError)
	o.Text = d.Text()
	o.Round = func(valid wal.LSN) error { return e.replayError(d.Round(valid)) }
	log, info, err := wal.Open(ctx, o, start-1, func(lane int, r wal.Record) error { return replayRecord(d, lane, &r) })
	e.log = log
	if err != nil {
		return info, err
	}
	return info, info.Check(e.path(logName), start, upTo, wal.LSN(e.meta.Meta().Last), snapshots.Name(start))
}

// replayRecord deals out the operations of one record of the log.
func replayRecord(d *index.Dealer, lane int, r *wal.Record) (err error) {
	if r.Kind == kindRenew && len(r.Payload) == renewBytes {
		err = d.AddDeltas(lane, r)
	} else {
		err = eachOp(r.Kind, r.Payload, func(at int, o index.Op) error { // of a renewal: tells what is wrong
			d.Add(lane, r, at, &o)
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("record %d: %w", r.LSN, err)
	}
	return nil
}
