package mmapwal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"orbitbench/engines"
	"orbitbench/engines/internal/arena"
	"orbitbench/engines/internal/meta"
	"orbitbench/engines/internal/storedir"
	"orbitbench/engines/internal/vfs"
	"orbitbench/engines/internal/wal"
)

// metaFormat is what META says of this engine.
var metaFormat = meta.Format{Magic: "OBMMAPWL", Number: 1, Shape: numStripes, ShapeName: "stripes", Ours: ours}

// open opens the store in o.Dir of a file system, and recovers it.
func open(ctx context.Context, fsys vfs.FS, o engines.Options) (*engine, error) {
	config, err := Driver{}.configure(o)
	if err != nil {
		return nil, err
	}
	e := &engine{fs: fsys, dir: o.Dir, durability: o.Durability, config: config, logf: o.Log, growKick: make(chan struct{}, 1), opened: make(chan struct{})}
	e.deferred = o.Durability.Class == engines.Sync
	e.stopped, e.stop = context.WithCancel(context.Background())
	for i := range e.stripes {
		e.stripes[i].no = uint16(i)
		e.stripes[i].ks = keyspaceOf(uint16(i))
	}
	if e.dirLock, err = storedir.Open(fsys, o.Dir); err != nil {
		return nil, storedir.FullDevice(err)
	}
	r, later, err := e.recover()
	if err == nil && !later {
		err = e.openLog(ctx, r)
	}
	if err != nil {
		e.closing.Store(true)
		e.stop()
		if e.log != nil {
			err = errors.Join(err, e.log.Close())
		}
		e.closeMemory()
		return nil, errors.Join(storedir.FullDevice(err), e.dirLock.Close())
	}
	if later {
		go e.openLogLater(r)
	} else {
		e.begin()
	}
	return e, nil
}

// begin starts what runs in the background, and lets writers in.
func (e *engine) begin() {
	e.background.Add(2)
	go e.loop()
	go e.grower()
	e.writable.Store(true)
	close(e.opened)
}

// recover makes the directory a table that can be read. A crash within it changes nothing
// that the next one needs. later says that the log has nothing to replay: it may be
// opened while readers are served.
func (e *engine) recover() (_ *root, later bool, err error) {
	if err := storedir.RemoveTemporary(e.fs, e.dir); err != nil {
		return nil, false, err
	}
	if e.side, err = arena.New(0); err != nil {
		return nil, false, err
	}
	e.meta, err = meta.Open(metaFormat, e.fs, e.dir)
	if err != nil {
		return nil, false, err
	}
	e.seed = e.meta.Seed()
	a := &applier{fs: e.fs, dir: e.dir}
	r, err := a.apply()
	if err == nil && r == nil {
		r, err = e.readRoot()
	}
	if err != nil {
		return nil, false, err
	}
	if r.seed != e.seed {
		return nil, false, &engines.CorruptError{File: e.path(rootName), Offset: 16, Reason: fmt.Sprintf("hash seed %016x, %s says %016x", r.seed, meta.Name, e.seed)}
	}
	if err := e.mapTable(r); err != nil {
		return nil, false, err
	}
	if err := e.freeLoose(r.loose); err != nil {
		return nil, false, err
	}
	last, closed, err := wal.ClosedAt(e.fs, e.path(logName))
	return r, closed && last < r.start && last >= r.end && len(r.loose) == 0, err
}

// openLog replays what the log holds beyond the table, and makes it ready for writers.
func (e *engine) openLog(ctx context.Context, r *root) error {
	log, info, err := e.replay(ctx, r)
	e.log = log
	if err != nil {
		return err
	}
	e.replayed = info.Records
	e.last.logAt.Store(-uint64(info.Bytes)) // what was replayed counts as log since the checkpoint
	if info.Records == 0 && len(r.loose) == 0 {
		e.last.next.Store(uint64(e.log.Next()))
	}
	var highest uint64
	for i := range e.stripes {
		s := &e.stripes[i]
		s.mu.Lock() // readers may be loading it
		highest = max(highest, s.highest, s.floor)
		s.mu.Unlock()
	}
	if err := e.meta.Reserve(e.durability.Class, highest); err != nil {
		return err
	}
	e.base = engines.Version(e.meta.Base())
	return nil
}

// openLogLater is openLog while readers are served. If it fails they still are, and
// every other call returns why.
func (e *engine) openLogLater(r *root) {
	if err := e.openLog(e.stopped, r); err != nil {
		e.logErr = storedir.FullDevice(err)
		e.logf("mmapwal %s: opening the log: %v; the store can only be read", e.dir, err)
		close(e.opened)
		return
	}
	e.begin()
}

// logged waits until the log is open, and returns why it is not if that failed.
func (e *engine) logged() error {
	if e.writable.Load() {
		return nil
	}
	<-e.opened
	return e.logErr
}

// ours tells a file that only a store has by its name.
func ours(name string) bool { return name == rootName || name == tableName || name == journalName }

// readRoot reads the root, or makes that of a new store: META is there first, then the
// root, then the table.
func (e *engine) readRoot() (*root, error) {
	r, err := readRoot(e.fs, e.dir)
	if !errors.Is(err, fs.ErrNotExist) {
		return r, err
	}
	rest, lerr := metaFormat.Leftover(e.fs, e.dir)
	if lerr != nil {
		return nil, lerr
	}
	if rest != "" {
		return nil, &engines.CorruptError{File: e.path(rootName), Offset: -1, Reason: "is missing beside " + rest}
	}
	// A process that was killed may have left META under a name that is not durable.
	if err := e.fs.SyncDir(e.dir); err != nil {
		return nil, err
	}
	r = &root{extentPages: uint32(e.config.ExtentBytes / pageBytes), seed: e.seed, start: 1, cut: 1}
	return r, vfs.WriteFileAtomic(e.fs, e.path(rootName), r.encode())
}

// readRoot reads the root of a store. Errors: fs.ErrNotExist, *CorruptError, those of the file system.
func readRoot(fsys vfs.FS, dir string) (*root, error) {
	name := path.Join(dir, rootName)
	b, err := vfs.ReadFile(fsys, name)
	if err != nil {
		return nil, err
	}
	return decodeRoot(name, 0, b)
}

// mapTable opens and maps the table that the root describes.
func (e *engine) mapTable(r *root) error {
	flags := vfs.Flag(0)
	if r.size == 0 {
		flags = vfs.Create
	}
	file, err := e.fs.OpenFile(e.path(tableName), flags)
	if errors.Is(err, fs.ErrNotExist) {
		return &engines.CorruptError{File: e.path(tableName), Offset: -1, Reason: fmt.Sprintf("is missing, the root lists %d pages", r.size)}
	}
	if err != nil {
		return err
	}
	if r.size == 0 {
		if err := e.fs.SyncDir(e.dir); err != nil {
			return errors.Join(err, file.Close())
		}
	}
	limit := uint32(maxPages)
	if l := e.config.TableLimitBytes; l > 0 {
		limit = max(uint32(l/pageBytes), r.size)
	}
	if err := e.table.init(file, r.extentPages, limit); err != nil {
		return err
	}
	size, err := file.Size()
	if err != nil {
		return err
	}
	if want := int64(r.size) * pageBytes; size < want {
		return &engines.CorruptError{File: e.path(tableName), Offset: size, Reason: fmt.Sprintf("the file has %d bytes, want %d", size, want)}
	}
	if err := e.mapFile(int(r.size / r.extentPages)); err != nil {
		return err
	}
	e.sumCRC = r.sums
	e.pool.resize(r.size)
	e.pool.next, e.pool.free, e.pool.limit = r.next, r.free, limit
	for _, w := range r.free {
		for ; w != 0; w &= w - 1 {
			e.pool.nfree++
		}
	}
	for i := range e.stripes {
		s, from := &e.stripes[i], &r.stripes[i]
		s.live, s.floor, s.highest, s.ledgers = from.live, from.floor, from.highest, from.ledgers
	}
	return nil
}

// freeLoose frees what was reserved at the cut by commits that were not durable
// then. Those that became durable are replayed.
func (e *engine) freeLoose(list []loose) error {
	for _, l := range list {
		err := e.withStripe(&e.stripes[l.stripe], func(s *stripe) error {
			if err := e.checkRecord(s, l.ref, stateReserved); err != nil {
				return e.corrupt(l.ref.page(), int64(l.ref.offset()), "%v", err)
			}
			rec := e.rec(l.ref)
			if l.indexed {
				at, _, err := e.find(s, rec.tag(), rec.key())
				if err != nil {
					return err
				}
				if at != l.ref {
					return e.corrupt(l.ref.page(), int64(l.ref.offset()), "a record to be freed is not in the index")
				}
				e.remove(s, rec.tag(), l.ref)
			}
			e.freeRecord(s, l.ref)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// replay opens the log and applies what it holds.
func (e *engine) replay(ctx context.Context, r *root) (*wal.Log, wal.ReplayInfo, error) {
	o := e.logOptions()
	o.Next = max(r.start, r.end+1)
	d := newDealer(e, r.cut)
	log, info, err := wal.Open(ctx, o, r.start-1, func(_ int, rec wal.Record) error { return d.record(ctx, rec) })
	if derr := d.finish(); err == nil && derr != nil {
		err = derr
		if !errors.Is(derr, engines.ErrFull) && !errors.Is(derr, engines.ErrCorrupt) {
			err = wal.Corrupt(e.path(logName), "%v", derr)
		}
	}
	if err != nil {
		return log, info, err
	}
	return log, info, info.Check(e.path(logName), r.start, r.end, wal.LSN(e.meta.Meta().Last), "the table")
}
