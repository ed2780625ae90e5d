package vfs

import (
	"io"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Op names an operation that Faulty can fail.
type Op uint8

// The operations.
const (
	OpOpen Op = iota + 1
	OpRead
	OpWrite
	OpSync
	OpTruncate
	OpAllocate
	OpMap
	OpClose
	OpRemove
	OpRename
	OpReadDir
	OpSyncDir
)

// Fault tells Faulty what to fail.
type Fault struct {
	Op    Op
	Name  string // only files whose name contains it; "" means all
	Skip  int    // let this many pass first
	Times int    // then fail this many; 0 means for ever
	Err   error  // nil means EIO
	// Part, for OpWrite: this many bytes are written before the error (a short write).
	Part int
	// Done: the operation is carried out and the error returned all the same.
	Done bool
	// Clean, for OpSync of a file of Mem: what was to be synced stays readable but no longer
	// counts as changed, as in the page cache of Linux, so that a later Sync leaves it out.
	Clean bool
}

// Faulty is a file system that fails operations of another one as told.
type Faulty struct {
	FS
	mu     sync.Mutex
	faults []*Fault // guarded by mu
	hits   int      // guarded by mu
}

// NewFaulty wraps fs; without faults it does what fs does.
func NewFaulty(fs FS, faults ...Fault) *Faulty {
	f := &Faulty{FS: fs}
	f.Set(faults...)
	return f
}

// Set replaces the faults and the count of hits.
func (f *Faulty) Set(faults ...Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults, f.hits = nil, 0
	for _, x := range faults {
		if x.Err == nil {
			x.Err = unix.EIO
		}
		if x.Times == 0 {
			x.Times = -1
		}
		f.faults = append(f.faults, &x)
	}
}

// Hits returns how many operations were failed since Set.
func (f *Faulty) Hits() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hits
}

// hit returns the fault for this operation, or nil.
func (f *Faulty) hit(op Op, name string) *Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, x := range f.faults {
		if x.Op != op || !strings.Contains(name, x.Name) {
			continue
		}
		if x.Skip > 0 {
			x.Skip--
			continue
		}
		if x.Times != 0 {
			x.Times--
			f.hits++
			c := *x
			return &c
		}
	}
	return nil
}

// run carries out call unless it is to fail.
func (f *Faulty) run(op Op, what, name string, call func() error) error {
	x := f.hit(op, name)
	if x == nil {
		return call()
	}
	if x.Done {
		if err := call(); err != nil {
			return err
		}
	}
	return pathError(what, name, x.Err)
}

// OpenFile is FS.OpenFile.
func (f *Faulty) OpenFile(name string, flag Flag) (File, error) {
	if x := f.hit(OpOpen, name); x != nil {
		return nil, pathError("open", name, x.Err)
	}
	file, err := f.FS.OpenFile(name, flag)
	if err != nil {
		return nil, err
	}
	return &faultyFile{File: file, f: f}, nil
}

// Remove is FS.Remove.
func (f *Faulty) Remove(name string) error {
	return f.run(OpRemove, "remove", name, func() error { return f.FS.Remove(name) })
}

// Rename is FS.Rename; a fault's Name is looked for in the new name.
func (f *Faulty) Rename(from, to string) error {
	return f.run(OpRename, "rename", to, func() error { return f.FS.Rename(from, to) })
}

// ReadDir is FS.ReadDir.
func (f *Faulty) ReadDir(dir string) (names []string, err error) {
	err = f.run(OpReadDir, "readdir", dir, func() error {
		names, err = f.FS.ReadDir(dir)
		return err
	})
	return names, err
}

// SyncDir is FS.SyncDir.
func (f *Faulty) SyncDir(dir string) error {
	return f.run(OpSyncDir, "syncdir", dir, func() error { return f.FS.SyncDir(dir) })
}

// Lock is FS.Lock, which does not fail on purpose.
func (f *Faulty) Lock(name string) (io.Closer, error) { return f.FS.Lock(name) }

type faultyFile struct {
	File
	f *Faulty
}

func (f *faultyFile) ReadAt(p []byte, off int64) (int, error) {
	if x := f.f.hit(OpRead, f.Name()); x != nil {
		return 0, pathError("read", f.Name(), x.Err)
	}
	return f.File.ReadAt(p, off)
}

func (f *faultyFile) WriteAt(p []byte, off int64) (n int, err error) {
	x := f.f.hit(OpWrite, f.Name())
	if x == nil {
		return f.File.WriteAt(p, off)
	}
	part := min(x.Part, len(p))
	if x.Done {
		part = len(p)
	}
	if part > 0 {
		if n, err = f.File.WriteAt(p[:part], off); err != nil {
			return n, err
		}
	}
	return n, pathError("write", f.Name(), x.Err)
}

func (f *faultyFile) Sync() error {
	x := f.f.hit(OpSync, f.Name())
	if x == nil {
		return f.File.Sync()
	}
	if x.Done {
		if err := f.File.Sync(); err != nil {
			return err
		}
	}
	if m, ok := f.File.(*memFile); ok && x.Clean {
		m.markClean()
	}
	return pathError("fdatasync", f.Name(), x.Err)
}

func (f *faultyFile) Truncate(size int64) error {
	return f.f.run(OpTruncate, "truncate", f.Name(), func() error { return f.File.Truncate(size) })
}

func (f *faultyFile) Allocate(off, n int64) error {
	return f.f.run(OpAllocate, "fallocate", f.Name(), func() error { return f.File.Allocate(off, n) })
}

func (f *faultyFile) Map(off, n int64, mode MapMode) ([]byte, error) {
	if x := f.f.hit(OpMap, f.Name()); x != nil {
		return nil, pathError("mmap", f.Name(), x.Err)
	}
	return f.File.Map(off, n, mode)
}

// Close closes the file in any case, as Linux does, and may report an error.
func (f *faultyFile) Close() error {
	err := f.File.Close()
	if x := f.f.hit(OpClose, f.Name()); x != nil {
		return pathError("close", f.Name(), x.Err)
	}
	return err
}
