package adapter

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"orbitbench/engines"
)

// LockName is the file that LockDir locks.
const LockName = "LOCK"

// LockDir takes the lock of a store whose library would let a second process
// in; closing the file frees it. Errors: ErrLocked, those of the system.
func LockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, LockName), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, MapError(err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = fmt.Errorf("%w: %s", engines.ErrLocked, dir)
		}
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
