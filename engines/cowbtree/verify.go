package cowbtree

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"orbitbench/engines"
	"orbitbench/engines/internal/meta"
	"orbitbench/engines/internal/storedir"
	"orbitbench/engines/internal/vfs"
	"orbitbench/engines/internal/wal"
)

// Verify is engines.Verifier.
func (Driver) Verify(ctx context.Context, dir string, progress func(done, total int64)) (engines.VerifyReport, error) {
	return verify(ctx, vfs.OS, dir, progress)
}

// verifier reads a closed store as Open would, and everything that Open leaves unread.
type verifier struct {
	ctx        context.Context
	fs         vfs.FS
	dir        string
	report     engines.VerifyReport
	pages      *pageFile
	checkpoint pagesMeta
	seen       *space // blocks of pages that were met
	done       int64
	total      int64
	progress   func(done, total int64)
	last       []byte // key before, of the keyspace that is being read
	records    uint64 // of the keyspace
}

func verify(ctx context.Context, fsys vfs.FS, dir string, progress func(done, total int64)) (engines.VerifyReport, error) {
	v := &verifier{ctx: ctx, fs: fsys, dir: dir, progress: progress}
	if progress == nil {
		v.progress = func(int64, int64) {}
	}
	err := v.run()
	return v.report, err
}

func (v *verifier) run() (err error) {
	m, err := metaFormat.ReadStore(v.fs, v.dir)
	if err != nil {
		return err
	}
	v.report.Files, v.report.Bytes = 1, meta.Bytes
	applied, err := v.pageFile(m)
	if err != nil {
		return err
	}
	return v.log(m, applied)
}

// pageFile checks every page of the last checkpoint.
func (v *verifier) pageFile(m meta.Meta) (applied wal.LSN, err error) {
	name := path.Join(v.dir, pagesName)
	names, err := v.fs.ReadDir(v.dir)
	if err != nil {
		return 0, err
	}
	rest, err := storedir.Leftover(v.fs, v.dir, nil)
	if err != nil {
		return 0, err
	}
	if !slices.Contains(names, pagesName) && rest == "" && m.Last == 0 {
		return 0, nil // the store was made and nothing more
	}
	if v.pages, err = openPages(v.fs, name, m.Seed, false); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, v.pages.close()) }()
	v.checkpoint = v.pages.meta
	pm := &v.checkpoint
	v.seen = newSpace(pm.blocks)
	v.total = meta.Bytes + int64(v.pages.space.inUse)*blockBytes
	v.done = meta.Bytes + firstPageBlock*blockBytes
	if pm.mapPage.some() {
		if err := v.meet(pm.mapPage); err != nil {
			return 0, err
		}
	}
	for i, a := range pm.roots {
		v.last, v.records = nil, 0
		if a.some() {
			if err := v.page(a, anyLevel, nil, nil); err != nil {
				return 0, err
			}
		}
		if v.records != pm.counts[i] {
			return 0, v.pages.damaged(a, "%s holds %d records, the meta block says %d", engines.Keyspace(i), v.records, pm.counts[i])
		}
		v.report.Records += v.records
	}
	if err := v.compareMaps(); err != nil {
		return 0, err
	}
	v.report.Files++
	v.report.Bytes = v.done
	return wal.LSN(pm.applied), nil
}

// meet notes a page; no block may be in two.
func (v *verifier) meet(a pageAddr) error {
	for b := a.block; b < a.block+a.blocks(); b++ {
		if v.seen.has(b) {
			return v.pages.damaged(a, "block %d is in two pages", b)
		}
	}
	v.seen.mark(a.block, a.blocks())
	v.done += int64(a.blocks()) * blockBytes
	v.progress(min(v.done, v.total), v.total)
	return nil
}

// compareMaps demands that the stored map marks what was met and nothing else.
func (v *verifier) compareMaps() error {
	for i, w := range v.pages.space.used {
		if w != v.seen.used[i] {
			return v.pages.damaged(v.pages.meta.mapPage, "the map marks %064b for blocks %d to %d, pages use %064b", w, i*64, i*64+63, v.seen.used[i])
		}
	}
	return nil
}

// page checks a page and all below it, whose keys lie in [low, high).
func (v *verifier) page(a pageAddr, level uint8, low, high []byte) error {
	if err := v.ctx.Err(); err != nil {
		return err
	}
	if err := a.within(v.pages.meta.blocks); err != nil {
		return v.pages.damaged(v.pages.meta.mapPage, "%v", err)
	}
	if err := v.meet(a); err != nil {
		return err
	}
	pg, _, err := v.pages.read(a, nil)
	switch {
	case err != nil:
		return err
	case pg.kind == kindMap || level != anyLevel && pg.level != level:
		return v.pages.damaged(a, "kind %d and level %d under a parent of level %d", pg.kind, pg.level, level+1)
	case pg.kind == kindInner:
		return v.inner(a, &pg, low, high)
	}
	err = pg.eachRecord(func(_ uint64, key, _ []byte) error {
		switch {
		case v.last != nil && bytes.Compare(v.last, key) >= 0:
			return fmt.Errorf("key %x follows %x", key, v.last)
		case bytes.Compare(key, low) < 0 || high != nil && bytes.Compare(key, high) >= 0:
			return fmt.Errorf("key %x is not between %x and %x", key, low, high)
		}
		v.last = append(v.last[:0], key...)
		v.records++
		return nil
	})
	if err != nil {
		return v.pages.damaged(a, "%v", err)
	}
	return nil
}

func (v *verifier) inner(a pageAddr, pg *page, low, high []byte) error {
	type child struct {
		a   pageAddr
		sep []byte
	}
	var list []child
	if err := pg.eachChild(func(a pageAddr, sep []byte) error { list = append(list, child{a, sep}); return nil }); err != nil {
		return v.pages.damaged(a, "%v", err)
	}
	for i, c := range list {
		from, to := low, high
		if i > 0 {
			from = c.sep
		}
		if i+1 < len(list) {
			to = list[i+1].sep
		}
		if err := v.page(c.a, pg.level-1, from, to); err != nil {
			return err
		}
	}
	return nil
}

// log checks the log behind the checkpoint.
func (v *verifier) log(m meta.Meta, applied wal.LSN) error {
	dir := path.Join(v.dir, logName)
	base := v.done
	size, err := wal.Size(v.fs, dir)
	if err != nil {
		return err
	}
	v.total = base + size
	last := applied
	info, err := wal.Verify(v.ctx, v.fs, dir, applied, applied+1, func(r wal.Record) error {
		v.done += int64(len(r.Payload))
		if r.LSN%4096 == 0 {
			v.progress(min(v.done, v.total), v.total)
		}
		last = r.LSN
		err := eachOp(r.Kind, r.Payload, func(*op) error { v.report.Records++; return nil })
		if err != nil {
			return wal.Corrupt(dir, "record %d: %v", r.LSN, err)
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) && m.Last <= uint64(applied) {
		err = nil // the store was made, or copied, and never opened
	}
	if err != nil {
		return err
	}
	v.report.Bytes = v.total
	info.AddTo(&v.report)
	v.progress(v.total, v.total)
	return checkLog(dir, m, info, &v.checkpoint, last)
}
