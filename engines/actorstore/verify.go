package actorstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"orbitbench/engines"
	"orbitbench/engines/internal/index"
	"orbitbench/engines/internal/meta"
	"orbitbench/engines/internal/vfs"
	"orbitbench/engines/internal/wal"
)

// Verify is engines.Verifier. It reads META, every checkpoint and the whole log
// with their checksums, decodes every operation, and checks that the log has
// what META and the checkpoint demand. It does not rebuild the records.
func (Driver) Verify(ctx context.Context, dir string, progress func(done, total int64)) (engines.VerifyReport, error) {
	return verify(ctx, vfs.OS, dir, progress)
}

// verifier counts what it has read.
type verifier struct {
	fs       vfs.FS
	dir      string
	report   engines.VerifyReport
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

func (v *verifier) run(ctx context.Context) error {
	m, err := readMeta(v.fs, v.dir)
	if err != nil {
		return err
	}
	v.report.Files, v.report.Bytes = 1, meta.Bytes
	names, err := v.fs.ReadDir(v.dir)
	if err != nil {
		return err
	}
	if v.total, err = v.sizes(names); err != nil {
		return err
	}
	start, upTo := wal.LSN(1), wal.LSN(0)
	for _, n := range names {
		s, ok := checkpoints.Start(n)
		if !ok {
			continue
		}
		end, err := v.checkpoint(ctx, s, m)
		if err != nil {
			return err
		}
		start, upTo = s, end // names sort by start: the last one is what Open loads
	}
	return v.log(ctx, m, start, upTo)
}

// sizes adds up the files that will be read.
func (v *verifier) sizes(names []string) (total int64, err error) {
	var files []string
	for _, n := range names {
		_, ok := checkpoints.Start(n)
		if _, is := seriesFiles.Start(n); ok || is {
			files = append(files, path.Join(v.dir, n))
		}
	}
	segments, err := v.fs.ReadDir(path.Join(v.dir, logName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	for _, n := range segments {
		files = append(files, path.Join(v.dir, logName, n))
	}
	for _, name := range files {
		f, err := v.fs.OpenFile(name, vfs.ReadOnly)
		if err != nil {
			return 0, err
		}
		size, err := f.Size()
		if err = errors.Join(err, f.Close()); err != nil {
			return 0, err
		}
		total += size
	}
	return total + meta.Bytes, nil
}

func (v *verifier) checkpoint(ctx context.Context, start wal.LSN, m meta.Meta) (upTo wal.LSN, err error) {
	f, err := checkpoints.Open(v.fs, v.dir, start, m.Seed)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	n, err := f.Verify(ctx, func(offset int64) { v.progress(v.report.Bytes+offset, v.total) })
	if err != nil {
		return 0, err
	}
	v.report.Records += n
	v.report.Files++
	v.report.Bytes += f.Size()
	return f.End(), v.series(ctx, start, m)
}

func (v *verifier) series(ctx context.Context, start wal.LSN, m meta.Meta) error {
	err := readSeries(ctx, v.fs, v.dir, start, m.Seed, func(_ string, b *block) error {
		v.report.Records += uint64(b.n)
		return nil
	})
	if err != nil {
		return err
	}
	r, err := openSeries(v.fs, v.dir, start, m.Seed)
	if err != nil {
		return err
	}
	v.report.Files++
	v.report.Bytes += r.Size()
	return r.Close()
}

func (v *verifier) log(ctx context.Context, m meta.Meta, start, upTo wal.LSN) error {
	dir := path.Join(v.dir, logName)
	done := v.report.Bytes
	info, err := wal.Verify(ctx, v.fs, dir, start-1, max(start, upTo+1), func(r wal.Record) error {
		if r.LSN%4096 == 0 {
			v.progress(min(done, v.total), v.total)
		}
		done += int64(len(r.Payload))
		if err := eachReplayed(r, start, func(*index.Op) error { v.report.Records++; return nil }); err != nil {
			return corruptLog(dir, "record %d: %v", r.LSN, err)
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) && m.Last == 0 && upTo == 0 {
		err = nil // the store was made, or copied, and never opened
	}
	if err != nil {
		return err
	}
	v.report.Files += info.Files
	v.report.Bytes = v.total
	if info.TornFile != "" {
		v.report.TornTail, v.report.TornFile, v.report.TornBytes = true, info.TornFile, info.TornBytes
	}
	v.progress(v.total, v.total)
	return checkLog(dir, m, info, start, upTo)
}

// Dump is engines.Dumper.
func (Driver) Dump(ctx context.Context, dir string, w io.Writer) error {
	return dump(ctx, vfs.OS, dir, w)
}

func dump(ctx context.Context, fsys vfs.FS, dir string, w io.Writer) error {
	out := &printer{w: w}
	m, err := readMeta(fsys, dir)
	if err != nil {
		return err
	}
	out.printf("%s: hash seed %016x, version base %d, ceiling %d, last record %d\n", path.Join(dir, meta.Name), m.Seed, m.Base, m.Ceiling, m.Last)
	names, err := fsys.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, n := range names {
		if start, ok := checkpoints.Start(n); ok {
			if err := dumpCheckpoint(ctx, fsys, dir, start, m.Seed, out); err != nil {
				return err
			}
		}
	}
	err = wal.Dump(ctx, fsys, path.Join(dir, logName), w, describe)
	if errors.Is(err, fs.ErrNotExist) {
		out.printf("%s: there is no log yet\n", path.Join(dir, logName))
		err = nil
	}
	return errors.Join(err, out.err)
}

func dumpCheckpoint(ctx context.Context, fsys vfs.FS, dir string, start wal.LSN, seed uint64, out *printer) error {
	f, err := checkpoints.Open(fsys, dir, start, seed)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := errors.Join(f.Dump(ctx, out.printf, describeOp), out.err); err != nil {
		return err
	}
	out.printf("%s: start %d\n", path.Join(dir, seriesFiles.Name(start)), start)
	return readSeries(ctx, fsys, dir, start, seed, func(metric string, b *block) error {
		out.printf("  block of %q: %d points from %d to %d, %d bytes\n", metric, b.n, b.first, b.last, len(b.data))
		return out.err
	})
}

// describe prints the operations of a log record.
func describe(r wal.Record) string {
	if r.Kind == kindCheckpoint {
		start, err := parseCheckpoint(r.Payload)
		if err != nil {
			return "damaged: " + err.Error()
		}
		return "checkpoint from record " + strconv.FormatUint(uint64(start), 10)
	}
	var b strings.Builder
	err := eachOp(r.Kind, r.Payload, func(o *index.Op) error {
		if b.Len() > 0 {
			b.WriteString("; ")
		}
		b.WriteString(describeOp(o))
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
	case engines.OpPut:
		return fmt.Sprintf("put %s %x id %d version %d, %d bytes", o.Keyspace, o.Key, o.ID, o.Version, len(o.Value))
	case engines.OpDelete:
		return fmt.Sprintf("delete %s id %d version %d", o.Keyspace, o.ID, o.Version)
	}
	return fmt.Sprintf("renew id %d version %d, renewal %d until %d at %d", o.ID, o.Version, o.Renewals, o.Renewal.ExpiresAt, o.Renewal.Now)
}

// printer keeps the first error of a writer.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}
