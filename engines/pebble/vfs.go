package pebble

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"

	"orbitbench/engines/adapter"
)

// storeFS is the file system that the store runs on: the operating system's,
// with four additions. It counts what the log waits for; in class process the
// Sync of a log file returns at once; after a failure it refuses every change;
// and a log that cannot be created for want of space fails when it is written
// to, where Pebble returns the error, instead of when it is created, where
// Pebble panics with its commit lock held.
type storeFS struct {
	vfs.FS
	dir              string // of the store; files elsewhere (a snapshot) are always synced
	skipLogSync      bool
	syncBeforeMarker bool

	logSyncs atomic.Uint64
	fence    atomic.Pointer[error]
}

// refuse makes every later change of a file fail with cause.
func (s *storeFS) refuse(cause error) { s.fence.CompareAndSwap(nil, &cause) }

func (s *storeFS) refused() error {
	if cause := s.fence.Load(); cause != nil {
		return *cause
	}
	return nil
}

// isLog reports whether name is a log of this store.
func (s *storeFS) isLog(name string) bool {
	return strings.HasSuffix(name, ".log") && filepath.Dir(name) == s.dir
}

func (s *storeFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if err := s.refused(); err != nil {
		return nil, err
	}
	if s.syncBeforeMarker && strings.HasPrefix(filepath.Base(name), "marker.") {
		if err := adapter.SyncFile(filepath.Dir(name)); err != nil {
			return nil, err
		}
	}
	f, err := s.FS.Create(name, category)
	if err != nil && s.isLog(name) && adapter.NoSpace(err) {
		return fullFile{cause: err}, nil
	}
	return s.wrap(f, name, err)
}

func (s *storeFS) OpenReadWrite(name string, category vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	if err := s.refused(); err != nil {
		return nil, err
	}
	f, err := s.FS.OpenReadWrite(name, category, opts...)
	return s.wrap(f, name, err)
}

func (s *storeFS) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if err := s.refused(); err != nil {
		return nil, err
	}
	f, err := s.FS.ReuseForWrite(oldname, newname, category)
	return s.wrap(f, newname, err)
}

func (s *storeFS) wrap(f vfs.File, name string, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return &storeFile{File: f, fs: s, log: s.isLog(name)}, nil
}

func (s *storeFS) Link(oldname, newname string) error {
	if err := s.refused(); err != nil {
		return err
	}
	return s.FS.Link(oldname, newname)
}

func (s *storeFS) Remove(name string) error {
	if err := s.refused(); err != nil {
		return err
	}
	if s.syncBeforeMarker && strings.HasPrefix(filepath.Base(name), "marker.") { // its successor first
		if err := adapter.SyncFile(filepath.Dir(name)); err != nil {
			return err
		}
	}
	return s.FS.Remove(name)
}

func (s *storeFS) RemoveAll(name string) error {
	if err := s.refused(); err != nil {
		return err
	}
	return s.FS.RemoveAll(name)
}

func (s *storeFS) Rename(oldname, newname string) error {
	if err := s.refused(); err != nil {
		return err
	}
	return s.FS.Rename(oldname, newname)
}

func (s *storeFS) MkdirAll(dir string, perm os.FileMode) error {
	if err := s.refused(); err != nil {
		return err
	}
	return s.FS.MkdirAll(dir, perm)
}

// Unwrap returns the operating system's file system.
func (s *storeFS) Unwrap() vfs.FS { return s.FS }

// storeFile is a file of a storeFS that is open for writing.
type storeFile struct {
	vfs.File
	fs  *storeFS
	log bool
}

func (f *storeFile) Write(p []byte) (int, error) {
	if err := f.fs.refused(); err != nil {
		return 0, err
	}
	return f.File.Write(p)
}

func (f *storeFile) WriteAt(p []byte, off int64) (int, error) {
	if err := f.fs.refused(); err != nil {
		return 0, err
	}
	return f.File.WriteAt(p, off)
}

func (f *storeFile) Sync() error {
	if done, err := f.beforeSync(); done {
		return err
	}
	return f.File.Sync()
}

func (f *storeFile) SyncData() error {
	if done, err := f.beforeSync(); done {
		return err
	}
	return f.File.SyncData()
}

// beforeSync reports whether a sync is over before it began: refused, or not wanted.
func (f *storeFile) beforeSync() (done bool, err error) {
	if err := f.fs.refused(); err != nil {
		return true, err
	}
	if !f.log {
		return false, nil
	}
	if f.fs.skipLogSync {
		return true, nil
	}
	f.fs.logSyncs.Add(1)
	return false, nil
}

// fullFile stands for a log that could not be created: every use returns why.
type fullFile struct{ cause error }

func (f fullFile) Close() error                       { return f.cause }
func (f fullFile) Read([]byte) (int, error)           { return 0, io.EOF }
func (f fullFile) ReadAt([]byte, int64) (int, error)  { return 0, io.EOF }
func (f fullFile) Write([]byte) (int, error)          { return 0, f.cause }
func (f fullFile) WriteAt([]byte, int64) (int, error) { return 0, f.cause }
func (f fullFile) Preallocate(_, _ int64) error       { return nil }
func (f fullFile) Stat() (vfs.FileInfo, error)        { return nil, f.cause }
func (f fullFile) Sync() error                        { return f.cause }
func (f fullFile) SyncTo(int64) (bool, error)         { return false, f.cause }
func (f fullFile) SyncData() error                    { return f.cause }
func (f fullFile) Prefetch(_, _ int64) error          { return nil }
func (f fullFile) Fd() uintptr                        { return vfs.InvalidFd }
