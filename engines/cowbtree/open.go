package cowbtree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"orbitbench/engines"
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
	e.deferred = o.Durability.Class == engines.Sync
	e.queue.keys = make(map[uint64]wal.LSN)
	e.stopped, e.stop = context.WithCancel(context.Background())
	if e.dirLock, err = storedir.Open(fsys, e.dir); err != nil {
		return nil, storedir.FullDevice(err)
	}
	e.opened = make(chan struct{})
	later, err := e.recover()
	if err == nil && !later {
		err = e.openLog(ctx)
	}
	if err != nil {
		e.closing.Store(true)
		e.stop()
		return nil, errors.Join(storedir.FullDevice(err), e.giveUp(), e.dirLock.Close())
	}
	if later {
		go e.openLogLater()
	} else {
		e.begin()
	}
	return e, nil
}

// begin lets writers in and starts the background work.
func (e *engine) begin() {
	e.background.Add(1)
	go e.loop()
	e.writable.Store(true)
	close(e.opened)
}

// openLogLater is openLog while reads are served. If it fails they still are, and
// every other call returns why.
func (e *engine) openLogLater() {
	if err := e.openLog(e.stopped); err != nil {
		e.logErr = storedir.FullDevice(err)
		e.logf("cowbtree %s: opening the log: %v; the store can only be read", e.dir, err)
		close(e.opened)
		return
	}
	e.begin()
}

// giveUp releases what an open that failed has taken.
func (e *engine) giveUp() error {
	var err error
	if e.log != nil {
		err = e.log.Close()
	}
	if e.pages != nil {
		err = errors.Join(err, e.pages.close())
	}
	if e.heap != nil {
		err = errors.Join(err, e.heap.close())
	}
	return err
}

// recover opens the page file at its last checkpoint. A crash within it changes nothing
// that the next one needs: META and a new page file are put in place as a whole. later
// says that the log was closed at the checkpoint: it has nothing to replay.
func (e *engine) recover() (later bool, err error) {
	e.meta, err = meta.Open(metaFormat, e.fs, e.dir)
	if err != nil {
		return false, err
	}
	e.seed = e.meta.Seed()
	if err := storedir.RemoveTemporary(e.fs, e.dir); err != nil {
		return false, err
	}
	if err := e.openPageFile(); err != nil {
		return false, err
	}
	if e.heap, err = newHeap(); err != nil {
		return false, err
	}
	e.limit = memoryLimit(e.heap.arena, e.config.MemoryLimitBytes)
	e.tree = newTree(e.heap, e.config.MaxKeysPerNode, leafBytes)
	e.loader = &loader{h: e.heap, pages: e.pages, maxKeys: e.config.MaxKeysPerNode, limit: e.limit}
	if err := e.plantRoots(); err != nil {
		return false, err
	}
	e.progress.inUse.Store(int64(e.pages.space.inUse) * blockBytes)
	last, closed, err := wal.ClosedAt(e.fs, e.path(logName))
	m := &e.pages.meta
	return closed && last == wal.LSN(m.applied) && m.upTo == m.applied && e.meta.Meta().Last <= m.applied, err
}

// openLog replays what the log holds behind the checkpoint, and makes it ready for writers.
func (e *engine) openLog(ctx context.Context) error {
	// A kill may have come between the write of the meta block and its sync: a power cut must
	// not find the older meta block, and its log dropped or its pages written over.
	if err := e.pages.writer.Sync(); err != nil {
		return err
	}
	if err := e.replay(ctx); err != nil {
		return err
	}
	if err := e.meta.Reserve(e.durability.Class, max(e.highest, e.floor)); err != nil {
		return err
	}
	e.base = engines.Version(e.meta.Base())
	return nil
}

// leafBytes is what the records of a leaf take on the device at most, unless it is one record.
const leafBytes = 64 << 10

// openPageFile opens the page file, and makes it if the store is new.
func (e *engine) openPageFile() (err error) {
	name := e.path(pagesName)
	names, err := e.fs.ReadDir(e.dir)
	if err != nil {
		return err
	}
	if !slices.Contains(names, pagesName) {
		rest, err := storedir.Leftover(e.fs, e.dir, nil)
		if err != nil {
			return err
		}
		if rest != "" || e.meta.Meta().Last > 0 {
			return &engines.CorruptError{File: name, Offset: -1, Reason: "the page file is missing"}
		}
		if err := createPages(e.fs, name, pagesMeta{seed: e.seed, blocks: firstPageBlock}); err != nil {
			return err
		}
	}
	e.pages, err = openPages(e.fs, name, e.seed, true)
	return err
}

// plantRoots makes the roots of the last checkpoint stubs of the tree.
func (e *engine) plantRoots() error {
	m := &e.pages.meta
	e.floor, e.highest, e.applied = m.floor, m.highest, wal.LSN(m.applied)
	e.published.Store(m.applied)
	top := e.tree.roots(e.tree.top)
	for i, a := range m.roots {
		e.tree.counts[i] = m.counts[i]
		if !a.some() {
			continue
		}
		stub, err := e.loader.newStub(a, anyLevel)
		if err != nil {
			return err
		}
		top.set(engines.Keyspace(i), stub)
	}
	return nil
}

// replay opens the log and applies what it holds behind the checkpoint, in order.
func (e *engine) replay(ctx context.Context) error {
	applied := e.applied
	o := e.logOptions()
	o.Next = applied + 1
	log, info, err := wal.Open(ctx, o, applied, func(_ int, r wal.Record) error {
		if r.LSN%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		return e.replayRecord(r)
	})
	e.log = log
	if err != nil {
		return err
	}
	e.replayed = info.Records
	e.progress.logAt.Store(-uint64(info.Bytes)) // what was replayed counts as log since the checkpoint
	return checkLog(e.path(logName), e.meta.Meta(), info, &e.pages.meta, log.Next()-1)
}

// replayRecord applies one record of the log.
func (e *engine) replayRecord(r wal.Record) error {
	bad := func(err error) error {
		return &engines.CorruptError{File: e.path(logName), Offset: -1, Reason: fmt.Sprintf("record %d: %v", r.LSN, err)}
	}
	e.plans = e.plans[:0]
	err := eachOp(r.Kind, r.Payload, func(o *op) error {
		p, err := e.replayOp(r.LSN, o)
		e.plans = append(e.plans, p)
		return err
	})
	if err != nil {
		e.abandon()
		if errors.Is(err, engines.ErrCorrupt) || isFull(err) {
			return err
		}
		var io *fs.PathError
		if errors.As(err, &io) {
			return err
		}
		return bad(err)
	}
	e.apply(r.LSN, e.plans)
	e.commits--
	return nil
}

// replayOp plans an operation of the log.
func (e *engine) replayOp(lsn wal.LSN, o *op) (p plan, err error) {
	rec, err := e.loadAndFind(o.ks, o.key)
	p = plan{kind: o.kind, ks: o.ks}
	if err != nil {
		return p, err
	}
	e.highest = max(e.highest, uint64(o.version))
	if rec != nil && rec.version() >= o.version {
		if lsn <= wal.LSN(e.pages.meta.upTo) && o.kind != opDelete {
			return p, nil // the checkpoint met it already
		}
		return p, fmt.Errorf("version %d of %x in %s follows version %d", o.version, o.key, o.ks, rec.version())
	}
	switch o.kind {
	case opPut:
		if err = e.room(recordBytes(len(o.key), len(o.value))); err == nil {
			p.rec = e.tree.newRecord(o.version, o.key, o.value)
		}
		return p, err
	case opDelete:
		e.floor = max(e.floor, uint64(o.version))
	}
	if rec == nil {
		return p, fmt.Errorf("operation %d on %x in %s, which does not exist", o.kind, o.key, o.ks)
	}
	if o.kind == opDelete {
		p.rec = e.tree.refOf(rec)
		return p, nil
	}
	if rec.valueLen() < leaseHeadBytes {
		return p, fmt.Errorf("renewal of %x, which is no lease", o.key)
	}
	if p.rec, err = e.renewed(rec, o.version, o.renewal); err == nil {
		setRenewals(e.heap.record(p.rec).value(), o.renewals)
	}
	return p, err
}

// loadAndFind finds a record for the writer and reads the pages that it needs.
func (e *engine) loadAndFind(ks engines.Keyspace, key []byte) (*record, error) {
	for {
		leaf, stub := e.tree.seek(ks, key)
		if stub == 0 {
			_, rec := e.tree.find(leaf, key)
			return rec, nil
		}
		if err := e.loader.load(stub); err != nil {
			return nil, err
		}
	}
}

// checkLog demands that the log reaches from the checkpoint to where META says that
// it ended. last is the highest number that the log ever gave.
func checkLog(dir string, m meta.Meta, info wal.ReplayInfo, pm *pagesMeta, last wal.LSN) error {
	applied := wal.LSN(pm.applied)
	if err := info.Check(dir, applied+1, wal.LSN(pm.upTo), wal.LSN(m.Last), "the checkpoint"); err != nil {
		return err
	}
	if have := max(info.Last, applied); have < last {
		return wal.Corrupt(dir, "has no records behind %d, and had them up to %d", have, last)
	}
	return nil
}
