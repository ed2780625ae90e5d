package vfs

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// memFile is an open file of Mem.
type memFile struct {
	m      *Mem
	name   string
	flag   Flag
	node   *inode
	closed bool // guarded by m.mu
}

func (f *memFile) Name() string { return f.name }

// check returns an error for a closed file and for direct IO that is not aligned.
// The caller holds the lock.
func (f *memFile) check(op string, p []byte, off int64) error {
	if f.closed {
		return pathError(op, f.name, os.ErrClosed)
	}
	if f.flag&Direct != 0 && len(p) > 0 &&
		(off%SectorBytes != 0 || len(p)%SectorBytes != 0 || uintptr(unsafe.Pointer(&p[0]))%SectorBytes != 0) {
		return pathError(op, f.name, unix.EINVAL)
	}
	return nil
}

func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if err := f.check("read", p, off); err != nil {
		return 0, err
	}
	if len(p) > 0 && off >= int64(len(f.node.data)) {
		return 0, io.EOF
	}
	n := copyShared(p, f.node.data[min(off, int64(len(f.node.data))):])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	f.m.mu.Lock()
	err := f.check("write", p, off)
	if err == nil && f.flag&ReadOnly != 0 {
		err = pathError("write", f.name, unix.EBADF)
	}
	end := off + int64(len(p))
	if err == nil && end > int64(len(f.node.data)) {
		if err = f.m.grow(f.node, end); err == nil {
			err = f.node.resize(end)
		}
		if err != nil {
			err = pathError("write", f.name, err)
		}
	}
	if err != nil {
		f.m.mu.Unlock()
		return 0, err
	}
	copy(f.node.data[off:], p)
	f.node.pending = append(f.node.pending, patch{off, slices.Clone(p)})
	f.m.mu.Unlock()
	f.m.hook("write", f.name)
	if f.flag&DSync == 0 {
		return len(p), nil
	}
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if end > int64(len(f.node.durable)) {
		f.node.durable = resized(f.node.durable, end)
	}
	copy(f.node.durable[off:], p)
	if f.node.clean != nil {
		f.node.clean = patch{off, p}.apply(f.node.clean)
	}
	f.node.pending = slices.DeleteFunc(f.node.pending, func(q patch) bool {
		return q.data != nil && q.off == off && bytes.Equal(q.data, p)
	})
	return len(p), nil
}

func (f *memFile) Size() (int64, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if err := f.check("stat", nil, 0); err != nil {
		return 0, err
	}
	return int64(len(f.node.data)), nil
}

func (f *memFile) Sync() error {
	f.m.hook("sync", f.name)
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if err := f.check("fdatasync", nil, 0); err != nil {
		return err
	}
	n := f.node
	if n.clean == nil {
		n.durable = make([]byte, len(n.data))
		copyShared(n.durable, n.data)
		n.pending = nil
		return nil
	}
	// Only what was written since a sync failed reaches the device.
	n.pending = append(n.pending, n.stores(n.data)...)
	for _, p := range n.pending {
		n.durable, n.clean = p.apply(n.durable), p.apply(n.clean)
	}
	n.pending = nil
	return nil
}

// markClean makes the written bytes stay readable and out of every later Sync.
func (f *memFile) markClean() {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	f.node.clean = make([]byte, len(f.node.data))
	copyShared(f.node.clean, f.node.data)
	f.node.pending = nil
}

func (f *memFile) Truncate(size int64) error {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if err := f.check("truncate", nil, 0); err != nil {
		return err
	}
	err := f.m.grow(f.node, size)
	if err == nil {
		err = f.node.resize(size)
	}
	if err != nil {
		return pathError("truncate", f.name, err)
	}
	return nil
}

func (f *memFile) Allocate(off, n int64) error {
	f.m.mu.Lock()
	size := int64(len(f.node.data))
	f.m.mu.Unlock()
	if off+n <= size {
		return nil
	}
	return f.Truncate(off + n)
}

func (f *memFile) Map(off, n int64, mode MapMode) ([]byte, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if err := f.check("mmap", nil, 0); err != nil {
		return nil, err
	}
	if off%BlockBytes != 0 || n <= 0 || off+n > int64(len(f.node.data)) {
		return nil, pathError("mmap", f.name, unix.EINVAL)
	}
	if mode == MapPrivate {
		b := AlignedBuffer(int(n))
		copyShared(b, f.node.data[off:])
		if f.node.private == nil {
			f.node.private = map[*byte]bool{}
		}
		f.node.private[&b[0]] = true
		return b, nil
	}
	f.node.mapped++
	return f.node.data[off : off+n : off+n], nil
}

func (f *memFile) Populate([]byte) {} // it is memory

func (f *memFile) Unmap(b []byte) error {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if f.node.private[&b[0]] {
		delete(f.node.private, &b[0])
		return nil
	}
	f.node.mapped--
	return nil
}

func (f *memFile) Close() error {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if f.closed {
		return pathError("close", f.name, os.ErrClosed)
	}
	f.closed = true
	return nil
}

// copyShared copies bytes that a mapping may be storing to at the same time, as
// the kernel does; the race detector is kept out of it.
//
//go:norace
func copyShared(dst, src []byte) int {
	n := min(len(dst), len(src))
	dst, src = dst[:n], src[:n]
	for len(src) >= 8 { // copy would report its reads and writes all the same
		binary.LittleEndian.PutUint64(dst, binary.LittleEndian.Uint64(src))
		dst, src = dst[8:], src[8:]
	}
	for i := range len(src) {
		dst[i] = src[i]
	}
	return n
}
