package floor

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"orbitbench/harness/result"
)

const (
	// BlockBytes is the size and the alignment of an overwrite.
	BlockBytes = 4096
	// DefaultFileBytes is the size of the overwritten file where none is given.
	// It is larger than a device's smallest internal cache line set and small
	// enough to be zeroed in a moment.
	DefaultFileBytes = 16 << 20

	fillBytes = 1 << 20 // bytes of one write while the file is zeroed
)

// Options say where and what a Writer writes.
type Options struct {
	// Dir is an existing directory on the device to be measured.
	Dir string
	// Kind is result.FloorOverwrite or result.FloorAppend.
	Kind string
	// WriteBytes is the size of one write; for overwrites a multiple of
	// BlockBytes. 0 means BlockBytes.
	WriteBytes int
	// FileBytes is the size of the overwritten file, a multiple of 1 MiB; 0
	// means DefaultFileBytes. Appends ignore it.
	FileBytes int64
}

// Writer repeats one kind of durable write. It is for one goroutine.
type Writer struct {
	kind   string
	path   string // for errors; the name is gone once Open has returned
	file   *os.File
	fd     int
	block  []byte // what is written; the first 8 bytes count the writes
	size   int64  // of the overwritten file
	offset int64  // of the next overwrite
	count  uint64
}

// Open creates a file in o.Dir and prepares it. Its errors say why there can be
// no figure. The file has no name any more when Open returns, so that its blocks
// are freed whatever ends the process.
func Open(o Options) (*Writer, error) {
	if o.WriteBytes == 0 {
		o.WriteBytes = BlockBytes
	}
	if o.FileBytes == 0 {
		o.FileBytes = DefaultFileBytes
	}
	if err := o.validate(); err != nil {
		return nil, err
	}
	if err := onDevice(o.Dir); err != nil {
		return nil, err
	}
	w := &Writer{kind: o.Kind, block: alignedBlock(o.WriteBytes), size: o.FileBytes}
	if err := w.create(o.Dir); err != nil {
		return nil, err
	}
	if err := w.prepare(); err != nil {
		return nil, errors.Join(err, w.file.Close(), os.Remove(w.path))
	}
	if err := os.Remove(w.path); err != nil {
		return nil, errors.Join(fmt.Errorf("floor: %w", err), w.file.Close())
	}
	return w, nil
}

func (o Options) validate() error {
	switch {
	case o.Kind != result.FloorOverwrite && o.Kind != result.FloorAppend:
		return fmt.Errorf("floor: unknown kind %q, want %s or %s", o.Kind, result.FloorOverwrite, result.FloorAppend)
	case o.WriteBytes < 0 || o.FileBytes < 0:
		return fmt.Errorf("floor: sizes must not be negative: write %d bytes, file %d bytes", o.WriteBytes, o.FileBytes)
	case o.Kind == result.FloorAppend:
		return nil
	case o.WriteBytes%BlockBytes != 0:
		return fmt.Errorf("floor: overwrite of %d bytes, want a multiple of %d", o.WriteBytes, BlockBytes)
	case o.FileBytes%fillBytes != 0 || o.FileBytes%int64(o.WriteBytes) != 0:
		return fmt.Errorf("floor: file of %d bytes, want a multiple of %d and of the write", o.FileBytes, fillBytes)
	}
	return nil
}

// onDevice refuses file systems that have no device under them. They take
// direct IO on newer kernels and would give a figure that is no floor.
func onDevice(dir string) error {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return fmt.Errorf("floor: %w", &os.PathError{Op: "statfs", Path: dir, Err: err})
	}
	switch fs.Type {
	case unix.TMPFS_MAGIC, unix.RAMFS_MAGIC:
		return fmt.Errorf("floor: %s is in memory (tmpfs): no write there reaches a device", dir)
	}
	return nil
}

func (w *Writer) create(dir string) error {
	f, err := os.CreateTemp(dir, "floor-"+w.kind+"-*.tmp")
	if err != nil {
		return fmt.Errorf("floor: %w", err)
	}
	w.file, w.path, w.fd = f, f.Name(), int(f.Fd())
	return nil
}

// prepare zeroes the file, makes that durable and opens the file again with the
// flags of the timed writes.
func (w *Writer) prepare() error {
	if w.kind == result.FloorOverwrite {
		if err := w.zero(); err != nil {
			return err
		}
	}
	if err := w.file.Sync(); err != nil {
		return fmt.Errorf("floor: %w", err)
	}
	if w.kind == result.FloorAppend {
		return nil
	}
	direct, err := os.OpenFile(w.path, os.O_RDWR|unix.O_DIRECT|unix.O_DSYNC, 0)
	if errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("floor: the file system refuses O_DIRECT: %w", err)
	}
	if err != nil {
		return fmt.Errorf("floor: %w", err)
	}
	err = w.file.Close()
	w.file, w.fd = direct, int(direct.Fd())
	return err
}

func (w *Writer) zero() error {
	zeros := make([]byte, fillBytes)
	for at := int64(0); at < w.size; at += fillBytes {
		if _, err := w.file.WriteAt(zeros, at); err != nil {
			return fmt.Errorf("floor: zeroing %d bytes: %w", w.size, err)
		}
	}
	return nil
}

// Write makes one durable write and returns when the device has it: an
// overwrite goes to the next block and starts again at the end of the file, an
// append is followed by fdatasync. It allocates nothing unless it fails.
func (w *Writer) Write() error {
	w.count++
	binary.LittleEndian.PutUint64(w.block, w.count)
	if w.kind == result.FloorOverwrite {
		if err := w.writeAt(w.offset); err != nil {
			return err
		}
		if w.offset += int64(len(w.block)); w.offset == w.size {
			w.offset = 0
		}
		return nil
	}
	if err := w.writeAt(w.offset); err != nil {
		return err
	}
	w.offset += int64(len(w.block))
	for {
		switch err := unix.Fdatasync(w.fd); err {
		case nil:
			return nil
		case unix.EINTR:
		default:
			return fmt.Errorf("floor: %w", &os.PathError{Op: "fdatasync", Path: w.path, Err: err})
		}
	}
}

func (w *Writer) writeAt(at int64) error {
	for {
		switch n, err := unix.Pwrite(w.fd, w.block, at); {
		case err == unix.EINTR:
		case err != nil:
			return fmt.Errorf("floor: %w", &os.PathError{Op: "pwrite", Path: w.path, Err: err})
		case n != len(w.block):
			return fmt.Errorf("floor: short write to %s: %d of %d bytes", w.path, n, len(w.block))
		default:
			return nil
		}
	}
}

// Close closes the file, which frees its blocks.
func (w *Writer) Close() error { return w.file.Close() }

// alignedBlock returns n bytes, at least 8, at an address that direct IO takes.
func alignedBlock(n int) []byte {
	n = max(n, 8)
	raw := make([]byte, n+BlockBytes)
	skip := BlockBytes - int(uintptr(unsafe.Pointer(&raw[0]))%BlockBytes)
	block := raw[skip : skip+n : skip+n]
	for i := range block {
		block[i] = byte(i*131 + 7) // not zeros, which a device may elide
	}
	return block
}
