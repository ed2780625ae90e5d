package paperlog

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"orbitbench/engines"
	"orbitbench/engines/enginetest"
)

func TestMain(m *testing.M) { enginetest.Main(m, Driver{}, Driver{Mapped: true}) }

func TestConformance(t *testing.T) {
	enginetest.RunClasses(t, Driver{}, enginetest.Options{})
}

func TestConformanceMapped(t *testing.T) {
	enginetest.RunClasses(t, Driver{Mapped: true}, enginetest.Options{Config: map[string]any{"log_bytes": 64 << 10}})
}

func TestNamesAreDistinct(t *testing.T) {
	seen := map[string]bool{}
	for _, d := range Drivers() {
		require.False(t, seen[d.Info().Name], d.Info().Name)
		seen[d.Info().Name] = true
	}
	for _, m := range All() {
		require.NotEmpty(t, m.FoundBy, m.Flaw)
		require.True(t, seen[Name+"+"+string(m.Flaw)])
	}
}

var syncClass = engines.Durability{Class: engines.Sync}

func open(t *testing.T, d Driver, dir string) (engines.Engine, error) {
	t.Helper()
	return d.Open(context.Background(), engines.Options{Dir: dir, Durability: syncClass})
}

// fill makes a store with a snapshot and a log, closed, and returns its records.
func fill(t *testing.T, d Driver, dir string) map[string]string {
	t.Helper()
	e, err := open(t, d, dir)
	require.NoError(t, err)
	want := map[string]string{}
	for i := range 60 {
		var b engines.Batch
		key, value := fmt.Sprintf("key-%02d", i%40), fmt.Sprintf("value-%d-%0*d", i, i*7, i)
		b.Put(engines.Nodes, []byte(key), []byte(value))
		require.NoError(t, e.Apply(context.Background(), &b))
		want[key] = value
		if i == 30 {
			require.NoError(t, e.(engines.Checkpointer).Checkpoint(context.Background()))
		}
	}
	require.NoError(t, e.Close())
	return want
}

func contents(e engines.Engine) (map[string]string, error) {
	all := map[string]string{}
	err := e.Scan(context.Background(), engines.Nodes, nil, nil, func(k, v []byte, _ engines.Version) error {
		all[string(k)] = string(v)
		return nil
	})
	return all, err
}

// Any bit of any file: the right data, or ErrCorrupt. The same for any truncation.
func TestDamageIsTold(t *testing.T) {
	for _, d := range []Driver{{}, {Mapped: true}} {
		dir := filepath.Join(t.TempDir(), "s")
		want := fill(t, d, dir)
		told := 0
		for _, name := range []string{currentName, logName(2), snapshotName(2)} {
			path := filepath.Join(dir, name)
			whole, err := os.ReadFile(path)
			require.NoError(t, err)
			for _, off := range sample(len(whole)) {
				for _, hurt := range [][]byte{flipped(whole, off), whole[:off]} {
					require.NoError(t, os.WriteFile(path, hurt, 0o644))
					l, err := files{dir: dir}.load()
					if err != nil {
						require.ErrorIs(t, err, engines.ErrCorrupt, "%s at %d", name, off)
						told++
						continue
					}
					require.Len(t, l.live[engines.Nodes], len(want), "%s at %d", name, off)
					for k, v := range want {
						require.Equal(t, v, string(l.live[engines.Nodes][k].value), "%s at %d", name, off)
					}
				}
			}
			require.NoError(t, os.WriteFile(path, whole, 0o644))
		}
		require.Positive(t, told)
		e, err := open(t, d, dir)
		require.NoError(t, err)
		got, err := contents(e)
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.NoError(t, e.Close())
	}
}

// sample is every offset of a small file and some of a large one.
func sample(size int) []int {
	var offs []int
	for off := 0; off < size; off += max(1, size/800) {
		offs = append(offs, off)
	}
	return offs
}

func flipped(b []byte, off int) []byte {
	c := append([]byte(nil), b...)
	c[off] ^= 1 << (off % 8)
	return c
}

// A copy of an open store is what a kill leaves: the last frame may be torn,
// and one in the middle may not.
func TestTornTailAndDamageInMidLog(t *testing.T) {
	ctx := context.Background()
	dir := filepath.Join(t.TempDir(), "s")
	e, err := open(t, Driver{}, dir)
	require.NoError(t, err)
	for i := range 20 {
		var b engines.Batch
		b.Put(engines.Nodes, fmt.Appendf(nil, "key-%02d", i), []byte("some value"))
		require.NoError(t, e.Apply(ctx, &b))
	}
	killed := filepath.Join(t.TempDir(), "killed")
	require.NoError(t, os.CopyFS(killed, os.DirFS(dir)))
	require.NoError(t, e.Close())
	log := filepath.Join(killed, logName(1))
	whole, err := os.ReadFile(log)
	require.NoError(t, err)
	current, err := os.ReadFile(filepath.Join(killed, currentName))
	require.NoError(t, err)

	for cut, want := range map[int]int{0: 20, 5: 19, 40: 19} {
		require.NoError(t, os.WriteFile(log, whole[:len(whole)-cut], 0o644))
		l, err := files{dir: killed}.load()
		require.NoError(t, err)
		require.Len(t, l.live[engines.Nodes], want, "cut by %d", cut)
	}
	require.NoError(t, os.WriteFile(log, flipped(whole, len(whole)/2), 0o644))
	_, err = files{dir: killed}.load()
	var corrupt *engines.CorruptError
	require.ErrorAs(t, err, &corrupt)
	require.Equal(t, log, corrupt.File)
	require.Positive(t, corrupt.Offset)

	// What was cut off stays away after the next commits, except where that is the flaw.
	for _, flaw := range []Flaw{Control, KeepsTornTail} {
		require.NoError(t, os.WriteFile(log, whole[:len(whole)-5], 0o644))
		for _, key := range []string{"a", "b"} {
			e, err := open(t, Driver{Flaw: flaw}, killed)
			if key == "b" && flaw == KeepsTornTail {
				require.ErrorIs(t, err, engines.ErrCorrupt)
				break
			}
			require.NoError(t, err)
			if key == "a" {
				var b engines.Batch
				b.Put(engines.Nodes, []byte(key), nil)
				b.Put(engines.Nodes, []byte("c"), nil)
				require.NoError(t, e.Apply(ctx, &b))
				require.NoError(t, e.(*engine).log.close()) // as a kill does
				require.NoError(t, e.(*engine).lock.Close())
				continue
			}
			got, err := contents(e)
			require.NoError(t, err)
			require.Len(t, got, 21, string(flaw))
			require.NoError(t, e.Close())
		}
		require.NoError(t, os.WriteFile(filepath.Join(killed, currentName), current, 0o644))
	}
}

// Each flaw that needs no crash to show is there, and the control has none of them.
func TestFlawsShow(t *testing.T) {
	ctx := context.Background()
	for _, c := range []struct {
		flaw Flaw
		want bool
	}{{Control, true}, {ReleaseReturns, false}} {
		dir := filepath.Join(t.TempDir(), "s")
		d := Driver{Flaw: c.flaw}
		e, err := open(t, d, dir)
		require.NoError(t, err)
		var b engines.Batch
		b.Put(engines.Leases, []byte("k"), nil)
		require.NoError(t, e.Apply(ctx, &b))
		b.Reset()
		b.Delete(engines.Leases, []byte("k"))
		require.NoError(t, e.Apply(ctx, &b))
		require.NoError(t, e.Close())
		e, err = open(t, d, dir)
		require.NoError(t, err)
		_, _, err = e.Get(ctx, engines.Leases, []byte("k"), nil)
		require.Equal(t, c.want, errors.Is(err, engines.ErrNotFound), "%s: %v", c.flaw, err)
		require.NoError(t, e.Close())
	}
}
