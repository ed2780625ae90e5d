package vfs

import (
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"orbitbench/engines"
)

// Mem is a file system in memory that can crash. It keeps what is durable apart
// from what is merely written, for file contents and for directories, and makes
// the states that a crash may leave ([Mem.Crash], [Mem.Kill]).
//
// The model is strict POSIX: a write is pending until a Sync of the file (or at
// once durable if opened with DSync), a name until SyncDir of its directory.
// Direct IO is granted and its alignment checked. Locks and open files end with
// a crash. The zero value is not usable; see NewMem.
type Mem struct {
	// OnPending, if set before use, is called in the middle of every operation
	// that makes something durable or changes it: when the operation is pending
	// and nothing of it is durable yet. Crash and Kill called there give the
	// states of a crash in that operation. It is called without locks held.
	OnPending func(op, name string)

	mu      sync.Mutex
	names   map[string]*inode // files as the process sees them
	durable map[string]*inode // files as the device holds them
	dirs    map[string]bool
	moves   []move // pending changes of names, in order
	locked  map[string]bool
	free    int64 // bytes that files may still grow; < 0: no limit
}

// inode is a file. Its fields are guarded by Mem.mu, but for stores into data
// through a mapping.
type inode struct {
	data    []byte         // as the process sees it
	durable []byte         // as the device holds it
	pending []patch        // writes since, in order
	clean   []byte         // nil, or what the process sees without those, if a failed sync left the device behind (Fault.Clean)
	mapped  int            // shared mappings
	private map[*byte]bool // private ones, by their first byte: copies
}

// patch is a pending write, or a change of length if data is nil.
type patch struct {
	off  int64
	data []byte
}

// move is a pending change of names in dir: name now is node, or is gone if node is nil.
// A rename is one move with both names.
type move struct {
	dir, name string
	node      *inode
	from      string // rename: the name that goes away, or ""
}

// NewMem returns an empty file system with a directory "/".
func NewMem() *Mem {
	return &Mem{
		names: map[string]*inode{}, durable: map[string]*inode{},
		dirs: map[string]bool{"/": true, ".": true}, locked: map[string]bool{}, free: -1,
	}
}

// SetFree limits the bytes by which files may still grow; beyond them writes fail
// with ENOSPC. Below 0 there is no limit.
func (m *Mem) SetFree(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.free = n
}

func (m *Mem) hook(op, name string) {
	if m.OnPending != nil {
		m.OnPending(op, name)
	}
}

func pathError(op, name string, err error) error { return &os.PathError{Op: op, Path: name, Err: err} }

// OpenFile is FS.OpenFile.
func (m *Mem) OpenFile(name string, flag Flag) (File, error) {
	name = path.Clean(name)
	m.mu.Lock()
	defer m.mu.Unlock()
	n, ok := m.names[name]
	switch {
	case ok && flag&Create != 0 && flag&Exclusive != 0:
		return nil, pathError("open", name, fs.ErrExist)
	case !ok && flag&Create == 0:
		return nil, pathError("open", name, fs.ErrNotExist)
	case !ok && !m.dirs[Dir(name)]:
		return nil, pathError("open", name, fs.ErrNotExist)
	}
	if !ok {
		n = &inode{}
		m.names[name] = n
		m.moves = append(m.moves, move{dir: Dir(name), name: name, node: n})
	}
	f := &memFile{m: m, name: name, flag: flag, node: n}
	if ok && flag&Truncate != 0 {
		if err := n.resize(0); err != nil {
			return nil, pathError("open", name, err)
		}
	}
	return f, nil
}

// Remove is FS.Remove.
func (m *Mem) Remove(name string) error {
	name = path.Clean(name)
	m.mu.Lock()
	if _, ok := m.names[name]; !ok {
		m.mu.Unlock()
		return pathError("remove", name, fs.ErrNotExist)
	}
	delete(m.names, name)
	m.moves = append(m.moves, move{dir: Dir(name), name: name})
	m.mu.Unlock()
	m.hook("remove", name)
	return nil
}

// Rename is FS.Rename, within one directory.
func (m *Mem) Rename(from, to string) error {
	from, to = path.Clean(from), path.Clean(to)
	m.mu.Lock()
	n, ok := m.names[from]
	if !ok || Dir(from) != Dir(to) {
		m.mu.Unlock()
		return pathError("rename", from, fs.ErrNotExist)
	}
	delete(m.names, from)
	m.names[to] = n
	m.moves = append(m.moves, move{dir: Dir(to), name: to, node: n, from: from})
	m.mu.Unlock()
	m.hook("rename", to)
	return nil
}

// MkdirAll is FS.MkdirAll. Directories are durable at once: engines make them
// once, and the loss of the whole store before its first acknowledgement shows nothing.
func (m *Mem) MkdirAll(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for d := path.Clean(dir); !m.dirs[d]; d = Dir(d) {
		m.dirs[d] = true
	}
	return nil
}

// ReadDir is FS.ReadDir; it lists files only.
func (m *Mem) ReadDir(dir string) ([]string, error) {
	dir = path.Clean(dir)
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.dirs[dir] {
		return nil, pathError("readdir", dir, fs.ErrNotExist)
	}
	var names []string
	for n := range m.names {
		if Dir(n) == dir {
			names = append(names, path.Base(n))
		}
	}
	slices.Sort(names)
	return names, nil
}

// SyncDir is FS.SyncDir.
func (m *Mem) SyncDir(dir string) error {
	dir = path.Clean(dir)
	m.hook("syncdir", dir)
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.dirs[dir] {
		return pathError("syncdir", dir, fs.ErrNotExist)
	}
	m.moves = slices.DeleteFunc(m.moves, func(v move) bool {
		if v.dir == dir {
			v.apply(m.durable)
		}
		return v.dir == dir
	})
	return nil
}

func (v move) apply(names map[string]*inode) {
	if v.from != "" {
		delete(names, v.from)
	}
	if v.node == nil {
		delete(names, v.name)
	} else {
		names[v.name] = v.node
	}
}

type memLock struct {
	m    *Mem
	name string
}

func (l memLock) Close() error {
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	delete(l.m.locked, l.name)
	return nil
}

// Lock is FS.Lock.
func (m *Mem) Lock(name string) (io.Closer, error) {
	name = path.Clean(name)
	f, err := m.OpenFile(name, Create)
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.locked[name] {
		return nil, fmt.Errorf("%w: %s", engines.ErrLocked, name)
	}
	m.locked[name] = true
	return memLock{m, name}, nil
}

// Edit changes the bytes of a file on the device and in memory: damage at rest.
// edit may return a slice of another length.
func (m *Mem) Edit(name string, edit func([]byte) []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, ok := m.names[path.Clean(name)]
	if !ok {
		return pathError("edit", name, fs.ErrNotExist)
	}
	n.data = edit(slices.Clone(n.data))
	n.durable, n.pending = slices.Clone(n.data), nil
	return nil
}

// Files returns the names of all files, sorted.
func (m *Mem) Files() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.names))
}

// grow checks the space for a file to become size bytes long.
func (m *Mem) grow(n *inode, size int64) error {
	more := size - int64(len(n.data))
	if more <= 0 || m.free < 0 {
		return nil
	}
	if more > m.free {
		return unix.ENOSPC
	}
	m.free -= more
	return nil
}

func (n *inode) resize(size int64) error {
	if size == int64(len(n.data)) {
		return nil
	}
	if n.mapped > 0 {
		return unix.EBUSY // not as Linux has it: nobody here resizes a mapped file
	}
	n.data = resized(n.data, size)
	n.pending = append(n.pending, patch{off: size})
	return nil
}

func resized(b []byte, size int64) []byte {
	if size <= int64(len(b)) {
		return b[:size:size]
	}
	grown := make([]byte, size)
	copy(grown, b)
	return grown
}

var _ FS = (*Mem)(nil)
