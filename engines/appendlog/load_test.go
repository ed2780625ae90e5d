package appendlog

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orbitbench/engines"
	"orbitbench/engines/internal/index"
	"orbitbench/engines/internal/storetest"
	"orbitbench/engines/internal/vfs"
	"orbitbench/engines/lease"
)

// model is what a store should hold: version and value by keyspace and key.
type model map[engines.Keyspace]map[string]held

type held struct {
	version engines.Version
	value   string
}

var loadConfig = map[string]any{"segment_bytes": 65536, "snapshot_log_bytes": -1, "snapshot_on_close": false}

// commitRandom does one random commit and keeps m.
func (m model) commitRandom(t *testing.T, e *engine, rng *rand.Rand) {
	t.Helper()
	ctx := context.Background()
	key := fmt.Sprintf("key-%04d", rng.IntN(900))
	ks := []engines.Keyspace{engines.Leases, engines.Leases, engines.Nodes, engines.Snapshots}[rng.IntN(4)]
	was, there := m[ks][key]
	var b engines.Batch
	switch kind := rng.IntN(10); {
	case there && ks == engines.Leases && kind < 6:
		r := lease.Renewal{ExpiresAt: int64(10*time.Hour) + rng.Int64N(1e6), Now: 5}
		v, err := e.RenewLease(ctx, []byte(key), was.version, r)
		require.NoError(t, err)
		value := []byte(was.value)
		require.NoError(t, r.Patch(value))
		m[ks][key] = held{v, string(value)}
		return
	case there && kind < 8:
		b.Delete(ks, []byte(key))
		require.NoError(t, e.Apply(ctx, &b))
		delete(m[ks], key)
		return
	}
	l := lease.New("node", 1, time.Hour, make([]byte, rng.IntN(200)))
	value, err := l.AppendBinary(nil)
	require.NoError(t, err)
	if ks != engines.Leases {
		value = make([]byte, rng.IntN(300))
		if rng.IntN(40) == 0 {
			value = make([]byte, 1000+rng.IntN(400<<10)) // longer than a chunk
		}
		for i := range value {
			value[i] = byte(rng.Uint32())
		}
	}
	b.Put(ks, []byte(key), value)
	require.NoError(t, e.Apply(ctx, &b))
	m[ks][key] = held{b.Ops[0].Assigned, string(value)}
}

func (m model) checkGet(t *testing.T, get func(context.Context, engines.Keyspace, []byte, []byte) ([]byte, engines.Version, error), ks engines.Keyspace, key string) {
	t.Helper()
	value, v, err := get(context.Background(), ks, []byte(key), nil)
	want, there := m[ks][key]
	if !there {
		require.ErrorIs(t, err, engines.ErrNotFound, "%s %s", ks, key)
		return
	}
	require.NoError(t, err, "%s %s", ks, key)
	require.Equal(t, want, held{v, string(value)}, "%s %s", ks, key)
}

func (m model) checkAll(t *testing.T, e *engine) {
	t.Helper()
	n := 0
	for ks, keys := range m {
		seen := 0
		require.NoError(t, e.Scan(context.Background(), ks, nil, nil, func(key, value []byte, v engines.Version) error {
			require.Equal(t, keys[string(key)], held{v, string(value)})
			seen++
			return nil
		}))
		require.Equal(t, len(keys), seen, "%s", ks)
		n += seen
	}
	require.EqualValues(t, n, e.Stats().Records)
}

// openCold opens a store whose records stay where they are until they are asked for: its
// background work is stopped before it begins to load them. A slow machine may need
// some attempts for that.
func openCold(t *testing.T, fsys vfs.FS, d engines.Durability) *engine {
	t.Helper()
	for range 1000 {
		e := mustOpen(t, fsys, d, loadConfig)
		e.stop()
		e.background.Wait()
		if e.index.Away() == index.Stripes {
			return e
		}
		mustClose(t, e)
	}
	t.Fatal("the background work is always faster than the test")
	return nil
}

// TestRecordsComeInWhenAskedFor compares stores that are opened with a snapshot
// and a log behind it with a model, whatever is asked for first.
func TestRecordsComeInWhenAskedFor(t *testing.T) {
	seeds := uint64(12)
	if testing.Short() {
		seeds = 4
	}
	for seed := range seeds {
		rng := rand.New(rand.NewPCG(seed, 7))
		d := engines.Durability{Class: []engines.Class{engines.Sync, engines.Process}[seed%2]}
		mem := vfs.NewMem()
		m := model{engines.Leases: {}, engines.Nodes: {}, engines.Snapshots: {}}
		e := mustOpen(t, mem, d, loadConfig)
		for range 1500 {
			m.commitRandom(t, e, rng)
		}
		require.NoError(t, e.Checkpoint(context.Background()))
		mustClose(t, e)
		for round := range 4 {
			e := openCold(t, mem, d)
			require.Equal(t, index.Stripes, e.index.Away())
			if round == 1 {
				require.EqualValues(t, len(m[engines.Leases])+len(m[engines.Nodes])+len(m[engines.Snapshots]), e.Stats().Records)
			}
			var v engines.View
			if round == 2 { // the state of before comes in behind the view's back
				var err error
				v, err = e.View(context.Background())
				require.NoError(t, err)
			}
			for range 150 {
				for range 4 {
					ks := []engines.Keyspace{engines.Leases, engines.Nodes, engines.Snapshots}[rng.IntN(3)]
					m.checkGet(t, e.Get, ks, fmt.Sprintf("key-%04d", rng.IntN(900)))
					if v != nil {
						m.checkGet(t, v.Get, ks, fmt.Sprintf("key-%04d", rng.IntN(900)))
					}
				}
				if v == nil {
					m.commitRandom(t, e, rng)
				}
			}
			if v != nil {
				require.NoError(t, v.Close())
			}
			m.checkAll(t, e)
			require.Zero(t, e.index.Away(), "a scan needs all")
			mem = mem.Kill()
			mustClose(t, e)
		}
	}
}

// TestFirstReadTakesOneRecord: the first read of a stripe leaves it where it is, and
// sees what the log says of the record.
func TestFirstReadTakesOneRecord(t *testing.T) {
	mem, want := storetest.ClosedStore(t, subject, stores[0])
	e := openCold(t, mem, syncClass)
	defer mustClose(t, e)
	value, v, err := e.Get(context.Background(), engines.Leases, []byte("lease-17"), nil)
	require.NoError(t, err)
	require.Equal(t, want[fmt.Sprintf("leases/%x", "lease-17")], fmt.Sprintf("%d/%x", v, value))
	before := e.index.Away()
	require.GreaterOrEqual(t, before, index.Stripes-1)
	_, again, err := e.Get(context.Background(), engines.Leases, []byte("lease-17"), nil)
	require.NoError(t, err)
	require.Equal(t, v, again)
	require.Equal(t, index.Stripes-1, e.index.Away(), "the second read brings it in")
	_, _, err = e.Get(context.Background(), engines.Nodes, []byte("nobody"), nil)
	require.ErrorIs(t, err, engines.ErrNotFound)
}

// TestDamageMetLate: damaged records are told by the call that meets them, and by every
// call after it, and the files stay as they are.
func TestDamageMetLate(t *testing.T) {
	for _, how := range []string{"flip", "unreadable"} {
		mem, _ := storetest.ClosedStore(t, subject, stores[0])
		name := snapshotOf(t, mem)
		faulty := vfs.NewFaulty(mem)
		e := openCold(t, faulty, syncClass)
		want := engines.ErrCorrupt
		if how == "flip" {
			f, err := mem.OpenFile(name, 0)
			require.NoError(t, err)
			_, err = f.WriteAt([]byte{0xff, 0xfe}, 4096+16+40)
			require.NoError(t, err)
			require.NoError(t, f.Close())
		} else {
			faulty.Set(vfs.Fault{Op: vfs.OpRead, Name: snapshots.Prefix})
			want = nil
		}
		before := storeBytes(t, mem)
		_, err := storetest.Read(e)
		require.Error(t, err)
		var damage *engines.CorruptError
		if want != nil {
			require.ErrorIs(t, err, want)
			require.ErrorAs(t, err, &damage)
			require.Equal(t, name, damage.File)
			require.GreaterOrEqual(t, damage.Offset, int64(4096))
		}
		// Stripe by stripe the engine stops; once they all have, every kind of call says so.
		failed := func(call func() error) {
			t.Helper()
			for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
				if err = call(); errors.Is(err, engines.ErrFailed) || time.Now().After(end) {
					require.ErrorIs(t, err, engines.ErrFailed)
					return
				}
			}
		}
		failed(func() error {
			var b engines.Batch
			b.Put(engines.Nodes, []byte("n"), []byte("v"))
			return e.Apply(context.Background(), &b)
		})
		failed(func() error {
			_, _, err := e.Get(context.Background(), engines.Leases, []byte("lease-3"), nil)
			return err
		})
		require.Error(t, e.snapshot(context.Background(), false))
		mustClose(t, e)
		after := storeBytes(t, mem)
		require.Equal(t, before[name], after[name], "the snapshot is still there")
		faulty.Set()
		if how == "unreadable" {
			e := mustOpen(t, mem, syncClass, loadConfig)
			storetest.ReadAll(t, e)
			mustClose(t, e)
		}
	}
}

func snapshotOf(t *testing.T, mem *vfs.Mem) string {
	t.Helper()
	for _, f := range mem.Files() {
		if strings.HasPrefix(path.Base(f), snapshots.Prefix) {
			return f
		}
	}
	t.Fatal("there is no snapshot")
	return ""
}

func storeBytes(t *testing.T, mem *vfs.Mem) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for _, f := range mem.Files() {
		b, err := vfs.ReadFile(mem, f)
		require.NoError(t, err)
		all[f] = b
	}
	return all
}

// TestUseWhileLoading: readers and writers go on while records come in, and a store can be
// closed before they are all there.
func TestUseWhileLoading(t *testing.T) {
	mem, _ := storetest.ClosedStore(t, subject, stores[1])
	for round := range 20 {
		e := mustOpen(t, mem, engines.Durability{Class: engines.Process}, loadConfig)
		var wg sync.WaitGroup
		for w := range 4 {
			wg.Go(func() {
				for i := 0; ; i++ {
					key := fmt.Appendf(nil, "lease-%d", (i*7+w)%60)
					value, v, err := e.Get(context.Background(), engines.Leases, key, nil)
					if err == nil && w < 2 {
						_, err = e.RenewLease(context.Background(), key, v, lease.Renewal{ExpiresAt: 1 << 60, Now: 7})
					}
					if errors.Is(err, engines.ErrClosed) {
						return
					}
					if err != nil && !errors.Is(err, engines.ErrConflict) {
						t.Errorf("%s: %v, %d bytes", key, err, len(value))
						return
					}
				}
			})
		}
		if round%2 == 0 {
			require.NoError(t, e.index.LoadAll(context.Background()))
		}
		mustClose(t, e)
		wg.Wait()
	}
}
