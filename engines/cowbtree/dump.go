package cowbtree

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"orbitbench/engines"
	"orbitbench/engines/internal/meta"
	"orbitbench/engines/internal/storedir"
	"orbitbench/engines/internal/vfs"
	"orbitbench/engines/internal/wal"
)

// Dump is engines.Dumper.
func (Driver) Dump(ctx context.Context, dir string, w io.Writer) error {
	return dump(ctx, vfs.OS, dir, w)
}

func dump(ctx context.Context, fsys vfs.FS, dir string, w io.Writer) error {
	out := &storedir.Printer{W: w}
	m, err := metaFormat.Read(fsys, dir)
	if err != nil {
		return err
	}
	out.Printf("%s: hash seed %016x, version base %d, ceiling %d, last record %d\n", path.Join(dir, meta.Name), m.Seed, m.Base, m.Ceiling, m.Last)
	if err := dumpPages(ctx, fsys, path.Join(dir, pagesName), m.Seed, out); err != nil {
		return err
	}
	return errors.Join(wal.Dump(ctx, fsys, path.Join(dir, logName), w, describe), out.Err)
}

func dumpPages(ctx context.Context, fsys vfs.FS, name string, seed uint64, out *storedir.Printer) (err error) {
	p, err := openPages(fsys, name, seed, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	m := &p.meta
	out.Printf("%s: checkpoint %d, log applied up to %d (%d), deleted up to version %d, assigned up to %d\n", name, m.checkpoint, m.applied, m.upTo, m.floor, m.highest)
	out.Printf("  %d of %d blocks in use, map at block %d\n", p.space.inUse, m.blocks, m.mapPage.block)
	for i, a := range m.roots {
		out.Printf("  %s: %d records\n", engines.Keyspace(i), m.counts[i])
		if a.some() {
			if err := dumpPage(ctx, p, a, "    ", out); err != nil {
				return err
			}
		}
	}
	return out.Err
}

func dumpPage(ctx context.Context, p *pageFile, a pageAddr, indent string, out *storedir.Printer) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := a.within(p.meta.blocks); err != nil {
		return p.damaged(a, "%v", err)
	}
	pg, _, err := p.read(a, nil)
	if err != nil {
		return err
	}
	packed := ""
	if pg.plain > 0 {
		packed = fmt.Sprintf(", %d uncompressed", pg.plain)
	}
	out.Printf("%sblock %d: level %d, %d entries, %d bytes%s, checkpoint %d\n", indent, a.block, pg.level, pg.count, a.bytes, packed, pg.checkpoint)
	switch pg.kind {
	case kindInner:
		err = pg.eachChild(func(c pageAddr, sep []byte) error {
			if len(sep) > 0 {
				out.Printf("%s  from %x\n", indent, sep)
			}
			return dumpPage(ctx, p, c, indent+"  ", out)
		})
	case kindLeaf:
		err = pg.eachRecord(func(version uint64, key, value []byte) error {
			out.Printf("%s  %x version %d, %d bytes\n", indent, key, version, len(value))
			return out.Err
		})
	}
	if err != nil && !errors.Is(err, engines.ErrCorrupt) && out.Err == nil && ctx.Err() == nil {
		return p.damaged(a, "%v", err)
	}
	return err
}

// describe prints the operations of a log record.
func describe(r wal.Record) string {
	var b strings.Builder
	err := eachOp(r.Kind, r.Payload, func(o *op) error {
		if b.Len() > 0 {
			b.WriteString("; ")
		}
		b.WriteString(o.describe())
		return nil
	})
	if err != nil {
		return "damaged: " + err.Error()
	}
	return b.String()
}

func (o *op) describe() string {
	switch o.kind {
	case opPut:
		return fmt.Sprintf("put %s %x version %d, %d bytes", o.ks, o.key, o.version, len(o.value))
	case opDelete:
		return fmt.Sprintf("delete %s %x version %d", o.ks, o.key, o.version)
	}
	return fmt.Sprintf("renew %x version %d, renewal %d until %d at %d", o.key, o.version, o.renewals, o.renewal.ExpiresAt, o.renewal.Now)
}
