package storedir

import (
	"errors"
	"io/fs"
	"path"

	"orbitbench/engines/internal/vfs"
)

// LogName is the directory of the log in that of the store.
const LogName = "log"

// Leftover names what only a store has in dir: a file that is ours by its name, or a
// log that is not empty; "" if there is neither. ours may be nil.
func Leftover(fsys vfs.FS, dir string, ours func(name string) bool) (string, error) {
	names, err := fsys.ReadDir(dir)
	if err != nil {
		return "", err
	}
	for _, n := range names {
		if ours != nil && ours(n) {
			return n, nil
		}
	}
	names, err = fsys.ReadDir(path.Join(dir, LogName))
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(names) == 0 {
		return "", nil
	}
	return LogName, err
}

// RemoveOld durably removes the files in dir that are old by their names, which a newer
// one has replaced.
func RemoveOld(fsys vfs.FS, dir string, old func(name string) bool) error {
	names, err := fsys.ReadDir(dir)
	if err != nil {
		return err
	}
	removed := false
	for _, n := range names {
		if !old(n) {
			continue
		}
		if !removed {
			// A kill may have come between the rename of the newer one and the sync of its
			// name: a power cut must not find the older one gone and the newer one unnamed.
			if err := fsys.SyncDir(dir); err != nil {
				return err
			}
		}
		if err := fsys.Remove(path.Join(dir, n)); err != nil {
			return err
		}
		removed = true
	}
	if !removed {
		return nil
	}
	return fsys.SyncDir(dir)
}
