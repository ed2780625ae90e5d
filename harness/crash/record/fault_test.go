package record

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func fileStageOf(t *testing.T, model string) FileStage {
	t.Helper()
	need(t, "file")
	s, err := NewFileStage(context.Background(), base(t), model)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func TestFaults(t *testing.T) {
	s := fileStageOf(t, Posix)
	require.NoError(t, work(t, "setup", s.Dir()))
	for _, c := range []struct {
		program string
		fault   Fault
		says    string
	}{
		{"write", Fault{Op: "write"}, syscall.EIO.Error()},
		{"write", Fault{Op: "write", Errno: syscall.ENOSPC, Path: "w"}, syscall.ENOSPC.Error()},
		{"write", Fault{Op: "fsync", Once: true}, syscall.EIO.Error()},
		{"replace", Fault{Op: "fsync", After: 1}, syscall.EIO.Error()},
		{"replace", Fault{Op: "create", Errno: syscall.ENOSPC}, syscall.ENOSPC.Error()},
		{"read", Fault{Op: "read"}, syscall.EIO.Error()},
	} {
		s.SetFault(&c.fault)
		require.ErrorContains(t, work(t, c.program, s.Dir()), c.says, "%s %+v", c.program, c.fault)
		require.Positive(t, s.Faulted(), "%s %+v", c.program, c.fault)
		s.SetFault(nil)
		require.Zero(t, s.Faulted())
		require.NoError(t, work(t, c.program, s.Dir()))
	}
	// The caller goes on after a short write, and gets the error if there is always one.
	s.SetFault(&Fault{Op: "write", Short: true, Once: true})
	require.NoError(t, work(t, "write", s.Dir()))
	require.Equal(t, 1, s.Faulted())
	s.SetFault(&Fault{Op: "write", Short: true, Errno: syscall.ENOSPC})
	require.ErrorContains(t, work(t, "write", s.Dir()), syscall.ENOSPC.Error())
	require.Greater(t, s.Faulted(), 2)
	// Another file, or one that succeeds first.
	s.SetFault(&Fault{Op: "write", Path: "other*"})
	require.NoError(t, work(t, "write", s.Dir()))
	s.SetFault(&Fault{Op: "fsync", After: 1})
	require.NoError(t, work(t, "write", s.Dir()))
	require.Zero(t, s.Faulted())
}

// What was pending when a sync failed is not made durable by a later one.
func TestFailedSyncLeavesDataLosable(t *testing.T) {
	ops := numbered(
		Op{Kind: Write, Ino: 2, Len: 1, Data: []byte("a")},
		Op{Kind: Sync, Ino: 2, Failed: true},
		Op{Kind: Write, Ino: 2, Off: 1, Len: 1, Data: []byte("b")},
		Op{Kind: Sync, Ino: 2},
	)
	for _, model := range []string{Posix, Ext4Model, disk} {
		from := durableFrom(ops, model)
		require.Equal(t, uint64(never), from[0], model)
		require.Equal(t, ops[3].End+1, from[2], model)
	}
}

// The journal holds what a store does, and the state in which nothing is lost is what it saw.
func TestRecordedOperations(t *testing.T) {
	finish := func(t *testing.T, program string) *recording {
		s := fileStageOf(t, Posix)
		require.NoError(t, work(t, program, s.Dir()))
		r, err := s.Finish(context.Background())
		require.NoError(t, err)
		return r.(*recording)
	}
	durable := func(r *recording, text string) bool {
		return slices.ContainsFunc(r.ops, func(o Op) bool {
			return o.Kind == Write && len(o.Data) >= len(text) && string(o.Data[:len(text)]) == text && r.from[o.ID-1] <= r.end
		})
	}
	t.Run("msync delivers pages", func(t *testing.T) { require.True(t, durable(finish(t, "mmap"), newText)) })
	t.Run("direct synchronous writes are durable", func(t *testing.T) { require.True(t, durable(finish(t, "direct"), newText)) })
	t.Run("locks exclude", func(t *testing.T) { finish(t, "locked") })
	t.Run("trees come back", func(t *testing.T) {
		r := finish(t, "tree")
		for _, s := range []State{{At: r.end, Model: Posix}} {
			text, exists, _ := content(t, r, s, "x/y/f")
			require.True(t, exists)
			require.Equal(t, newText[:3], text)
			text, _, _ = content(t, r, s, "x/s")
			require.Equal(t, newText[:3], text)
			_, exists, _ = content(t, r, s, "gone")
			require.False(t, exists)
		}
	})
}

// What a killed run leaves is found by its mount points and removed.
func TestClear(t *testing.T) {
	dir := filepath.Join(base(t), "stages")
	require.NoError(t, os.Mkdir(dir, 0o755))
	if err := Available(MountExt4); err == nil {
		s, err := NewBlockStage(context.Background(), dir, MountExt4)
		require.NoError(t, err)
		defer s.Close()
	} else {
		need(t, "file")
		s, err := NewFileStage(context.Background(), dir, Posix)
		require.NoError(t, err)
		defer s.Close()
	}
	points, err := mountsBelow(dir)
	require.NoError(t, err)
	require.NotEmpty(t, points)
	require.NoError(t, Clear(dir))
	points, err = mountsBelow(dir)
	require.NoError(t, err)
	require.Empty(t, points)
	require.NoDirExists(t, dir)
	require.Equal(t, "/a b", unescape(`/a\040b`))
}

// A file system that somebody mounted beside or at the directory stays.
func TestClearLeavesOthers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root")
	}
	at := base(t)
	if err := unix.Mount("orbitbench-test", at, "tmpfs", 0, "size=1m"); err != nil {
		t.Skip("no tmpfs can be mounted here: ", err)
	}
	defer unix.Unmount(at, unix.MNT_DETACH)
	for _, name := range []string{"stages", "stages2"} {
		require.NoError(t, os.Mkdir(filepath.Join(at, name), 0o755))
	}
	beside := filepath.Join(at, "stages2")
	require.NoError(t, unix.Mount("orbitbench-test", beside, "tmpfs", 0, "size=1m"))
	defer unix.Unmount(beside, unix.MNT_DETACH)
	require.NoError(t, Clear(filepath.Join(at, "stages")))
	points, err := mountsBelow(filepath.Dir(at))
	require.NoError(t, err)
	require.Subset(t, points, []string{beside, at}) // other tests have mounts beside them
}
