package appendlog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"strings"

	"orbitbench/engines"
	"orbitbench/engines/internal/arena"
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
	e.deferred = o.Durability.Class == engines.Sync
	e.stopped, e.stop = context.WithCancel(context.Background())
	if err := e.openDir(); err != nil {
		return nil, fullDevice(err)
	}
	if err := e.recover(ctx); err != nil {
		e.closing.Store(true)
		e.stop()
		if e.log != nil {
			err = errors.Join(err, e.log.Close())
		}
		if e.arena != nil {
			e.closeMemory()
		}
		return nil, errors.Join(fullDevice(err), e.dirLock.Close())
	}
	e.background.Add(1)
	go e.loop()
	return e, nil
}

// openDir makes the directory if it is missing, and locks it.
func (e *engine) openDir() error {
	parent := vfs.Dir(e.dir)
	if _, err := e.fs.ReadDir(parent); err != nil {
		return err // it must exist
	}
	if err := e.fs.MkdirAll(e.dir); err != nil {
		return err
	}
	// The name of a new directory must not be lost with what is stored in it.
	if err := e.fs.SyncDir(parent); err != nil {
		return err
	}
	lock, err := e.fs.Lock(e.path(lockName))
	e.dirLock = lock
	return err
}

// recover brings the store into memory. A crash within it changes nothing that
// the next one needs: files are removed only if they are leftovers, and META is
// replaced as a whole.
func (e *engine) recover(ctx context.Context) (err error) {
	if e.arena, err = arena.New(e.config.MemoryLimitBytes); err != nil {
		return err
	}
	e.meta, err = readMeta(e.fs, e.dir)
	if errors.Is(err, fs.ErrNotExist) {
		if e.meta, err = newMeta(); err == nil {
			err = e.meta.write(e.fs, e.dir)
		}
	}
	if err != nil {
		return err
	}
	start, err := e.tidy()
	if err != nil {
		return err
	}
	var upTo wal.LSN
	if start > 0 {
		if upTo, err = e.loadSnapshot(ctx, start); err != nil {
			return err
		}
	}
	info, err := e.replay(ctx, max(start, 1), upTo)
	if err != nil {
		return err
	}
	e.replayed = info.Records
	e.finishStripes()
	e.snapshotInfo.start.Store(uint64(start))
	e.snapshotInfo.logAt.Store(-uint64(info.Bytes)) // what was replayed counts as log since the snapshot
	if start > 0 && info.Records == 0 {
		e.snapshotInfo.next.Store(uint64(e.log.Next()))
	}
	return e.reserveVersions()
}

// tidy removes what an interrupted write left behind and returns the start of
// the newest snapshot, 0 if there is none.
func (e *engine) tidy() (wal.LSN, error) {
	names, err := e.fs.ReadDir(e.dir)
	if err != nil {
		return 0, err
	}
	var newest wal.LSN
	for _, n := range names {
		if strings.HasSuffix(n, ".tmp") {
			if err := e.fs.Remove(e.path(n)); err != nil {
				return 0, err
			}
		}
		if start, ok := snapshotStart(n); ok {
			newest = max(newest, start)
		}
	}
	return newest, removeOlder(e.fs, e.dir, newest)
}

// removeOlder removes the snapshots before start.
func removeOlder(fsys vfs.FS, dir string, start wal.LSN) error {
	names, err := fsys.ReadDir(dir)
	if err != nil {
		return err
	}
	removed := false
	for _, n := range names {
		if s, ok := snapshotStart(n); ok && s < start {
			if err := fsys.Remove(path.Join(dir, n)); err != nil {
				return err
			}
			removed = true
		}
	}
	if !removed {
		return nil
	}
	return fsys.SyncDir(dir)
}

// replay opens the log and applies what it holds from start on. upTo is the
// end of the snapshot that was loaded.
func (e *engine) replay(ctx context.Context, start, upTo wal.LSN) (wal.ReplayInfo, error) {
	o := e.logOptions()
	o.Next = max(start, upTo+1)
	d := newDealer(e, upTo)
	log, info, err := wal.Open(ctx, o, start-1, func(_ int, r wal.Record) error { return d.record(ctx, r) })
	if derr := d.finish(); err == nil && derr != nil {
		err = corruptLog(e.path(logName), "%v", derr)
		if errors.Is(derr, engines.ErrFull) {
			err = derr
		}
	}
	e.log = log
	if err != nil {
		return info, err
	}
	return info, checkLog(e.path(logName), e.meta, info, start, upTo)
}

// checkLog demands that the log holds what the snapshot and META say it does.
func checkLog(dir string, m meta, info wal.ReplayInfo, start, upTo wal.LSN) error {
	have := max(info.Last, start-1)
	switch {
	case info.First > start:
		return corruptLog(dir, "begins with record %d, replay wants %d", info.First, start)
	case have < upTo:
		return corruptLog(dir, "ends with record %d, the snapshot wants all up to %d", have, upTo)
	case have < wal.LSN(m.last):
		return corruptLog(dir, "ends with record %d, the store was closed at %d", have, m.last)
	}
	return nil
}

func corruptLog(dir, format string, args ...any) error {
	return &engines.CorruptError{File: dir, Offset: -1, Reason: "log " + fmt.Sprintf(format, args...)}
}

// finishStripes lists the free ids.
func (e *engine) finishStripes() {
	for i := range e.stripes {
		s := &e.stripes[i]
		for local := len(s.handles) - 1; local >= 0; local-- {
			if s.handles[local] == 0 {
				s.freeIDs = append(s.freeIDs, uint32(local))
			}
		}
	}
}

// reserveVersions sees to it that no version is ever assigned twice. If the
// store was in a class that may lose acknowledged commits and was not closed,
// every version up to its ceiling counts as used.
func (e *engine) reserveVersions() error {
	m := e.meta
	m.base, m.ceiling = max(m.base, m.ceiling), 0
	e.ceiling.Store(math.MaxUint64)
	if e.durability.Class != engines.Sync {
		m.ceiling = m.base
		for i := range e.stripes {
			m.ceiling = max(m.ceiling, e.stripes[i].highest, e.stripes[i].floor)
		}
		m.ceiling += ceilingStep
		e.ceiling.Store(m.ceiling)
	}
	if m == e.meta {
		return nil
	}
	e.meta = m
	return m.write(e.fs, e.dir)
}

// makeEmptyDir makes dir unless it is there and empty.
func makeEmptyDir(fsys vfs.FS, dir string) error {
	if err := fsys.MkdirAll(dir); err != nil {
		return err
	}
	names, err := fsys.ReadDir(dir)
	if err != nil {
		return err
	}
	if len(names) > 0 {
		return fmt.Errorf("%w: %s is not empty: it holds %s", engines.ErrInvalid, dir, names[0])
	}
	return fsys.SyncDir(vfs.Dir(dir))
}
