//go:build linux

package vfs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"orbitbench/engines"
)

// OS is the file system of the operating system.
var OS FS = osFS{}

type osFS struct{}

func (osFS) OpenFile(name string, flag Flag) (File, error) {
	f := unix.O_RDWR | unix.O_CLOEXEC
	if flag&ReadOnly != 0 {
		f = unix.O_RDONLY | unix.O_CLOEXEC
	}
	for _, m := range [...]struct {
		has Flag
		bit int
	}{{Create, unix.O_CREAT}, {Exclusive, unix.O_EXCL}, {Truncate, unix.O_TRUNC}, {Direct, unix.O_DIRECT}, {DSync, unix.O_DSYNC}} {
		if flag&m.has != 0 {
			f |= m.bit
		}
	}
	fd, err := retryFD(func() (int, error) { return unix.Open(name, f, 0o644) })
	if flag&Direct != 0 && errors.Is(err, unix.EINVAL) {
		return nil, &os.PathError{Op: "open", Path: name, Err: ErrNoDirect}
	}
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	return &osFile{fd: fd, name: name}, nil
}

func (osFS) Remove(name string) error     { return os.Remove(name) }
func (osFS) Rename(from, to string) error { return os.Rename(from, to) }
func (osFS) MkdirAll(dir string) error    { return os.MkdirAll(dir, 0o755) }

func (osFS) ReadDir(dir string) ([]string, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	return names, nil
}

func (osFS) SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	return errors.Join(err, d.Close())
}

func (osFS) Lock(name string) (io.Closer, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		return f, nil
	}
	f.Close() // nothing was written: only the lock's error matters
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, fmt.Errorf("%w: %s", engines.ErrLocked, name)
	}
	return nil, &os.PathError{Op: "flock", Path: name, Err: err}
}

// osFile keeps a bare descriptor: os.File would register it with the poller
// and take a lock for each call.
type osFile struct {
	fd   int
	name string
}

func (f *osFile) Name() string { return f.name }

func (f *osFile) wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	return &os.PathError{Op: op, Path: f.name, Err: err}
}

func (f *osFile) ReadAt(p []byte, off int64) (int, error) {
	done := 0
	for done < len(p) {
		n, err := unix.Pread(f.fd, p[done:], off+int64(done))
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return done, f.wrap("read", err)
		}
		if n == 0 {
			return done, io.EOF
		}
		done += n
	}
	return done, nil
}

func (f *osFile) WriteAt(p []byte, off int64) (int, error) {
	done := 0
	for done < len(p) {
		n, err := unix.Pwrite(f.fd, p[done:], off+int64(done))
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return done, f.wrap("write", err)
		}
		if n == 0 {
			return done, f.wrap("write", io.ErrShortWrite)
		}
		done += n
	}
	return done, nil
}

func (f *osFile) Size() (int64, error) {
	var st unix.Stat_t
	if err := retry(func() error { return unix.Fstat(f.fd, &st) }); err != nil {
		return 0, f.wrap("stat", err)
	}
	return st.Size, nil
}

// Sync is never repeated after an error: the kernel reports a lost page once
// and then calls it clean.
func (f *osFile) Sync() error { return f.wrap("fdatasync", unix.Fdatasync(f.fd)) }

func (f *osFile) Truncate(size int64) error {
	return f.wrap("truncate", retry(func() error { return unix.Ftruncate(f.fd, size) }))
}

func (f *osFile) Allocate(off, n int64) error {
	err := retry(func() error { return unix.Fallocate(f.fd, 0, off, n) })
	if err != unix.EOPNOTSUPP && err != unix.ENOSYS {
		return f.wrap("fallocate", err)
	}
	size, err := f.Size()
	if err != nil {
		return err
	}
	zero := AlignedBuffer(1 << 20)
	for size < off+n {
		c := min(int64(len(zero)), off+n-size)
		if _, err := f.WriteAt(zero[:c], size); err != nil {
			return err
		}
		size += c
	}
	return nil
}

func (f *osFile) Map(off, n int64, mode MapMode) ([]byte, error) {
	prot := unix.PROT_READ
	if mode != MapRead {
		prot |= unix.PROT_WRITE
	}
	share := unix.MAP_SHARED
	if mode == MapPrivate {
		// Pages that are stored to are not counted ahead: a store of any size can be mapped.
		share = unix.MAP_PRIVATE | unix.MAP_NORESERVE
	}
	b, err := unix.Mmap(f.fd, off, int(n), prot, share)
	if err != nil {
		return nil, f.wrap("mmap", err)
	}
	if mode != MapPrefault {
		return b, nil
	}
	// EINVAL: a kernel before 5.14. The first store to each page then faults.
	err = populate(b)
	if err != nil && err != unix.EINVAL {
		return nil, errors.Join(f.wrap("madvise", err), f.Unmap(b))
	}
	return b, nil
}

func populate(b []byte) error {
	return retry(func() error { return unix.Madvise(b, unix.MADV_POPULATE_WRITE) })
}

func (f *osFile) Populate(b []byte) { _ = populate(b) } // advice

func (f *osFile) Unmap(b []byte) error { return f.wrap("munmap", unix.Munmap(b)) }

func (f *osFile) Close() error {
	fd := f.fd
	f.fd = -1
	return f.wrap("close", unix.Close(fd))
}

func retry(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

func retryFD(call func() (int, error)) (int, error) {
	for {
		if fd, err := call(); err != unix.EINTR {
			return fd, err
		}
	}
}
