package restore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"orbitbench/engines"
	"orbitbench/engines/bbolt"
	"orbitbench/engines/memory"
	"orbitbench/engines/pebble"
)

var background = context.Background()

// snapshotOf makes a store with n records and a snapshot of it.
func snapshotOf(t *testing.T, d engines.Driver, n int) string {
	t.Helper()
	dir := t.TempDir()
	e, err := d.Open(background, engines.Options{Dir: filepath.Join(dir, "store"), Durability: engines.Durability{Class: weakest(d)}})
	require.NoError(t, err)
	var b engines.Batch
	for i := range n {
		b.Put(engines.Nodes, fmt.Appendf(nil, "key-%04d", i), bytes.Repeat([]byte{byte(i)}, 100))
	}
	require.NoError(t, e.Apply(background, &b))
	copied := filepath.Join(dir, "snapshot")
	require.NoError(t, e.(engines.Snapshotter).Snapshot(background, copied))
	require.NoError(t, e.Close())
	return copied
}

func count(t *testing.T, d engines.Driver, dir string) (n int) {
	t.Helper()
	e, err := d.Open(background, engines.Options{Dir: dir, Durability: engines.Durability{Class: weakest(d)}})
	require.NoError(t, err)
	require.NoError(t, e.Scan(background, engines.Nodes, nil, nil, func(_, _ []byte, _ engines.Version) error { n++; return nil }))
	require.NoError(t, e.Close())
	return n
}

// contents lists what is in a directory, names beside bytes.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		all[path] = string(raw)
		return err
	}))
	return all
}

func TestRestore(t *testing.T) {
	for _, d := range []engines.Driver{bbolt.Driver{}, pebble.Driver{}, memory.Driver{}} {
		t.Run(d.Info().Name, func(t *testing.T) {
			from := snapshotOf(t, d, 300)
			before := contents(t, from)
			parent := t.TempDir()
			missing, empty := filepath.Join(parent, "missing"), filepath.Join(parent, "empty")
			require.NoError(t, os.Mkdir(empty, 0o755))
			for _, to := range []string{missing, empty} {
				stages := map[string]bool{}
				r, err := Restore(background, Options{Driver: d, From: from, To: to, Progress: func(stage string, done, total int64) {
					stages[stage] = true
					require.True(t, total == 0 || done <= total, "%s: %d of %d", stage, done, total)
				}})
				require.NoError(t, err)
				require.EqualValues(t, 300, r.Records)
				require.Equal(t, len(before), r.Files)
				require.Equal(t, map[string]bool{"verify": true, "copy": true}, stages)
				require.Equal(t, 300, count(t, d, to))
			}
			require.Equal(t, before, contents(t, from), "the snapshot is as it was")
			left, err := os.ReadDir(parent)
			require.NoError(t, err)
			require.Len(t, left, 2, "nothing is left beside the stores")
		})
	}
}

func TestRefusesTargets(t *testing.T) {
	from := snapshotOf(t, bbolt.Driver{}, 10)
	parent := t.TempDir()
	file, full := filepath.Join(parent, "file"), filepath.Join(parent, "full")
	require.NoError(t, os.WriteFile(file, []byte("mine"), 0o600))
	require.NoError(t, os.MkdirAll(filepath.Join(full, "mine"), 0o755))
	before := contents(t, parent)
	for _, to := range []string{file, full, filepath.Join(parent, "no", "parent"), filepath.Join(file, "below"), filepath.Join(from, "within"), from} {
		_, err := Restore(background, Options{Driver: bbolt.Driver{}, From: from, To: to})
		require.ErrorIs(t, err, ErrTarget, to)
	}
	require.Equal(t, before, contents(t, parent))
	for _, from := range []string{filepath.Join(parent, "none"), file} {
		_, err := Restore(background, Options{Driver: bbolt.Driver{}, From: from, To: filepath.Join(parent, "to")})
		require.ErrorContains(t, err, "the snapshot")
	}
}

// Damage is told with the file of the snapshot, and nothing is left behind,
// whether the engine has a verifier (pebble) or not (memory).
func TestTellsDamage(t *testing.T) {
	for _, d := range []engines.Driver{pebble.Driver{}, memory.Driver{}} {
		t.Run(d.Info().Name, func(t *testing.T) {
			from := snapshotOf(t, d, 300)
			largest, size := "", 0
			for path, raw := range contents(t, from) {
				if filepath.Ext(path) != ".log" && len(raw) > size {
					largest, size = path, len(raw)
				}
			}
			raw, err := os.ReadFile(largest)
			require.NoError(t, err)
			raw[len(raw)/3] ^= 0x20
			require.NoError(t, os.WriteFile(largest, raw, 0o600))
			parent := t.TempDir()
			_, err = Restore(background, Options{Driver: d, From: from, To: filepath.Join(parent, "to")})
			var damage *engines.CorruptError
			require.True(t, errors.As(err, &damage), "%v", err)
			require.Contains(t, damage.File, from)
			left, err := os.ReadDir(parent)
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}
}

func TestCancelled(t *testing.T) {
	from := snapshotOf(t, bbolt.Driver{}, 300)
	parent := t.TempDir()
	for _, at := range []string{"verify", "copy"} {
		ctx, cancel := context.WithCancel(background)
		_, err := Restore(ctx, Options{Driver: bbolt.Driver{}, From: from, To: filepath.Join(parent, "to"), Progress: func(stage string, _, _ int64) {
			if stage == at {
				cancel()
			}
		}})
		require.ErrorIs(t, err, context.Canceled, at)
		left, err := os.ReadDir(parent)
		require.NoError(t, err)
		require.Empty(t, left)
		cancel()
	}
}

// A target that comes to be while the copy is made is not written over.
func TestTargetAppears(t *testing.T) {
	from := snapshotOf(t, bbolt.Driver{}, 10)
	to := filepath.Join(t.TempDir(), "to")
	_, err := Restore(background, Options{Driver: bbolt.Driver{}, From: from, To: to, Progress: func(stage string, _, _ int64) {
		if stage == "copy" {
			require.NoError(t, os.MkdirAll(filepath.Join(to, "mine"), 0o755))
		}
	}})
	require.ErrorIs(t, err, ErrTarget)
	require.DirExists(t, filepath.Join(to, "mine"))
}

func TestRefusesWhatIsNoFile(t *testing.T) {
	from := snapshotOf(t, bbolt.Driver{}, 10)
	require.NoError(t, os.Symlink("/etc/passwd", filepath.Join(from, "link")))
	_, err := Restore(background, Options{Driver: bbolt.Driver{}, From: from, To: filepath.Join(t.TempDir(), "to")})
	require.ErrorContains(t, err, "no regular file")
}
