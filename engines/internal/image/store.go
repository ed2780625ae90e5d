package image

import (
	"context"
	"errors"
	"io/fs"
	"path"

	"orbitbench/engines"
	"orbitbench/engines/internal/index"
	"orbitbench/engines/internal/meta"
	"orbitbench/engines/internal/storedir"
	"orbitbench/engines/internal/vfs"
	"orbitbench/engines/internal/wal"
)

// Is reports whether a file is an image by its name.
func (f Format) Is(name string) bool {
	_, ok := f.Start(name)
	return ok
}

// Newest returns the start of the newest image in dir, 0 if there is none.
func (f Format) Newest(fsys vfs.FS, dir string) (newest wal.LSN, err error) {
	names, err := fsys.ReadDir(dir)
	for _, n := range names {
		if start, ok := f.Start(n); ok {
			newest = max(newest, start)
		}
	}
	return newest, err
}

// Load gives an index the image that begins at start to take its records from, and
// returns the image's end. See Open for the errors.
func (f Format) Load(fsys vfs.FS, dir string, start wal.LSN, seed uint64, ix *index.Index) (wal.LSN, error) {
	s, err := f.Open(fsys, dir, start, seed)
	if err != nil {
		return 0, err
	}
	m, err := s.Image(fsys)
	if err == nil {
		err = ix.SetImage(m)
	}
	if err != nil {
		s.Close()
		return 0, err
	}
	return s.End(), nil
}

// Store is a closed store whose records lie in images and a log.
type Store struct {
	FS     vfs.FS
	Dir    string
	Meta   meta.Meta
	Images Format
	// Ops decodes a record of a log that is replayed from start on, and counts its operations.
	Ops func(r wal.Record, start wal.LSN) (n uint64, err error)
	// Beside are further files, one for each image; CheckBeside reads the one of the
	// image that begins at start, and adds it to the report. Both or none are set.
	Beside      Format
	CheckBeside func(ctx context.Context, start wal.LSN, report *engines.VerifyReport) error

	report   engines.VerifyReport
	total    int64
	progress func(done, total int64)
}

// Verify is that of engines.Verifier, once META has been read: every image and the
// whole log with their checksums, every operation, and whether the log has what META and the
// images demand. It does not rebuild the records.
func (s *Store) Verify(ctx context.Context, progress func(done, total int64)) (engines.VerifyReport, error) {
	if s.progress = progress; progress == nil {
		s.progress = func(int64, int64) {}
	}
	s.report = engines.VerifyReport{Files: 1, Bytes: meta.Bytes}
	err := s.verify(ctx)
	return s.report, err
}

func (s *Store) verify(ctx context.Context) error {
	names, err := s.FS.ReadDir(s.Dir)
	if err != nil {
		return err
	}
	if s.total, err = s.size(names); err != nil {
		return err
	}
	start, upTo := wal.LSN(1), wal.LSN(0)
	for _, n := range names {
		begin, ok := s.Images.Start(n)
		if !ok {
			continue
		}
		end, err := s.image(ctx, begin)
		if err != nil {
			return err
		}
		start, upTo = begin, end // names sort by start: the last one is what Open loads
	}
	return s.log(ctx, start, upTo)
}

// size adds up the files that will be read.
func (s *Store) size(names []string) (int64, error) {
	var files []string
	for _, n := range names {
		if s.Images.Is(n) || s.CheckBeside != nil && s.Beside.Is(n) {
			files = append(files, path.Join(s.Dir, n))
		}
	}
	images, err := vfs.SizeOf(s.FS, files...)
	if err != nil {
		return 0, err
	}
	log, err := wal.Size(s.FS, path.Join(s.Dir, storedir.LogName))
	return meta.Bytes + images + log, err
}

func (s *Store) image(ctx context.Context, start wal.LSN) (upTo wal.LSN, err error) {
	f, err := s.Images.Open(s.FS, s.Dir, start, s.Meta.Seed)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	n, err := f.Verify(ctx, func(offset int64) { s.progress(s.report.Bytes+offset, s.total) })
	if err != nil {
		return 0, err
	}
	s.report.Records += n
	s.report.Files++
	s.report.Bytes += f.Size()
	if s.CheckBeside != nil {
		err = s.CheckBeside(ctx, start, &s.report)
	}
	return f.End(), err
}

func (s *Store) log(ctx context.Context, start, upTo wal.LSN) error {
	dir := path.Join(s.Dir, storedir.LogName)
	done := s.report.Bytes
	info, err := wal.Verify(ctx, s.FS, dir, start-1, max(start, upTo+1), func(r wal.Record) error {
		if r.LSN%4096 == 0 {
			s.progress(min(done, s.total), s.total)
		}
		done += int64(len(r.Payload))
		n, err := s.Ops(r, start)
		s.report.Records += n
		if err != nil {
			return wal.Corrupt(dir, "record %d: %v", r.LSN, err)
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) && s.Meta.Last == 0 && upTo == 0 {
		err = nil // the store was made, or copied, and never opened
	}
	if err != nil {
		return err
	}
	s.report.Bytes = s.total
	info.AddTo(&s.report)
	s.progress(s.total, s.total)
	return info.Check(dir, start, upTo, wal.LSN(s.Meta.Last), s.Images.Name(start))
}
