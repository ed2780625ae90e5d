package pebble

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// readOnlyFS is a file system on which nothing can be changed, so that a store
// can be looked at and is afterwards what it was.
type readOnlyFS struct{ vfs.FS }

// errReadOnly is what every change meets.
var errReadOnly = fmt.Errorf("the store is opened for reading only: %w", syscall.EROFS)

func (readOnlyFS) Create(string, vfs.DiskWriteCategory) (vfs.File, error) { return nil, errReadOnly }
func (readOnlyFS) OpenReadWrite(string, vfs.DiskWriteCategory, ...vfs.OpenOption) (vfs.File, error) {
	return nil, errReadOnly
}
func (readOnlyFS) ReuseForWrite(_, _ string, _ vfs.DiskWriteCategory) (vfs.File, error) {
	return nil, errReadOnly
}
func (readOnlyFS) Link(_, _ string) error             { return errReadOnly }
func (readOnlyFS) Remove(string) error                { return errReadOnly }
func (readOnlyFS) RemoveAll(string) error             { return errReadOnly }
func (readOnlyFS) Rename(_, _ string) error           { return errReadOnly }
func (readOnlyFS) MkdirAll(string, os.FileMode) error { return errReadOnly }

// Lock takes the lock of a store that has a lock file. A copy has none, and gets none.
func (r readOnlyFS) Lock(name string) (io.Closer, error) {
	if _, err := r.Stat(name); errors.Is(err, fs.ErrNotExist) {
		return io.NopCloser(nil), nil
	}
	return lockFile(name, r.FS)
}

// verifyLogger is quiet, and unwinds to Verify where Pebble would end the process.
type verifyLogger struct{}

func (verifyLogger) Infof(string, ...any)  {}
func (verifyLogger) Errorf(string, ...any) {}
func (verifyLogger) Fatalf(format string, args ...any) {
	panic(fatal{fmt.Errorf(format, args...)})
}
