package recycle

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWatch(t *testing.T) {
	dir := t.TempDir()
	write := func(name string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600))
	}
	write("000001.log")
	logged := uint64(7)
	w := New(dir, func() uint64 { return logged })
	require.False(t, w.Seen())
	write("000002.log")
	require.False(t, w.Seen(), "a new file is none that was recycled")
	require.NoError(t, os.Remove(filepath.Join(dir, "000001.log")))
	time.Sleep(20 * time.Millisecond) // birth times have the resolution of a tick
	write("000003.log")
	require.False(t, w.Seen(), "a new file with a freed inode is none that was recycled")
	require.NoError(t, os.Rename(filepath.Join(dir, "000002.log"), filepath.Join(dir, "000004.log")))
	require.True(t, w.Seen(), "a file has a new name")

	require.False(t, w.Seen())
	logged += 3
	require.False(t, w.Seen(), "three files of one byte hold what was logged")
	logged++
	require.True(t, w.Seen(), "they cannot hold that")

	empty := New(t.TempDir(), func() uint64 { return logged })
	logged += 1000
	require.False(t, empty.Seen(), "without files there is nothing to use again")
}

func TestShortFilesDoNotCount(t *testing.T) {
	dir := t.TempDir()
	name := func(n string) string { return filepath.Join(dir, n+".log") }
	require.NoError(t, os.WriteFile(name("1"), []byte("x"), 0o600))
	require.NoError(t, os.WriteFile(name("2"), []byte("longer"), 0o600))
	w := New(dir, func() uint64 { return 0 })
	require.False(t, w.Seen())
	require.NoError(t, os.Rename(name("1"), name("3")))
	require.False(t, w.Seen(), "a file that is shorter than others will grow again")
	require.NoError(t, os.Rename(name("2"), name("4")))
	require.True(t, w.Seen(), "the longest will not")
}
