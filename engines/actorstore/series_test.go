package actorstore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"orbitbench/engines"
	"orbitbench/engines/internal/storetest"
	"orbitbench/engines/internal/vfs"
	"orbitbench/engines/lease"
	"orbitbench/harness/patience"
)

// modelPoint is what the model knows of a key of TimeSeries.
type modelPoint struct {
	value   string
	version engines.Version
}

type seriesModel map[string]modelPoint

// keys returns those of [from, to) in order.
func (m seriesModel) keys(from, to string) []string {
	keys := slices.Sorted(maps.Keys(m))
	return slices.DeleteFunc(keys, func(k string) bool { return k < from || to != "" && k >= to })
}

// sameAs compares a reader with the model, key by key and in ranges.
func (m seriesModel) sameAs(t *testing.T, rng *rand.Rand, g interface {
	Get(ctx context.Context, ks engines.Keyspace, key, dst []byte) ([]byte, engines.Version, error)
	Scan(ctx context.Context, ks engines.Keyspace, from, to []byte, yield func(key, value []byte, v engines.Version) error) error
}) {
	t.Helper()
	ctx := context.Background()
	for k, p := range m {
		got, v, err := g.Get(ctx, engines.TimeSeries, []byte(k), []byte("before "))
		if err != nil || string(got) != "before "+p.value || v != p.version {
			t.Fatalf("Get %q: %q at version %d, %v, want %q at %d", k, got, v, err, p.value, p.version)
		}
	}
	all := m.keys("", "")
	for i := range 12 {
		from, to := "", ""
		if i > 0 && len(all) > 0 {
			from = all[rng.IntN(len(all))]
		}
		if i%2 == 1 && len(all) > 0 {
			to = all[rng.IntN(len(all))]
		}
		if i%5 == 4 {
			from += "\x00" // behind the key
		}
		want := m.keys(from, to)
		var end []byte
		if to != "" {
			end = []byte(to)
		}
		n := 0
		err := g.Scan(ctx, engines.TimeSeries, []byte(from), end, func(key, value []byte, v engines.Version) error {
			if n >= len(want) || string(key) != want[n] || string(value) != m[want[n]].value || v != m[want[n]].version {
				return fmt.Errorf("record %d of the range is %q, want of %d", n, key, len(want))
			}
			n++
			return nil
		})
		if err != nil || n != len(want) {
			t.Fatalf("Scan from %q to %q: %d records, %v, want %d", from, to, n, err, len(want))
		}
	}
}

// TestSeriesModel puts points in and out of order, again, and beside keys that
// are none, seals, opens views, and reopens, and compares with a map.
func TestSeriesModel(t *testing.T) {
	ctx := context.Background()
	for _, class := range []engines.Class{engines.Process, engines.Interval, engines.Sync} {
		seed := patience.Seed(t)
		t.Logf("class %s, seed %d", class, seed)
		rng := rand.New(rand.NewPCG(seed, 1))
		mem := vfs.NewMem()
		config := map[string]any{"segment_bytes": 65536, "checkpoint_log_bytes": -1}
		e := mustOpen(t, mem, storetest.DurabilityOf(class), config)
		model := seriesModel{}
		for round := range 8 {
			for range 80 {
				var b engines.Batch
				metric := fmt.Sprintf("m%c", 'a'+rng.IntN(3))
				for j := range 1 + rng.IntN(6) {
					at := int64(round*1000 + rng.IntN(1200))
					key := lease.AppendPointKey(nil, metric, at*10+int64(j))
					if rng.IntN(12) == 0 {
						key = fmt.Appendf(nil, "ma\x00no point %d.%d", rng.IntN(20), j)
					}
					p := somePoints(t, rng, 1)[0]
					if old, ok := model[string(key)]; ok || rng.IntN(3) == 0 {
						b.Require(engines.TimeSeries, key, old.version)
					}
					b.Put(engines.TimeSeries, key, p.value)
				}
				require.NoError(t, e.Apply(ctx, &b))
				for _, o := range b.Ops {
					if old, ok := model[string(o.Key)]; ok {
						require.Equal(t, old.version+1, o.Assigned, "%q", o.Key)
					}
					model[string(o.Key)] = modelPoint{string(o.Value), o.Assigned}
				}
			}
			model.sameAs(t, rng, e)
			view, err := e.View(ctx)
			require.NoError(t, err)
			then := maps.Clone(model)
			require.NoError(t, e.Checkpoint(ctx), "with a view open")
			for key := range model {
				v := put(t, e, engines.TimeSeries, key, "after the view")
				model[key] = modelPoint{"after the view", v}
				if rng.IntN(3) > 0 {
					break
				}
			}
			then.sameAs(t, rng, view)
			require.NoError(t, view.Close())
			model.sameAs(t, rng, e)
			require.NoError(t, e.Checkpoint(ctx))
			require.Positive(t, e.series.points.Load())
			model.sameAs(t, rng, e)
			require.EqualValues(t, len(model), e.Stats().Records)
			if round%2 == 1 {
				mustClose(t, e)
				e = mustOpen(t, mem, storetest.DurabilityOf(class), config)
				model.sameAs(t, rng, e)
				require.EqualValues(t, len(model), e.Stats().Records)
			}
		}
		var b engines.Batch
		key := []byte(model.keys("", "")[0])
		b.Require(engines.TimeSeries, key, 0)
		require.ErrorIs(t, e.Apply(ctx, &b), engines.ErrConflict, "a sealed point exists")
		require.Equal(t, model[string(key)].version, conflictHave(t, e, key))
		mustClose(t, e)
	}
}

func conflictHave(t *testing.T, e *engine, key []byte) engines.Version {
	t.Helper()
	var b engines.Batch
	b.Require(engines.TimeSeries, key, 1<<50)
	var c *engines.ConflictError
	require.True(t, errors.As(e.Apply(context.Background(), &b), &c))
	return c.Have
}

// TestFirstSealDuringAScan: points that move into the first blocks while a scan
// is between two batches of keys are not missed.
func TestFirstSealDuringAScan(t *testing.T) {
	e := mustOpen(t, vfs.NewMem(), engines.Durability{Class: engines.Process}, map[string]any{"segment_bytes": 1 << 20, "checkpoint_log_bytes": -1})
	const n = 200
	for i := range n {
		putPoint(t, e, "m", int64(i), 1)
	}
	seen := 0
	err := e.Scan(context.Background(), engines.TimeSeries, nil, nil, func(_, _ []byte, _ engines.Version) error {
		if seen++; seen != 10 {
			return nil
		}
		sealed := make(chan error)
		go func() { sealed <- e.Checkpoint(context.Background()) }()
		return <-sealed
	})
	require.NoError(t, err)
	require.Equal(t, n, seen)
	require.EqualValues(t, n, e.series.points.Load())
	mustClose(t, e)
}

// TestSealingUnderReaders: while points are appended and sealed, a scan meets
// every point that was there when it began exactly once.
func TestSealingUnderReaders(t *testing.T) {
	e := mustOpen(t, vfs.NewMem(), engines.Durability{Class: engines.Process}, map[string]any{"segment_bytes": 1 << 20, "checkpoint_log_bytes": -1, "checkpoint_share": 1})
	const n = 4000
	var wg sync.WaitGroup
	stop := make(chan struct{})
	var mu sync.Mutex
	acked := 0
	wg.Go(func() {
		for i := range n {
			putPoint(t, e, fmt.Sprintf("m%d", i%2), int64(i), float64(i))
			mu.Lock()
			acked = i + 1
			mu.Unlock()
		}
		close(stop)
	})
	wg.Go(func() {
		for running := true; running; {
			select {
			case <-stop:
				running = false
			default:
			}
			if err := e.Checkpoint(context.Background()); err != nil {
				t.Error(err)
			}
		}
	})
	for running := true; running; {
		select {
		case <-stop:
			running = false
		default:
		}
		mu.Lock()
		least := acked
		mu.Unlock()
		seen, last := 0, ""
		err := e.Scan(context.Background(), engines.TimeSeries, nil, nil, func(key, _ []byte, _ engines.Version) error {
			if string(key) <= last {
				return fmt.Errorf("%q after %q", key, last)
			}
			last = string(key)
			seen++
			return nil
		})
		if err != nil || seen < least {
			t.Fatalf("scan of %d points, %v, want at least %d", seen, err, least)
		}
	}
	wg.Wait()
	mustClose(t, e)
}
