package crash

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// bed is where a store lies whose input and output can be made to fail.
type bed interface {
	dir() string
	now() uint64
	// hurt begins an ailment, heal ends it.
	hurt(a ailment, rng *rand.Rand) error
	heal() error
	// struck reports whether an operation was made to fail since hurt.
	struck() bool
	close() error
}

// bedKind makes beds.
type bedKind int

const (
	diskBed     bedKind = iota // a small file system in memory, which can be filled
	recorderBed                // a recorder, which can refuse operations
)

func (k bedKind) available() error {
	if k == recorderBed {
		return recorderAvailable()
	}
	if os.Geteuid() != 0 {
		return errors.New("a small disk to be filled needs root")
	}
	return nil
}

func (k bedKind) make(ctx context.Context, base string) (bed, error) {
	if k == recorderBed {
		return newRecorderBed(ctx, base)
	}
	return newSmallDisk(base)
}

// smallDisk is a tmpfs of its own.
type smallDisk struct {
	path    string
	stamps  atomic.Uint64
	mounted bool
}

// smallDiskBytes is room for the largest file that an engine begins with, twice.
const smallDiskBytes = 64 << 20

func newSmallDisk(base string) (*smallDisk, error) {
	path, err := os.MkdirTemp(base, "disk-")
	if err != nil {
		return nil, err
	}
	d := &smallDisk{path: path}
	if err := unix.Mount("orbitbench-crash", path, "tmpfs", 0, fmt.Sprintf("size=%d,mode=700", smallDiskBytes)); err != nil {
		return nil, errors.Join(fmt.Errorf("mount a small disk at %s: %w", path, err), os.Remove(path))
	}
	d.mounted = true
	return d, nil
}

func (d *smallDisk) dir() string  { return d.path }
func (d *smallDisk) now() uint64  { return d.stamps.Add(1) }
func (d *smallDisk) struck() bool { return false }

const fillerName = "filler"

// hurt fills the disk but for up to 128 KiB.
func (d *smallDisk) hurt(_ ailment, rng *rand.Rand) error {
	f, err := os.Create(filepath.Join(d.path, fillerName))
	if err != nil {
		return err
	}
	var st unix.Statfs_t
	if err := unix.Statfs(d.path, &st); err != nil {
		return errors.Join(err, f.Close())
	}
	n := max(int64(st.Bavail)*st.Bsize-int64(rng.IntN(128<<10)), 0)
	_, err = io.CopyN(f, zeros{}, n)
	if errors.Is(err, unix.ENOSPC) {
		err = nil // the engine was faster
	}
	return errors.Join(err, f.Close())
}

func (d *smallDisk) heal() error {
	err := os.Remove(filepath.Join(d.path, fillerName))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

func (d *smallDisk) close() error {
	if !d.mounted {
		return nil
	}
	d.mounted = false
	// A verifier of the pool may still hold a file of a store that it could not close.
	return errors.Join(unix.Unmount(d.path, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW), os.Remove(d.path))
}

// zeros is an endless file of zeros.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
