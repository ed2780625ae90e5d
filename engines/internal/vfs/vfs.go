package vfs

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"unsafe"
)

// BlockBytes is the unit of direct IO: offsets, lengths and memory addresses of
// reads and writes on a file opened with Direct are multiples of it.
const BlockBytes = 4096

// SectorBytes is the largest unit that a device is assumed to write whole.
const SectorBytes = 512

// Flag says how OpenFile opens. A file is always opened for reading and writing
// unless ReadOnly is set.
type Flag uint

// The flags.
const (
	ReadOnly  Flag = 1 << iota // reading only
	Create                     // create the file if it is missing
	Exclusive                  // with Create: fail if it exists
	Truncate                   // cut an existing file to length 0
	Direct                     // O_DIRECT: ErrNoDirect where the file system refuses it
	DSync                      // O_DSYNC: every write is durable when it returns
)

// ErrNoDirect is returned by OpenFile when the file system refuses direct IO.
var ErrNoDirect = errors.New("file system refuses direct IO")

// FS is a file system. All methods are safe for concurrent use. Errors are
// those of package os (*os.PathError, fs.ErrNotExist, fs.ErrExist ...).
type FS interface {
	OpenFile(name string, flag Flag) (File, error)
	Remove(name string) error
	Rename(from, to string) error
	// MkdirAll makes dir and its missing parents. The caller syncs the parents.
	MkdirAll(dir string) error
	// ReadDir returns the base names in dir in lexical order.
	ReadDir(dir string) ([]string, error)
	// SyncDir makes the names in dir durable.
	SyncDir(dir string) error
	// Lock takes an exclusive lock on the file name, which it creates, and
	// holds it until the Closer is closed or the process ends. It does not
	// wait: a held lock is engines.ErrLocked.
	Lock(name string) (io.Closer, error)
}

// File is an open file. Its methods are safe for concurrent use, but the
// outcome of overlapping writes is not defined.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Name() string
	Size() (int64, error)
	// Sync makes the written bytes and the length durable (fdatasync).
	Sync() error
	Truncate(size int64) error
	// Allocate reserves blocks for the range and extends the file to cover it;
	// new bytes read as zero. Where the file system cannot, it writes zeros
	// over what lies beyond the end of the file.
	Allocate(off, n int64) error
	// Map maps the range, which must lie within the file, shared; off is a
	// multiple of BlockBytes. Stores into a writable mapping survive the death
	// of the process at once and are durable after Sync of the file. The
	// mapping outlives Close and must be given back with Unmap. A private mapping
	// shows the file until it is stored to; stores stay in the process and never
	// reach the file, and what is written to the file under a page that was stored
	// to is not seen. An access beyond the end of a file that was cut short
	// faults (debug.SetPanicOnFault).
	Map(off, n int64, mode MapMode) ([]byte, error)
	Unmap(b []byte) error
	// Populate makes every page of b, a part of a writable mapping, writable, so
	// that the first store to it does not fault. It is advice: what fails, if
	// anything, the stores do by themselves.
	Populate(b []byte)
}

// MapMode says how File.Map maps.
type MapMode uint

// The modes.
const (
	MapRead     MapMode = iota
	MapWrite            // readable and writable
	MapPrefault         // writable, and every page made writable before Map returns
	MapPrivate          // writable, private to the process; a file opened ReadOnly will do
)

// AlignedBuffer returns n zero bytes whose address is a multiple of BlockBytes.
func AlignedBuffer(n int) []byte {
	raw := make([]byte, n+BlockBytes)
	skip := 0
	if r := int(uintptr(unsafe.Pointer(&raw[0])) % BlockBytes); r != 0 {
		skip = BlockBytes - r
	}
	return raw[skip : skip+n : skip+n]
}

// SizeOf adds up the sizes of files; one that does not exist has none.
func SizeOf(fsys FS, names ...string) (total int64, err error) {
	for _, name := range names {
		f, err := fsys.OpenFile(name, ReadOnly)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return 0, err
		}
		size, err := f.Size()
		if err = errors.Join(err, f.Close()); err != nil {
			return 0, err
		}
		total += size
	}
	return total, nil
}

// ReadFile returns the whole content of the file name.
func ReadFile(fs FS, name string) ([]byte, error) {
	f, err := fs.OpenFile(name, ReadOnly)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	b := make([]byte, size)
	if n, err := f.ReadAt(b, 0); err != nil && !(err == io.EOF && n == len(b)) {
		return nil, err
	}
	return b, nil
}

// WriteFileAtomic replaces the file name by data so that after a crash it holds
// either all of the old content or all of the new one: it writes name.tmp,
// syncs it, renames it over name and syncs the directory. It is durable when it
// returns nil. After an error the old content is still there under name, or,
// if only the last sync failed, either one. Not for concurrent use on one name.
func WriteFileAtomic(fs FS, name string, data []byte) error {
	tmp := name + ".tmp"
	f, err := fs.OpenFile(tmp, Create|Truncate)
	if err != nil {
		return err
	}
	if _, err = f.WriteAt(data, 0); err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = fs.Rename(tmp, name)
	}
	if err != nil {
		if rerr := fs.Remove(tmp); rerr != nil && !errors.Is(rerr, os.ErrNotExist) {
			return errors.Join(err, rerr)
		}
		return err
	}
	return fs.SyncDir(Dir(name))
}

// Dir is filepath.Dir for the slash-separated names of every FS here.
func Dir(name string) string {
	for i := len(name) - 1; i >= 0; i-- {
		if name[i] == '/' {
			if i == 0 {
				return "/"
			}
			return name[:i]
		}
	}
	return "."
}
