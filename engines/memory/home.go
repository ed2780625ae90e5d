package memory

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"orbitbench/engines"
)

// generationBits is the width of the part of a version that counts within one
// generation: 2^40 versions for a key, 2^24 opens for a store.
const generationBits = 40

const (
	lockName       = "LOCK"
	generationName = "GENERATION"
)

// home is the directory of an open store: its lock and its generation, a number
// that rises with each Open and is durable before the store is used.
type home struct {
	dir        string
	lock       *os.File
	previous   uint64 // generation of the store before this Open
	generation uint64
}

// openHome creates dir if it is missing, locks it and raises the generation.
func openHome(dir string) (*home, error) {
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		closeErr := lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errors.Join(fmt.Errorf("%w: %s", engines.ErrLocked, dir), closeErr)
		}
		return nil, errors.Join(fmt.Errorf("lock %s: %w", dir, err), closeErr)
	}
	h := &home{dir: dir, lock: lock}
	if err := h.raise(); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return h, nil
}

func (h *home) raise() error {
	name := filepath.Join(h.dir, generationName)
	text, err := os.ReadFile(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		h.previous = 0
	case err != nil:
		return err
	default:
		digits, ok := strings.CutSuffix(string(text), "\n")
		n, err := strconv.ParseUint(digits, 10, 64-generationBits)
		if err != nil || !ok {
			return &engines.CorruptError{File: name, Offset: 0, Reason: fmt.Sprintf("generation is %q, want a number and a newline", text)}
		}
		h.previous = n
	}
	h.generation = h.previous + 1
	if h.generation >= 1<<(64-generationBits) {
		return fmt.Errorf("%w: %s was opened %d times, versions are used up", engines.ErrFull, h.dir, h.previous)
	}
	return writeGeneration(h.dir, h.generation)
}

func writeGeneration(dir string, generation uint64) error {
	return writeFile(filepath.Join(dir, generationName), func(f *os.File) error {
		_, err := fmt.Fprintf(f, "%d\n", generation)
		return err
	})
}

// floor is below every version that this generation grants to a new record, and
// not below any that an earlier one granted.
func (h *home) floor() engines.Version {
	return engines.Version((h.generation - 1) << generationBits)
}

func (h *home) release(logf func(string, ...any)) {
	// Closing drops the lock even when it reports an error.
	if err := h.lock.Close(); err != nil {
		logf("close lock of %s: %v", h.dir, err)
	}
}

// writeFile creates or replaces a file durably: temporary name, write, sync,
// rename, sync of the directory. After an error the old file is as it was.
func writeFile(name string, write func(f *os.File) error) error {
	f, err := os.OpenFile(name+".tmp", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	if err = write(f); err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(name+".tmp", name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(name+".tmp"))
	}
	return syncDir(filepath.Dir(name))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
