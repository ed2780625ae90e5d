package appendlog

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"orbitbench/engines"
	"orbitbench/engines/internal/index"
	"orbitbench/engines/internal/vfs"
)

// openKilled opens, without its background work, a copy of a store whose only file with records is its log.
func openKilled(t *testing.T) *engine {
	t.Helper()
	config := map[string]any{"segment_bytes": 1 << 20, "snapshot_on_close": false}
	options := func(dir string) engines.Options {
		return engines.Options{Dir: dir, Durability: engines.Durability{Class: engines.Process}, Config: config, Logf: t.Logf}
	}
	dir := filepath.Join(t.TempDir(), "store")
	e, err := open(context.Background(), vfs.OS, options(dir))
	require.NoError(t, err)
	for i := range 4000 {
		var b engines.Batch
		b.Put(engines.Nodes, []byte{byte(i >> 8), byte(i), 'k'}, make([]byte, 500))
		require.NoError(t, e.Apply(context.Background(), &b))
	}
	for range 1000 { // a slow machine may need some attempts
		killed := filepath.Join(t.TempDir(), "killed")
		require.NoError(t, os.CopyFS(killed, os.DirFS(dir)))
		k, err := open(context.Background(), vfs.OS, options(killed))
		require.NoError(t, err)
		k.stop()
		k.background.Wait()
		if k.index.Away() == index.Stripes {
			mustClose(t, e)
			return k
		}
		mustClose(t, k)
		require.NoError(t, os.RemoveAll(killed))
	}
	t.Fatal("the background work is always faster than the test")
	return nil
}

// TestLogCutWhileItIsRead: a segment that somebody cuts off before its operations have been read again
// is a CorruptError that names it, and no SIGBUS.
func TestLogCutWhileItIsRead(t *testing.T) {
	e := openKilled(t)
	defer e.Close()
	segments, err := filepath.Glob(e.path(logName) + "/*.wal")
	require.NoError(t, err)
	for _, s := range segments {
		require.NoError(t, os.Truncate(s, 4096))
	}
	_, _, err = e.Get(context.Background(), engines.Nodes, []byte{0, 7, 'k'}, nil)
	var damage *engines.CorruptError
	require.ErrorAs(t, err, &damage)
	require.Contains(t, segments, damage.File)
	require.GreaterOrEqual(t, damage.Offset, int64(4096))
	_, _, err = e.Get(context.Background(), engines.Nodes, []byte{0, 7, 'k'}, nil)
	require.ErrorIs(t, err, engines.ErrFailed)
}

// TestLogIsReadAgainAfterOpen: everything that a killed store's log says is there, whatever is asked for first, and
// the log is let go of when all of it is in memory.
func TestLogIsReadAgainAfterOpen(t *testing.T) {
	e := openKilled(t)
	defer mustClose(t, e)
	for i := 3999; i >= 0; i -= 7 {
		value, _, err := e.Get(context.Background(), engines.Nodes, []byte{byte(i >> 8), byte(i), 'k'}, nil)
		require.NoError(t, err)
		require.Len(t, value, 500)
	}
	require.EqualValues(t, 4000, e.Stats().Records)
	require.Zero(t, e.index.Away())
	require.NoError(t, e.snapshot(context.Background(), false))
}
