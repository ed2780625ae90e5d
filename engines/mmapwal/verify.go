package mmapwal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"orbitbench/engines"
	"orbitbench/engines/internal/meta"
	"orbitbench/engines/internal/vfs"
	"orbitbench/engines/internal/wal"
)

// Verify is engines.Verifier. It checks META, the root, every page of the table that
// is in use with its checksum, that the pages fit together (audit.go), and the whole log. If the
// store has a checkpoint that was not brought to its place, it looks at the table as it would be.
func (Driver) Verify(ctx context.Context, dir string, progress func(done, total int64)) (engines.VerifyReport, error) {
	return verify(ctx, vfs.OS, dir, progress)
}

// verifier counts what it has read.
type verifier struct {
	fs       vfs.FS
	dir      string
	report   engines.VerifyReport
	done     int64
	total    int64
	progress func(done, total int64)
}

func verify(ctx context.Context, fsys vfs.FS, dir string, progress func(done, total int64)) (engines.VerifyReport, error) {
	if progress == nil {
		progress = func(int64, int64) {}
	}
	v := &verifier{fs: fsys, dir: dir, progress: progress}
	err := v.run(ctx)
	return v.report, err
}

func (v *verifier) run(ctx context.Context) (err error) {
	o, err := openOffline(v.fs, v.dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, o.close()) }()
	if v.total, err = v.sizes(); err != nil {
		return err
	}
	v.report.Files, v.done = o.files, meta.Bytes
	if err := v.table(ctx, o); err != nil {
		return err
	}
	return v.log(ctx, o)
}

// sizes adds up the files of the store.
func (v *verifier) sizes() (total int64, err error) {
	names := []string{meta.Name, rootName, tableName, journalName}
	for i, n := range names {
		names[i] = path.Join(v.dir, n)
	}
	files, err := vfs.SizeOf(v.fs, names...)
	if err != nil {
		return 0, err
	}
	log, err := wal.Size(v.fs, path.Join(v.dir, logName))
	return files + log, err
}

// advance reports that n more bytes are done.
func (v *verifier) advance(n int64) {
	v.done = min(v.done+n, v.total)
	v.progress(v.done, v.total)
}

func (v *verifier) table(ctx context.Context, o *offline) error {
	e := o.e
	reserved := map[ref]bool{}
	for _, l := range o.root.loose {
		reserved[l.ref] = l.indexed
	}
	pages := 0
	a, err := newAudit(e, reserved, func() error {
		if pages++; pages%256 == 0 {
			v.advance(256 * pageBytes)
		}
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	for i := range e.stripes {
		if err := e.withStripe(&e.stripes[i], a.stripe); err != nil {
			return err
		}
	}
	v.report.Records = a.records
	return a.finish(nil)
}

func (v *verifier) log(ctx context.Context, o *offline) error {
	dir := path.Join(v.dir, logName)
	r := o.root
	info, err := wal.Verify(ctx, v.fs, dir, r.start-1, max(r.start, r.end+1), func(rec wal.Record) error {
		v.advance(int64(len(rec.Payload)))
		var err error
		if rec.Kind == kindClaim {
			_, err = parseClaim(rec.Payload)
		} else {
			err = eachOp(rec.Kind, rec.Payload, func(op) error { v.report.Records++; return nil })
		}
		if err != nil {
			return wal.Corrupt(dir, "record %d: %v", rec.LSN, err)
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) && o.meta.Last == 0 && r.end == 0 {
		err = nil // the store was made, or copied, and never opened
	}
	if err != nil {
		return err
	}
	v.report.Bytes = v.total
	info.AddTo(&v.report)
	v.advance(v.total)
	return info.Check(dir, r.start, r.end, wal.LSN(o.meta.Last), "the table")
}

// offline is a closed store that is looked at.
type offline struct {
	e       *engine
	meta    meta.Meta
	root    *root
	journal bool // the root is that of a checkpoint which was not brought to its place
	files   int
}

// openOffline maps the table of a closed store without writing anything.
func openOffline(fsys vfs.FS, dir string) (_ *offline, err error) {
	e := &engine{fs: fsys, dir: dir}
	for i := range e.stripes {
		e.stripes[i].no = uint16(i)
		e.stripes[i].ks = keyspaceOf(uint16(i))
	}
	o := &offline{e: e, files: 2}
	o.meta, err = metaFormat.ReadStore(fsys, dir)
	if err != nil {
		return nil, err
	}
	e.seed = o.meta.Seed
	j, err := openJournal(fsys, dir)
	switch {
	case err == nil:
		o.root, o.journal = j.root, true
		o.files++
		defer func() { err = errors.Join(err, j.r.Close()) }()
	case errors.Is(err, fs.ErrNotExist):
		if o.root, err = readRoot(fsys, dir); errors.Is(err, fs.ErrNotExist) {
			err = o.withoutRoot()
		}
	}
	if err != nil {
		return nil, err
	}
	if o.root.seed != e.seed {
		return nil, &engines.CorruptError{File: e.path(rootName), Offset: 16, Reason: fmt.Sprintf("hash seed %016x, %s says %016x", o.root.seed, meta.Name, e.seed)}
	}
	if err := o.mapTable(j != nil); err != nil {
		return nil, errors.Join(err, o.close())
	}
	if j == nil {
		return o, nil
	}
	err = j.pages(func(p uint32, mem []byte) error { copy(e.page(p)[:], mem); return nil })
	if err != nil {
		return nil, errors.Join(err, o.close())
	}
	return o, nil
}

// withoutRoot is the state of a store whose making was cut short: META and nothing else.
func (o *offline) withoutRoot() error {
	rest, err := metaFormat.Leftover(o.e.fs, o.e.dir)
	if err != nil {
		return err
	}
	if rest != "" {
		return &engines.CorruptError{File: o.e.path(rootName), Offset: -1, Reason: "is missing beside " + rest}
	}
	o.root = &root{extentPages: minExtentPages, seed: o.e.seed, start: 1}
	return nil
}

// mapTable maps the table. short says that the file may be shorter than the root says: a checkpoint
// that was not brought to its place brings the rest.
func (o *offline) mapTable(short bool) error {
	e, r := o.e, o.root
	if r.size == 0 {
		return e.table.init(nil, r.extentPages, r.extentPages)
	}
	file, err := e.fs.OpenFile(e.path(tableName), vfs.ReadOnly)
	if errors.Is(err, fs.ErrNotExist) {
		return &engines.CorruptError{File: e.path(tableName), Offset: -1, Reason: fmt.Sprintf("is missing, the root lists %d pages", r.size)}
	}
	if err != nil {
		return err
	}
	o.files++
	if err := e.table.init(file, r.extentPages, r.size); err != nil {
		return err
	}
	size, err := file.Size()
	if err != nil {
		return err
	}
	if want := int64(r.size) * pageBytes; size < want && !short {
		return &engines.CorruptError{File: e.path(tableName), Offset: size, Reason: fmt.Sprintf("the file has %d bytes, want %d", size, want)}
	}
	n, extents := e.extentBytes(), int64(r.size/r.extentPages)
	whole := min(extents, size/n)
	if err := e.mapFile(int(whole)); err != nil {
		return err
	}
	for i := whole; i < extents; i++ {
		if err := e.newExtent(); err != nil {
			return err
		}
		if i*n < size {
			if _, err := file.ReadAt(e.mapped[i][:size-i*n], i*n); err != nil {
				return err
			}
		}
	}
	e.sumCRC = r.sums
	e.pool.resize(r.size)
	e.pool.next, e.pool.free, e.pool.limit = r.next, r.free, r.size
	for i := range e.stripes {
		s, from := &e.stripes[i], &r.stripes[i]
		s.live, s.floor, s.highest, s.ledgers = from.live, from.floor, from.highest, from.ledgers
	}
	return nil
}

func (o *offline) close() error { return o.e.table.close() }
