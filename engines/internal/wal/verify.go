package wal

import (
	"context"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"path"

	"orbitbench/engines"
	"orbitbench/engines/internal/frame"
	"orbitbench/engines/internal/vfs"
)

// Verify reads a closed log and changes nothing. It judges as Open does with the
// same from and next (the number that a snapshot says comes next, or 0); the error for damage is a *CorruptError. visit
// may be nil; else it is called for every record above from, in order.
func Verify(ctx context.Context, fs vfs.FS, dir string, from, next LSN, visit func(r Record) error) (ReplayInfo, error) {
	r := &recovery{fs: fs, dir: dir, from: from, next: next, workers: 1}
	if visit != nil {
		r.apply = func(_ int, rec Record) error { return visit(rec) }
	}
	err := r.run(ctx)
	return r.info, err
}

// ClosedAt returns the number of the last record of a log that was closed, judging by the
// headers of its segments alone: they are read, and nothing else. ok is false if the
// log was not closed, or if there is none. Records may still be damaged; Open tells.
func ClosedAt(fs vfs.FS, dir string) (last LSN, ok bool, err error) {
	r := &recovery{fs: fs, dir: dir}
	if err := r.load(); errors.Is(err, iofs.ErrNotExist) {
		return 0, false, nil
	} else if err != nil {
		return 0, false, err
	}
	for _, f := range r.segs {
		switch {
		case f.head.closed:
			last, ok = f.head.closeSeq, true
		case f.peeked:
			ok = false // it was gone on with, or another one was not closed
		}
	}
	return last, ok, nil
}

// Dump prints the segments of a closed log for people, and each record by
// describe, which may be nil. It goes on behind damage in a segment with the next
// segment; the error is that of w or of reading.
func Dump(ctx context.Context, fs vfs.FS, dir string, w io.Writer, describe func(r Record) string) error {
	r := &recovery{fs: fs, dir: dir, workers: 1}
	err := r.load()
	if errors.Is(err, iofs.ErrNotExist) {
		_, err := fmt.Fprintf(w, "%s: there is no log yet\n", dir)
		return err
	}
	if err != nil {
		return err
	}
	for _, f := range r.files {
		if f.unfinished {
			if _, err := fmt.Fprintf(w, "%s: %d bytes, never begun\n", f.name, f.size); err != nil {
				return err
			}
		}
	}
	for _, f := range r.segs {
		if err := dumpSegment(ctx, r, f, w, describe); err != nil {
			return err
		}
	}
	return nil
}

func dumpSegment(ctx context.Context, r *recovery, f *found, out io.Writer, describe func(Record) string) (err error) {
	h := f.head
	if _, err := fmt.Fprintf(out, "%s: epoch %d, %d bytes, ordered %t, closed %t\n", f.name, h.epoch, h.size, h.ordered, h.closed); err != nil {
		return err
	}
	file, err := r.fs.OpenFile(f.name, vfs.ReadOnly)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	var buf chunks
	w := &walk{file: f.name, head: h, src: openSource(file, 0, f.size, &buf), limit: f.size, off: dataStart}
	defer w.src.close()
	err = w.run(func(w *walk, h frame.Header, payload []byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		first, text := " ", ""
		if h.First {
			first = "*"
		}
		switch {
		case h.Kind == kindSeal:
			text = fmt.Sprintf("seal, next epoch %d", le64(payload))
		case h.Kind == kindMark:
			text = fmt.Sprintf("mark, durable up to %d", le64(payload))
		case describe != nil:
			text = describe(Record{LSN: LSN(h.Seq), Kind: h.Kind, Payload: payload})
		}
		_, err := fmt.Fprintf(out, "  %10d  %s%-3d  #%-8d kind %-3d %6d bytes  %s\n", w.off, first, h.Group, h.Seq, h.Kind, h.Length, text)
		return err
	})
	if err == nil && !w.sealed {
		_, err = fmt.Fprintf(out, "  %10d  end\n", w.off)
	}
	if errors.Is(err, engines.ErrCorrupt) {
		_, err = fmt.Fprintf(out, "  %v\n", err)
	}
	return err
}

// Size adds up the files of the log at dir; one that does not exist has none.
func Size(fs vfs.FS, dir string) (int64, error) {
	names, err := fs.ReadDir(dir)
	if errors.Is(err, iofs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	for i, n := range names {
		names[i] = path.Join(dir, n)
	}
	return vfs.SizeOf(fs, names...)
}
