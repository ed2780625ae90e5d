package runner

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// A run with a lock file of its own must not take a live run's data for the
// leavings of a killed one.
func TestOccupy(t *testing.T) {
	parent := filepath.Join(t.TempDir(), "data")
	live, err := makeData(parent, false)
	require.NoError(t, err)
	removed, err := removeLeftovers(parent)
	require.NoError(t, err)
	require.Empty(t, removed, "the data of a live run was removed")
	require.DirExists(t, live.dir)

	require.NoError(t, live.occupation.End(), "as when the process is killed")
	removed, err = removeLeftovers(parent)
	require.NoError(t, err)
	require.Equal(t, []string{live.dir}, removed)
	require.NoDirExists(t, parent, "the run had made it")
}

func TestOccupyTogether(t *testing.T) {
	dir := t.TempDir()
	cleaned := 0
	clean := func() error { cleaned++; return nil }
	first, err := Occupy(dir, clean)
	require.NoError(t, err)
	second, err := Occupy(dir, clean)
	require.NoError(t, err, "a second run may be there beside the first")
	require.Equal(t, 1, cleaned, "and cleans nothing")
	require.NoError(t, first.End())
	require.NoError(t, second.End())

	broken := errors.New("broken")
	third, err := Occupy(dir, func() error { return broken })
	require.ErrorIs(t, err, broken)
	require.NoError(t, third.End(), "a directory that could not be cleaned is occupied all the same")

	_, err = Occupy(filepath.Join(dir, "none"), clean)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NoError(t, os.Remove(dir))
}
