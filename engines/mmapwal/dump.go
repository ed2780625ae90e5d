package mmapwal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"orbitbench/engines/internal/meta"
	"orbitbench/engines/internal/storedir"
	"orbitbench/engines/internal/vfs"
	"orbitbench/engines/internal/wal"
)

// Dump is engines.Dumper.
func (Driver) Dump(ctx context.Context, dir string, w io.Writer) error {
	return dump(ctx, vfs.OS, dir, w)
}

func dump(ctx context.Context, fsys vfs.FS, dir string, w io.Writer) (err error) {
	out := &storedir.Printer{W: w}
	o, err := openOffline(fsys, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, o.close()) }()
	m, r := o.meta, o.root
	out.Printf("%s: hash seed %016x, version base %d, ceiling %d, last record %d\n", path.Join(dir, meta.Name), m.Seed, m.Base, m.Ceiling, m.Last)
	from := rootName
	if o.journal {
		from = journalName
	}
	out.Printf("%s: start %d, cut %d, end %d, %d pages in extents of %d, next page %d\n", path.Join(dir, from), r.start, r.cut, r.end, r.size, r.extentPages, r.next)
	for _, l := range r.loose {
		out.Printf("  record %#x of stripe %d is to be freed\n", uint32(l.ref), l.stripe)
	}
	for i := range o.e.stripes {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := o.e.withStripe(&o.e.stripes[i], func(s *stripe) error { return o.e.dumpStripe(s, out) })
		if err != nil {
			return errors.Join(err, out.Err)
		}
	}
	return errors.Join(wal.Dump(ctx, fsys, path.Join(dir, logName), w, describe), out.Err)
}

// dumpStripe prints the pages of a stripe and its records.
func (e *engine) dumpStripe(s *stripe, out *storedir.Printer) error {
	if len(s.ledgers) == 0 {
		return nil
	}
	out.Printf("  stripe %d of %s: %d records, deleted up to version %d, highest %d, ledger in pages %v\n", s.no, s.ks, s.live, s.floor, s.highest, s.ledgers)
	for entry := range s.entries {
		_, mem, i := e.entryAt(s, entry)
		w := indexEntry(mem, i)
		if w == 0 {
			continue
		}
		l := decodeLedger(w)
		out.Printf("    page %d: %s\n", l.page, l.describe())
		switch l.kind {
		case ledgerSlab, ledgerSpan:
		case ledgerIndex:
			if err := e.verified(l.page); err != nil {
				return err
			}
			out.Printf("      %d entries\n", countEntries(e.page(l.page)))
			continue
		default:
			continue
		}
		if err := e.verified(l.page); err != nil {
			return err
		}
		err := e.eachOf(l, func(r ref, rec record) error {
			out.Printf("      record %#x: key %x version %d, %d bytes\n", uint32(r), rec.key(), rec.version(), rec.valueLen())
			return out.Err
		})
		if err != nil {
			return err
		}
	}
	return out.Err
}

func (l ledgerEntry) describe() string {
	switch l.kind {
	case ledgerSlab:
		return fmt.Sprintf("slab of %d slots of %d bytes, full %d", classes[l.a].slots, classes[l.a].slot, l.b)
	case ledgerIndex:
		return fmt.Sprintf("index, depth %d, prefix %x", l.a, l.b)
	case ledgerSpan:
		return fmt.Sprintf("span of %d pages", l.b)
	case ledgerFree:
		return "free"
	case ledgerSpare:
		return "spare"
	}
	return fmt.Sprintf("free span of %d pages", l.b)
}

// describe prints the operations of a log record.
func describe(r wal.Record) string {
	if r.Kind == kindClaim {
		c, err := parseClaim(r.Payload)
		if err != nil {
			return "damaged: " + err.Error()
		}
		use := map[uint8]string{useSlab: "slabs", useSpare: "index and ledger", useSpan: "a span"}[c.use]
		return fmt.Sprintf("stripe %d claims %d pages from %d on for %s", c.stripe, c.n, c.first, use)
	}
	var b strings.Builder
	err := eachOp(r.Kind, r.Payload, func(o op) error {
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
	at := fmt.Sprintf("at %#x of stripe %d version %d", uint32(o.ref), o.stripe, o.version)
	switch o.kind {
	case opPut:
		return fmt.Sprintf("put %s %x %s, %d bytes", keyspaceOf(o.stripe), o.key, at, len(o.value))
	case opDelete:
		return "delete " + at
	}
	return fmt.Sprintf("renew %s until %d at %d", at, o.renewal.ExpiresAt, o.renewal.Now)
}
