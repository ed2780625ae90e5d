package bbolt

import (
	"os"
	"syscall"
)

const mapPopulate = syscall.MAP_POPULATE

// unlock frees the lock that bbolt took on a file.
func unlock(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_UN) }
