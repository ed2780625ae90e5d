package wal

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"orbitbench/engines"
	"orbitbench/engines/internal/frame"
	"orbitbench/engines/internal/vfs"
)

const (
	segmentSuffix = ".wal"
	fillBytes     = 256 << 10 // zeros per write while a segment is made
)

// segment is one file of the log.
type segment struct {
	name  string // path
	num   uint64 // number in the name
	file  vfs.File
	mem   []byte // mapped classes: the whole file
	size  int64
	epoch uint64
	mask  uint32 // EpochMask(epoch)

	// Once sealed: the records in it are first..last (last < first: none).
	first, last LSN
	unsynced    bool // mapped classes: stores since the last sync (guarded by Log.mu)
}

func segmentName(dir string, num uint64) string {
	return fmt.Sprintf("%s/%08d%s", dir, num, segmentSuffix)
}

// segmentNumber returns the number in a base name, or false if it is no segment's.
func segmentNumber(base string) (uint64, bool) {
	digits, ok := strings.CutSuffix(base, segmentSuffix)
	if !ok || len(digits) < 8 {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, err == nil && n > 0 && fmt.Sprintf("%08d", n) == digits
}

// filer makes, opens and removes segment files in the way of one class.
type filer struct {
	fs     vfs.FS
	dir    string
	flags  vfs.Flag // of an active segment
	mapped bool
	synced bool // classes Interval and Sync: headers are durable, zeros are written and synced
	header []byte
	zeros  []byte
}

// newFiler finds out whether direct IO works in o.Dir if it is wanted.
func newFiler(o Options) (*filer, error) {
	f := &filer{
		fs: o.FS, dir: o.Dir, mapped: o.Class < engines.Interval,
		synced: o.Class >= engines.Interval,
		header: vfs.AlignedBuffer(vfs.BlockBytes), zeros: vfs.AlignedBuffer(fillBytes),
	}
	if f.mapped || o.Buffered {
		return f, nil
	}
	direct, err := probeDirect(o.FS, o.Dir+"/probe.tmp", f.header)
	if err != nil {
		return nil, err
	}
	if direct {
		f.flags = vfs.Direct | vfs.DSync
	} else {
		o.Logf("log %s: %v; writing through the page cache with fdatasync", o.Dir, vfs.ErrNoDirect)
	}
	return f, nil
}

func (f *filer) direct() bool { return f.flags&vfs.Direct != 0 }

// probeDirect tries a direct write: some file systems refuse only that.
func probeDirect(fs vfs.FS, name string, block []byte) (bool, error) {
	file, err := fs.OpenFile(name, vfs.Create|vfs.Truncate|vfs.Direct|vfs.DSync)
	if errors.Is(err, vfs.ErrNoDirect) {
		// An open that is refused may still have created the file.
		if err := fs.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
			return false, err
		}
		return false, nil
	}
	if err != nil {
		return false, err
	}
	_, err = file.WriteAt(block, 0)
	refused := errors.Is(err, unix.EINVAL)
	if refused {
		err = nil
	}
	return !refused, errors.Join(err, file.Close(), fs.Remove(name))
}

// make creates a segment file of zeros with the given number, epoch and size.
// pace, if set, is called between writes with the time that the last one took.
// A file that could not be made whole is removed.
func (f *filer) make(num, epoch uint64, size int64, pace func(time.Duration)) (*segment, error) {
	s := &segment{name: segmentName(f.dir, num), num: num, size: size}
	err := f.fill(s.name, size, pace)
	if err == nil {
		err = f.fs.SyncDir(f.dir)
	}
	if err == nil {
		err = f.begin(s, epoch, true)
	}
	if err == nil {
		return s, nil
	}
	err = errors.Join(err, s.release())
	if rerr := f.fs.Remove(s.name); rerr != nil && !errors.Is(rerr, os.ErrNotExist) {
		err = errors.Join(err, rerr)
	}
	return nil, err
}

// fill writes the zeros: blocks that are merely allocated would cost a change of
// metadata at the first write of each.
func (f *filer) fill(name string, size int64, pace func(time.Duration)) (err error) {
	file, err := f.fs.OpenFile(name, vfs.Create|vfs.Exclusive|f.flags&vfs.Direct)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := file.Allocate(0, size); err != nil {
		return err
	}
	if !f.synced { // the mapping brings the zeros; the length is to stay
		return file.Sync()
	}
	for off := int64(0); off < size; off += fillBytes {
		t := time.Now()
		if _, err := file.WriteAt(f.zeros[:min(fillBytes, size-off)], off); err != nil {
			return err
		}
		if pace != nil {
			pace(time.Since(t))
		}
	}
	return file.Sync()
}

// begin opens s and gives it a new epoch: from then on what it held is gone.
// The header is durable before begin returns under the classes Interval and Sync,
// and always in a new file: a log whose first segment is lost has lost its start.
func (f *filer) begin(s *segment, epoch uint64, fresh bool) error {
	if err := f.openFile(s); err != nil {
		return err
	}
	s.epoch, s.mask = epoch, frame.EpochMask(epoch)
	s.first, s.last = 0, 0
	if err := f.writeHeader(s, segmentHeader{ordered: !f.mapped, epoch: epoch, size: s.size}); err != nil {
		return err
	}
	if fresh && !f.synced {
		if err := s.file.Sync(); err != nil { // before the mapping makes every page dirty
			return err
		}
	}
	return f.open(s)
}

func (f *filer) openFile(s *segment) (err error) {
	if s.file == nil {
		s.file, err = f.fs.OpenFile(s.name, f.flags)
	}
	return err
}

// open opens and maps the file of s for appending as far as it is not.
func (f *filer) open(s *segment) error { return f.openAs(s, vfs.MapPrefault) }

func (f *filer) openAs(s *segment, mode vfs.MapMode) error {
	err := f.openFile(s)
	if err == nil && f.mapped && s.mem == nil {
		s.mem, err = s.file.Map(0, s.size, mode)
	}
	return err
}

// writeHeader writes the header block; not for concurrent use.
func (f *filer) writeHeader(s *segment, h segmentHeader) error {
	clear(f.header)
	h.encode(f.header)
	if _, err := s.file.WriteAt(f.header, 0); err != nil {
		return err
	}
	if f.direct() || !f.synced {
		return nil
	}
	return s.file.Sync()
}

// unmap gives the mapping back.
func (s *segment) unmap() error {
	if s.mem == nil {
		return nil
	}
	b := s.mem
	s.mem = nil
	return s.file.Unmap(b)
}

// release closes the file and its mapping.
func (s *segment) release() error {
	err := s.unmap()
	if s.file != nil {
		err = errors.Join(err, s.file.Close())
		s.file = nil
	}
	return err
}

// remove deletes the file of s.
func (f *filer) remove(s *segment) error {
	return errors.Join(s.release(), f.fs.Remove(s.name))
}

// fullError turns "no space" into engines.ErrFull.
func fullError(err error) error {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return fmt.Errorf("%w: log: %w", engines.ErrFull, err)
	}
	return err
}
