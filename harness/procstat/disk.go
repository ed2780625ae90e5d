package procstat

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// DiskBytes is what the files under dir take on disk: allocated blocks, so
// that holes count nothing and preallocation counts. A file that goes away
// while it is looked at counts nothing.
func DiskBytes(dir string) (uint64, error) {
	var total uint64
	err := eachFile(dir, func(_ string, info fs.FileInfo) error {
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			total += uint64(st.Blocks) * 512
		}
		return nil
	})
	return total, err
}

// PageCache is how many bytes of the files under dir are in the page cache.
func PageCache(dir string) (uint64, error) {
	var total uint64
	err := eachFile(dir, func(path string, info fs.FileInfo) error {
		n, err := cachedBytes(path, info.Size())
		total += n
		return err
	})
	return total, err
}

func eachFile(dir string, visit func(path string, info fs.FileInfo) error) error {
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return ignoreGone(err)
		}
		info, err := d.Info()
		if err != nil {
			return ignoreGone(err)
		}
		return ignoreGone(visit(path, info))
	})
	if err != nil {
		return fmt.Errorf("procstat: %w", err)
	}
	return nil
}

func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// cachedBytes maps a file without touching it and asks which pages are in memory.
func cachedBytes(path string, size int64) (uint64, error) {
	if size == 0 {
		return 0, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close() // read only: nothing to lose
	raw, err := unix.Mmap(int(f.Fd()), 0, int(size), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return 0, &fs.PathError{Op: "mmap", Path: path, Err: err}
	}
	defer func() { _ = unix.Munmap(raw) }()
	page := os.Getpagesize()
	state := make([]byte, (len(raw)+page-1)/page)
	if _, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(unsafe.SliceData(raw))), uintptr(len(raw)), uintptr(unsafe.Pointer(unsafe.SliceData(state)))); errno != 0 {
		return 0, &fs.PathError{Op: "mincore", Path: path, Err: errno}
	}
	var pages uint64
	for _, s := range state {
		pages += uint64(s & 1)
	}
	return pages * uint64(page), nil
}

// DropCache asks the kernel to forget the cached pages of the files under dir,
// after writing the dirty ones out. It reports whether none are left, which
// wants no privilege but is the kernel's to refuse (pages that are mapped stay).
func DropCache(dir string) (bool, error) {
	err := eachFile(dir, func(path string, _ fs.FileInfo) error {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		err = unix.Fdatasync(int(f.Fd()))
		if err == nil {
			err = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
		}
		return errors.Join(err, f.Close())
	})
	if err != nil {
		return false, err
	}
	left, err := PageCache(dir)
	return left == 0, err
}
