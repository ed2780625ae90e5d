package enginebench

import (
	"golang.org/x/sys/unix"

	"orbitbench/engines/internal/vfs"
)

// SteadyFS returns a disk that takes the same time for every synchronous write: each
// one is a sleep in the kernel, which is to the scheduler what waiting for a device
// is. It shows the own cost of a log or an engine where the real disk is shared with others.
func SteadyFS(fs vfs.FS) vfs.FS { return steadyFS{fs} }

type steadyFS struct{ vfs.FS }

func (s steadyFS) OpenFile(name string, flag vfs.Flag) (vfs.File, error) {
	f, err := s.FS.OpenFile(name, flag)
	if err != nil || flag&vfs.DSync == 0 {
		return f, err
	}
	return steadyFile{f}, nil
}

type steadyFile struct{ vfs.File }

func (f steadyFile) WriteAt(p []byte, _ int64) (int, error) {
	// Timer slack of up to 50 us and the wake-up come on top.
	t := unix.Timespec{Nsec: 60_000}
	for unix.Nanosleep(&t, &t) == unix.EINTR {
	}
	return len(p), nil
}
