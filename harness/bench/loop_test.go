package bench

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orbitbench/engines"
	"orbitbench/harness/patience"
)

type stepFunc func() (bool, error)

func (f stepFunc) step() (bool, error) { return f() }

func sleepStep() (bool, error) {
	time.Sleep(200 * time.Microsecond)
	return true, nil
}

func TestLoopCountsWhatEndsWithinTheSlice(t *testing.T) {
	patience.Try(t, func(t *patience.T) {
		for _, sampled := range []bool{false, true} {
			var steps atomic.Uint64
			step := stepFunc(func() (bool, error) {
				steps.Add(1)
				return sleepStep()
			})
			l := loop{workers: []worker{step, step}, sampled: sampled, lead: 50 * time.Millisecond, slice: 400 * time.Millisecond}
			s, err := l.run(context.Background())
			require.NoError(t, err)
			require.Less(t, s.ops, steps.Load(), "the run-in is not counted")
			require.NotZero(t, s.ops)
			require.Greater(t, s.p50, 200e3, "a sleep is never short")
			if sampled {
				require.LessOrEqual(t, s.nsPerOp*float64(s.ops), 404e6)
			} else {
				require.InEpsilon(t, 400e6, s.nsPerOp*float64(s.ops), 1e-9, "the time by operation is that of all workers together")
			}
		}
	})
}

func TestLoopOpsPerStep(t *testing.T) {
	patience.Try(t, func(t *patience.T) {
		l := loop{workers: []worker{stepFunc(sleepStep)}, opsPerStep: 64, slice: 50 * time.Millisecond}
		s, err := l.run(context.Background())
		require.NoError(t, err)
		require.Zero(t, s.ops%64)
		require.InEpsilon(t, 50e6, s.nsPerOp*float64(s.ops), 1e-9)
		require.Greater(t, s.p50, 200e3, "the latency is that of the whole step")
	})
}

func TestLoopCountsRefusalsApart(t *testing.T) {
	patience.Try(t, func(t *patience.T) {
		for _, sampled := range []bool{false, true} {
			n := 0
			step := stepFunc(func() (bool, error) { n++; return n%4 != 0, nil })
			l := loop{workers: []worker{step}, sampled: sampled, slice: 20 * time.Millisecond}
			s, err := l.run(context.Background())
			require.NoError(t, err)
			require.InDelta(t, 0.25, s.conflicts, 0.01)
		}
	})
}

func TestLoopStopsAllAtAnError(t *testing.T) {
	broken := errors.New("broken")
	n := 0
	for _, sampled := range []bool{false, true} {
		n = 0
		fails := stepFunc(func() (bool, error) {
			if n++; n > 40 {
				return false, broken
			}
			return true, nil
		})
		l := loop{workers: []worker{stepFunc(sleepStep), fails}, sampled: sampled, slice: time.Minute}
		begin := time.Now()
		_, err := l.run(context.Background())
		require.ErrorIs(t, err, broken)
		require.Less(t, time.Since(begin), 59*time.Second)
	}
}

func TestLoopTellsASliceThatIsTooShort(t *testing.T) {
	patience.Try(t, func(t *patience.T) {
		l := loop{workers: []worker{stepFunc(func() (bool, error) { time.Sleep(20 * time.Millisecond); return true, nil })}, slice: time.Millisecond}
		_, err := l.run(context.Background())
		require.ErrorContains(t, err, "longer --slice")
		require.ErrorIs(t, err, errStalled)
	})
}

func TestLoopDoesNotAllocateByItself(t *testing.T) {
	patience.Try(t, func(t *patience.T) {
		a := newActors(1000, 1, time.Now())
		m := newShardMap(a)
		w := &mapRenewer{m: m, actors: a, now: a.now, choose: newChooser(1000, nil, 1, 0)}
		l := loop{workers: []worker{w}, sampled: true, slice: 50 * time.Millisecond}
		s, err := l.run(context.Background())
		require.NoError(t, err)
		require.Less(t, s.allocs, 0.005)
		require.Zero(t, s.conflicts)
	})
}

func TestShardMapRenews(t *testing.T) {
	a := newActors(10, 1, time.Now())
	m := newShardMap(a)
	w := &mapRenewer{m: m, actors: a, now: a.now, choose: newChooser(10, nil, 1, 0)}
	for range 100 {
		done, err := w.step()
		require.NoError(t, err)
		require.True(t, done)
	}
	sum := uint64(0)
	for i := range a.slots {
		sum += a.slots[i].version.Load() - 1
	}
	require.EqualValues(t, 100, sum)
	_, err := m.renew(a.slots[0].key[:], 999, mustRenewal(a))
	require.ErrorIs(t, err, engines.ErrConflict)
	_, err = m.renew(make([]byte, keyBytes), 1, mustRenewal(a))
	require.ErrorIs(t, err, engines.ErrNotFound)
}

func TestActorsAreDecidedBySeed(t *testing.T) {
	now := time.Unix(1, 0)
	a, b, c := newActors(100, 7, now), newActors(100, 7, now), newActors(100, 8, now)
	keys := map[string]bool{}
	for i := range a.slots {
		require.Equal(t, a.slots[i].key, b.slots[i].key)
		require.NotEqual(t, a.slots[i].key, c.slots[i].key)
		require.Equal(t, actorType, string(a.slots[i].key[16:]))
		keys[string(a.slots[i].key[:])] = true
	}
	require.Len(t, keys, 100)
	require.Len(t, a.record(), recordBytes)
	require.Len(t, actorType, 12)
}

func TestChooserCoversActors(t *testing.T) {
	const n = 1000
	zipf := zipfList(n, 1.2, 3)
	for _, list := range [][]uint32{nil, zipf} {
		counts := make([]int, n)
		c := newChooser(n, list, 3, 0)
		for range 100 * n {
			counts[c.draw()]++
		}
		most := 0
		for _, k := range counts {
			most = max(most, k)
		}
		if list == nil {
			require.Less(t, most, 200, "uniform draws are spread evenly")
		} else {
			require.Greater(t, most, 5000, "zipf draws have a hot actor")
		}
	}
}

func TestOthersAreSeen(t *testing.T) {
	busy, err := parseMachineTime("cpu  100 20 30 4000 500 6 7 8 9 10\ncpu0 1")
	require.NoError(t, err)
	require.Equal(t, (100+20+30+6+7+8)*10*time.Millisecond, busy)
	for _, text := range []string{"", "intr 1 2", "cpu 1 2 3", "cpu a b c d e f g h i j"} {
		_, err := parseMachineTime(text)
		require.Error(t, err, text)
	}
	require.Contains(t, (&others{}).verdict(), "not known")
	require.NotContains(t, (&others{shares: []float64{0.01, 0.3, 0.02}}).verdict(), "DOUBTFUL")
	require.Contains(t, (&others{shares: []float64{0.01, 0.3, 0.2}}).verdict(), "DOUBTFUL")
	var o others
	o.start()
	o.stop()
	require.Len(t, o.shares, 1)
}
