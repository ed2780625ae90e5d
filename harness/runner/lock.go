package runner

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Holder says who holds the lock of the machine.
type Holder struct {
	PID     int       `json:"pid"`
	Command []string  `json:"command"`
	DataDir string    `json:"data_dir"`
	Started time.Time `json:"started"`
}

// LockError is returned by TakeLock when another run is going on.
type LockError struct {
	Path   string
	Holder Holder // zero if it has not said yet who it is
}

// Error names the process that holds the lock and its command.
func (e *LockError) Error() string {
	if e.Holder.PID == 0 {
		return fmt.Sprintf("another run on this machine holds %s; wait until it ends", e.Path)
	}
	return fmt.Sprintf("another run on this machine holds %s: process %d (%s), since %s; wait until it ends",
		e.Path, e.Holder.PID, shellLine(e.Holder.Command), e.Holder.Started.Local().Format("15:04:05"))
}

// Lock is the lock that lets one run at a time measure on a machine. The
// kernel frees it when its process ends, however that happens.
type Lock struct{ file *os.File }

// DefaultLockFile is the well-known file of the lock: in /run/lock, which is
// writable for everyone on Debian, or else in the system's temporary directory.
func DefaultLockFile() string {
	dir := "/run/lock"
	if unix.Access(dir, unix.W_OK) != nil {
		dir = os.TempDir()
	}
	return filepath.Join(dir, "orbitbench.lock")
}

// TakeLock takes the lock or returns a *LockError. stale is the holder of a
// lock that was never released, because its process was killed; nil if there
// is none.
func TakeLock(path string, holder Holder) (lock *Lock, stale *Holder, err error) {
	f, err := openLock(path)
	if err != nil {
		return nil, nil, fmt.Errorf("run lock: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	var before Holder
	known := json.NewDecoder(f).Decode(&before) == nil // an empty or foreign file names nobody
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, nil, &LockError{Path: path, Holder: before}
		}
		return nil, nil, fmt.Errorf("run lock %s: %w", path, err)
	}
	raw, err := json.Marshal(holder)
	if err != nil {
		return nil, nil, err
	}
	if err := f.Truncate(0); err != nil {
		return nil, nil, fmt.Errorf("run lock: %w", err)
	}
	if _, err := f.WriteAt(raw, 0); err != nil {
		return nil, nil, fmt.Errorf("run lock: %w", err)
	}
	if known && before.PID != 0 {
		stale = &before
	}
	return &Lock{f}, stale, nil
}

// openLock opens an existing lock file without O_CREATE first: in a sticky
// directory the kernel refuses O_CREATE on another user's file.
func openLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if !errors.Is(err, os.ErrNotExist) {
		return f, err
	}
	f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	if err := f.Chmod(0o666); err != nil { // past the umask, for other users' runs
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Release empties the file, which is how the next run knows that this one
// ended well, and frees the lock. The file stays: removing it would let two
// runs lock two files of the same name.
func (l *Lock) Release() error {
	return errors.Join(l.file.Truncate(0), l.file.Close())
}
