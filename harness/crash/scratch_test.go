package crash

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A scratch directory is often a mount point, such as /dev/shm, and others use it as well: only
// what a killed run left there goes.
func TestRemoveScratch(t *testing.T) {
	dir := t.TempDir()
	mounted := os.Geteuid() == 0 && unix.Mount("orbitbench-test", dir, "tmpfs", 0, "size=1m") == nil
	if mounted {
		defer unix.Unmount(dir, unix.MNT_DETACH)
	}
	for _, name := range []string{"loop", "mount-1", "state-1", "fuse-1", "somebody"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, name), 0o755))
	}
	left, err := MakeScratch(dir, "cell")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(left, "store"), nil, 0o644))
	if mounted {
		disk, err := newSmallDisk(left)
		require.NoError(t, err)
		defer disk.close()
		other := filepath.Join(dir, "somebody")
		require.NoError(t, unix.Mount("orbitbench-test", other, "tmpfs", 0, "size=1m"))
		defer unix.Unmount(other, unix.MNT_DETACH)
		require.NoError(t, os.WriteFile(filepath.Join(other, "data"), nil, 0o644))
	}
	require.NoError(t, RemoveScratch(dir))
	require.NoDirExists(t, left)
	for _, name := range []string{"loop", "mount-1", "state-1", "fuse-1", "somebody"} {
		require.DirExists(t, filepath.Join(dir, name))
	}
	if mounted {
		require.FileExists(t, filepath.Join(dir, "somebody", "data"))
	}
}
