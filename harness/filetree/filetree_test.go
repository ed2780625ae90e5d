package filetree

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCopy(t *testing.T) {
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "copy")
	require.NoError(t, os.MkdirAll(filepath.Join(from, "log"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(from, "log", "1.wal"), []byte("one"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(from, "META"), nil, 0o600))
	_, err := Copy(context.Background(), from, to)
	require.NoError(t, err)
	raw, err := os.ReadFile(filepath.Join(to, "log", "1.wal"))
	require.NoError(t, err)
	require.Equal(t, "one", string(raw))
	require.FileExists(t, filepath.Join(to, "META"))
	_, err = Copy(context.Background(), from, to)
	require.ErrorIs(t, err, os.ErrExist, "a copy goes to a new directory")
	require.NoError(t, os.Symlink("META", filepath.Join(from, "link")))
	_, err = Copy(context.Background(), from, to+"2")
	require.ErrorContains(t, err, "neither a file")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = Copy(ctx, from, to+"3")
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, Read(ctx, from), context.Canceled)
	require.NoError(t, Read(context.Background(), to))
}
