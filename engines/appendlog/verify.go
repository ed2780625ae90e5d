package appendlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"orbitbench/engines"
	"orbitbench/engines/internal/image"
	"orbitbench/engines/internal/index"
	"orbitbench/engines/internal/meta"
	"orbitbench/engines/internal/storedir"
	"orbitbench/engines/internal/vfs"
	"orbitbench/engines/internal/wal"
)

// Verify is engines.Verifier. It reads META, every snapshot and the whole log
// with their checksums, decodes every operation, and checks that the log has
// what META and the snapshot demand. It does not rebuild the records.
func (Driver) Verify(ctx context.Context, dir string, progress func(done, total int64)) (engines.VerifyReport, error) {
	return verify(ctx, vfs.OS, dir, progress)
}

func verify(ctx context.Context, fsys vfs.FS, dir string, progress func(done, total int64)) (engines.VerifyReport, error) {
	m, err := metaFormat.ReadStore(fsys, dir)
	if err != nil {
		return engines.VerifyReport{}, err
	}
	s := image.Store{FS: fsys, Dir: dir, Meta: m, Images: snapshots, Ops: func(r wal.Record, _ wal.LSN) (n uint64, err error) {
		err = eachOp(r.Kind, r.Payload, func(int, index.Op) error { n++; return nil })
		return n, err
	}}
	return s.Verify(ctx, progress)
}

// Dump is engines.Dumper.
func (Driver) Dump(ctx context.Context, dir string, w io.Writer) error {
	return dump(ctx, vfs.OS, dir, w)
}

func dump(ctx context.Context, fsys vfs.FS, dir string, w io.Writer) error {
	out := &storedir.Printer{W: w}
	m, err := metaFormat.ReadStore(fsys, dir)
	if err != nil {
		return err
	}
	out.Printf("%s: hash seed %016x, version base %d, ceiling %d, last record %d\n", path.Join(dir, meta.Name), m.Seed, m.Base, m.Ceiling, m.Last)
	names, err := fsys.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, n := range names {
		if start, ok := snapshots.Start(n); ok {
			if err := dumpSnapshot(ctx, fsys, dir, start, m.Seed, out); err != nil {
				return err
			}
		}
	}
	return errors.Join(wal.Dump(ctx, fsys, path.Join(dir, logName), w, describe), out.Err)
}

func dumpSnapshot(ctx context.Context, fsys vfs.FS, dir string, start wal.LSN, seed uint64, out *storedir.Printer) error {
	s, err := snapshots.Open(fsys, dir, start, seed)
	if err != nil {
		return err
	}
	defer s.Close()
	return errors.Join(s.Dump(ctx, out.Printf, describeOp), out.Err)
}

// describe prints the operations of a log record.
func describe(r wal.Record) string {
	var b strings.Builder
	err := eachOp(r.Kind, r.Payload, func(_ int, o index.Op) error {
		if b.Len() > 0 {
			b.WriteString("; ")
		}
		b.WriteString(describeOp(&o))
		return nil
	})
	if err != nil {
		return "damaged: " + err.Error()
	}
	return b.String()
}

// describeOp is one operation for people.
func describeOp(o *index.Op) string {
	switch o.Kind {
	case opPut:
		return fmt.Sprintf("put %s %x id %d version %d, %d bytes", o.Keyspace, o.Key, o.ID, o.Version, len(o.Value))
	case opDelete:
		return fmt.Sprintf("delete %s id %d version %d", o.Keyspace, o.ID, o.Version)
	}
	return fmt.Sprintf("renew id %d version %d, renewal %d until %d at %d", o.ID, o.Version, o.Renewals, o.Renewal.ExpiresAt, o.Renewal.Now)
}
