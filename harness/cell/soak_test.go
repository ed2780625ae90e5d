package cell

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orbitbench/engines"
	"orbitbench/harness/patience"
)

func testSoak(t testing.TB, config map[string]any) SoakSpec {
	t.Helper()
	s := testSpec(t, "fake", config)
	return SoakSpec{
		Engine: "fake", Durability: engines.Durability{Class: engines.Process}, Config: s.Config, Params: s.Params,
		Seconds: 1.6, CheckpointSeconds: 0.2, Seed: s.Seed, Dir: s.Dir,
	}
}

func TestSoak(t *testing.T) {
	patience.Try(t, func(t *patience.T) {
		var phases []string
		out, err := Soak(context.Background(), testSoak(t, map[string]any{"checkpoint_ms": 100}), func(p Progress) {
			if !slices.Contains(phases, p.Phase) {
				phases = append(phases, p.Phase)
			}
		})
		require.NoError(t, err)
		require.Equal(t, []string{"load", "loaded", "copy", "check"}, slices.DeleteFunc(phases, func(p string) bool { return p == "renew" }))
		require.GreaterOrEqual(t, out.Checkpoints, 2)
		require.Positive(t, out.Steady.Renewals)
		require.Positive(t, out.During.Renewals)
		require.Equal(t, out.Renewals, out.Steady.Renewals+out.During.Renewals)
		require.GreaterOrEqual(t, out.During.P99Ns, int64(2*time.Millisecond), "commits wait 2 ms while a checkpoint runs")
		require.Less(t, out.Throughput(), 0.9)
		require.Positive(t, out.Disk.AtKillBytes)
		require.Equal(t, out.Leases, out.Check.Records)
		require.Equal(t, verdictOK, out.Check.Verdict)
	})
}

// TestSoakFindsWhatIsLost: the copy is judged by what was acknowledged.
func TestSoakFindsWhatIsLost(t *testing.T) {
	for name, config := range map[string]map[string]any{
		"acknowledges before it writes": {"buffered": 1 << 20},
		"forgets a lease":               {"lose": true},
	} {
		t.Run(name, func(t *testing.T) {
			patience.Try(t, func(t *patience.T) {
				o := testSoak(t, config)
				o.CheckpointSeconds = 0
				out, err := Soak(context.Background(), o, func(Progress) {})
				require.ErrorIs(t, err, ErrSoakLost)
				require.Positive(t, out.Check.Lost)
				require.NotEmpty(t, out.Warnings, "no checkpoint ran")
			})
		})
	}
}

func TestSoakRefuses(t *testing.T) {
	patience.Try(t, func(t *patience.T) {
		for name, change := range map[string]func(*SoakSpec){
			"class none":        func(o *SoakSpec) { o.Durability.Class = engines.None },
			"no time":           func(o *SoakSpec) { o.Seconds = 0 },
			"negative schedule": func(o *SoakSpec) { o.CheckpointSeconds = -1 },
			"an engine in need": func(o *SoakSpec) { o.Config = map[string]any{"fail_after": 200} },
		} {
			o := testSoak(t, nil)
			change(&o)
			out, err := Soak(context.Background(), o, func(Progress) {})
			require.Error(t, err, name)
			require.Nil(t, out, name)
		}
	})
}

// TestSoakBuckets: a bucket's top is the highest value in it, and within 3.2%.
func TestSoakBuckets(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		v := rng.Int64() >> rng.IntN(63)
		b := bucketOf(v)
		require.Less(t, b, soakBuckets)
		top := bucketTop(b)
		if top < v || bucketOf(top) != b || float64(top-v) > float64(v)/31 {
			t.Fatalf("%d is in bucket %d, whose top %d is in bucket %d", v, b, top, bucketOf(top))
		}
	}
	require.Equal(t, 0, bucketOf(-5))
	require.Less(t, bucketOf(math.MaxInt64), soakBuckets)
}

// TestWindowsAreToldApart: what ends within a piece of work, or in the window after it, is
// counted there, however late the windows are folded.
func TestWindowsAreToldApart(t *testing.T) {
	w := newWindows()
	for i := range int64(200) {
		now := i*w.length + w.length/2
		latency := int64(1000)
		if i >= 50 && i < 62 {
			latency = 50_000
		}
		w.add(now, latency)
		w.add(now, latency)
		if i%10 == 9 {
			w.fold(now, false)
		}
	}
	w.fold(199*w.length, true)
	steady, during := w.parts([]busy{{50 * w.length, 60 * w.length}, {-5 * w.length, -1}})
	require.EqualValues(t, 24, during.Renewals)
	require.EqualValues(t, 376, steady.Renewals)
	require.InDelta(t, 12*0.02, during.Seconds, 1e-9)
	require.EqualValues(t, bucketTop(bucketOf(50_000)), during.P50Ns)
	require.EqualValues(t, bucketTop(bucketOf(1000)), steady.MaxNs)
	require.InDelta(t, 100, steady.PerS, 1e-9)
}

func TestUnitedWork(t *testing.T) {
	require.Equal(t, []busy{{0, 7}, {9, 10}}, united([]busy{{5, 7}, {9, 10}, {0, 3}, {2, 5}, {6, 6}}))
	require.Empty(t, united(nil))
}
