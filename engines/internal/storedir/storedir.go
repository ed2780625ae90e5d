// Package storedir is what the directories of all in-house stores have in
// common: how they come to be, the lock against a second process, what tells that
// a store was there, and the small habits around them.
package storedir

import (
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"syscall"

	"orbitbench/engines"
	"orbitbench/engines/internal/vfs"
)

// LockName is the file whose lock keeps a second process out.
const LockName = "LOCK"

// Open makes dir if it is missing, durably, and locks it until the Closer is
// closed or the process ends. The parent must exist. Errors: engines.ErrLocked,
// those of the file system.
func Open(fsys vfs.FS, dir string) (io.Closer, error) {
	parent := vfs.Dir(dir)
	if _, err := fsys.ReadDir(parent); err != nil {
		return nil, err
	}
	if err := fsys.MkdirAll(dir); err != nil {
		return nil, err
	}
	// The name of a new directory must not be lost with what is stored in it.
	if err := fsys.SyncDir(parent); err != nil {
		return nil, err
	}
	return fsys.Lock(path.Join(dir, LockName))
}

// RemoveTemporary removes the files in dir that an interrupted atomic write left.
func RemoveTemporary(fsys vfs.FS, dir string) error {
	names, err := fsys.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, n := range names {
		if strings.HasSuffix(n, ".tmp") {
			if err := fsys.Remove(path.Join(dir, n)); err != nil {
				return err
			}
		}
	}
	return nil
}

// MakeEmpty makes dir, durably, unless it is there and empty. A directory that
// holds something is engines.ErrInvalid.
func MakeEmpty(fsys vfs.FS, dir string) error {
	if err := fsys.MkdirAll(dir); err != nil {
		return err
	}
	names, err := fsys.ReadDir(dir)
	if err != nil {
		return err
	}
	if len(names) > 0 {
		return fmt.Errorf("%w: %s is not empty: it holds %s", engines.ErrInvalid, dir, names[0])
	}
	return fsys.SyncDir(vfs.Dir(dir))
}

// FullDevice makes an error that says that the device is full, or the quota
// used up, an engines.ErrFull as well. Other errors, and nil, are returned as they are.
func FullDevice(err error) error {
	if (errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)) && !errors.Is(err, engines.ErrFull) {
		return errors.Join(engines.ErrFull, err)
	}
	return err
}
