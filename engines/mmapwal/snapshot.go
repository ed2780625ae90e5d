package mmapwal

import (
	"context"
	"errors"
	"path"
	"time"

	"orbitbench/engines/internal/meta"
	"orbitbench/engines/internal/storedir"
	"orbitbench/engines/internal/vfs"
)

// Snapshot is engines.Snapshotter: it takes a checkpoint in which renewals are as
// at the cut, and copies the table, which nothing else writes to, page by page. The copy
// has an empty log.
func (e *engine) Snapshot(ctx context.Context, dir string) error {
	return e.exclusively(ctx, func(ctx context.Context) error {
		if err := storedir.MakeEmpty(e.fs, dir); err != nil {
			return err
		}
		begin := time.Now()
		e.last.next.Store(0) // also if nothing has happened since the last one, which was not exact
		c := &checkpoint{ctx: ctx, share: e.config.CheckpointShare, strict: true}
		if err := e.checkpoint(c); err != nil {
			return err
		}
		r := *c.root
		r.start, r.cut, r.end = 1, 1, 0
		n, err := e.copyTable(ctx, &r, path.Join(dir, tableName))
		if err != nil {
			return storedir.FullDevice(err)
		}
		if err := vfs.WriteFileAtomic(e.fs, path.Join(dir, rootName), r.encode()); err != nil {
			return storedir.FullDevice(err)
		}
		e.spans.Add("copy", begin, time.Now(), uint64(n))
		return metaFormat.Write(e.fs, dir, meta.Meta{Seed: e.seed, Base: uint64(e.base)})
	})
}

// copyTable copies the pages of the table file that are in use, each compared with its checksum.
func (e *engine) copyTable(ctx context.Context, r *root, name string) (n int64, err error) {
	to := &applier{fs: e.fs, share: e.config.CheckpointShare, stop: ctx.Done(), onWrite: func(w int) { n += int64(w) }}
	if to.file, err = e.fs.OpenFile(name, vfs.Create|vfs.Direct); errors.Is(err, vfs.ErrNoDirect) {
		to.file, err = e.fs.OpenFile(name, vfs.Create)
	}
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, to.file.Close()) }()
	if r.size > 0 {
		if err := to.file.Allocate(0, int64(r.size)*pageBytes); err != nil {
			return n, err
		}
	}
	to.buf = vfs.AlignedBuffer(runBytes)
	buf := make([]byte, runBytes)
	var sums page
	for p := uint32(0); p < r.next; {
		k := min(r.next-p, runBytes/pageBytes)
		if _, err := e.file.ReadAt(buf[:int(k)*pageBytes], int64(p)*pageBytes); err != nil {
			return n, err
		}
		for i := range k {
			mem := buf[int(i)*pageBytes : int(i+1)*pageBytes]
			if err := e.checkCopied(r, p+i, mem, &sums); err != nil {
				return n, err
			}
			if err := to.page(p+i, mem); err != nil {
				return n, err
			}
		}
		p += k
		if err := ctx.Err(); err != nil {
			return n, err
		}
	}
	if err := to.flush(); err != nil {
		return n, err
	}
	return n, to.file.Sync()
}

// checkCopied compares a page that was read with its checksum. sums is the page of
// sums that came before it. Pages that are free, or of no use yet, have none that counts.
func (e *engine) checkCopied(r *root, p uint32, mem []byte, sums *page) error {
	if int(p>>groupBits) >= len(r.sums) {
		return nil // nothing there was ever written
	}
	have := checksum(mem)
	if p&groupMask == 0 {
		copy(sums[:], mem)
		if want := r.sums[p>>groupBits]; have != want {
			return e.corrupt(p, 0, "page of sums has checksum %08x, the root says %08x", have, want)
		}
		return nil
	}
	if want := le.Uint32(sums[p&groupMask*4:]); want != 0 && have != want {
		return e.corrupt(p, 0, "page %d has checksum %08x, want %08x", p, have, want)
	}
	return nil
}
