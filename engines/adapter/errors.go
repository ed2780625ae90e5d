package adapter

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"orbitbench/engines"
)

var errFlusherStopped = errors.New("background flusher has stopped")

// NoSpace reports whether err says that the device, a quota or a size limit is full.
func NoSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

// MapError wraps an error of the operating system in the contract's error where
// it has one (ErrFull, ErrLocked), and leaves every other as it is.
func MapError(err error) error {
	switch {
	case err == nil || errors.Is(err, engines.ErrFull) || errors.Is(err, engines.ErrLocked):
		return err
	case NoSpace(err):
		return fmt.Errorf("%w: %w", engines.ErrFull, err)
	}
	return err
}

// PrepareDir makes the directory of a store if it is missing (its parent must
// exist), durably, since no library syncs the parent of a directory that it did
// not make, and returns its absolute path without symbolic links, so that a
// library that keeps locks by name sees one name for one directory.
func PrepareDir(dir string) (string, error) {
	if dir == "" {
		return "", fmt.Errorf("%w: no directory given", engines.ErrInvalid)
	}
	switch err := os.Mkdir(dir, 0o755); {
	case err == nil:
		if err := SyncFile(filepath.Dir(dir)); err != nil {
			return "", MapError(err)
		}
	case !errors.Is(err, fs.ErrExist):
		return "", MapError(err)
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	abs, err = filepath.EvalSymlinks(abs)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(abs)
	if err != nil {
		return "", err
	}
	if !info.IsDir() {
		return "", fmt.Errorf("%w: %s is not a directory", engines.ErrInvalid, dir)
	}
	return abs, nil
}

// VacantDir checks that a snapshot can be written to dir: it must not exist or
// be empty. An empty one is removed, for libraries that insist on making it.
func VacantDir(dir string) error {
	err := syscall.Rmdir(dir) // not os.Remove, which removes a file too
	switch {
	case err == nil || errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, syscall.ENOTEMPTY), errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%w: snapshot directory %s is not empty", engines.ErrInvalid, dir)
	case errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%w: snapshot directory %s is a file", engines.ErrInvalid, dir)
	}
	return &fs.PathError{Op: "rmdir", Path: dir, Err: err}
}

// MakeVacant makes the directory that a snapshot is written to. See VacantDir.
func MakeVacant(dir string) error {
	if err := VacantDir(dir); err != nil {
		return err
	}
	return MapError(os.Mkdir(dir, 0o755))
}

// SyncCopy makes a snapshot of one file durable: the file, its directory, and that one's name.
func SyncCopy(path string) error {
	dir := filepath.Dir(path)
	return MapError(errors.Join(SyncFile(path), SyncFile(dir), SyncFile(filepath.Dir(dir))))
}

// SyncFile makes the contents of one file, or the entries of one directory, durable.
func SyncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
