package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMannWhitneyAgainstPublishedValues(t *testing.T) {
	// No overlap, 3 against 3: 2 of 20 orders. R: wilcox.test(1:3, 4:6) p = 0.1.
	require.InDelta(t, 0.1, MannWhitney([]float64{1, 2, 3}, []float64{4, 5, 6}), 1e-12)
	// R: wilcox.test(c(1,2,4,6), c(3,5,7,8)) W = 3, p = 0.2.
	require.InDelta(t, 0.2, MannWhitney([]float64{1, 2, 4, 6}, []float64{3, 5, 7, 8}), 1e-12)
	require.InDelta(t, 1, MannWhitney([]float64{5, 5, 5}, []float64{5, 5, 5}), 1e-12)
	require.InDelta(t, 1, MannWhitney(nil, []float64{5}), 0)
	require.InDelta(t, 2./3432, LeastP(7, 7), 1e-12)
	require.InDelta(t, MannWhitney([]float64{1, 2, 3, 4, 5, 6, 7}, []float64{8, 9, 10, 11, 12, 13, 14}), LeastP(7, 7), 1e-12)
}

// The counted distribution against every choice there is, with ties.
func TestMannWhitneyAgainstAllChoices(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		a, b := make([]float64, 2+rng.IntN(3)), make([]float64, 2+rng.IntN(4))
		for i := range a {
			a[i] = float64(rng.IntN(5))
		}
		for i := range b {
			b[i] = float64(rng.IntN(5))
		}
		ranks, _ := doubledRanks(a, b)
		mean, all, far := 0.0, 0, 0
		for _, r := range ranks {
			mean += float64(r)
		}
		mean *= float64(len(a)) / float64(len(ranks))
		distance := func(mask int) (float64, bool) {
			sum, n := 0, 0
			for i, r := range ranks {
				if mask>>i&1 == 1 {
					sum, n = sum+r, n+1
				}
			}
			return math.Abs(float64(sum) - mean), n == len(a)
		}
		own, _ := distance(1<<len(a) - 1)
		for mask := range 1 << len(ranks) {
			if d, ok := distance(mask); ok {
				all++
				if d >= own-1e-9 {
					far++
				}
			}
		}
		require.InDelta(t, float64(far)/float64(all), MannWhitney(a, b), 1e-9, "%v %v", a, b)
	}
}

func TestNormalIsCloseToExact(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 20 {
		a, b := normals(rng, 25, 0), normals(rng, 25, 0.3)
		ranks, ties := doubledRanks(a, b)
		sum := 0
		for _, r := range ranks[:25] {
			sum += r
		}
		require.InDelta(t, exactP(ranks, 25, sum), normalP(25, 25, sum, ties), 0.01)
	}
	require.InDelta(t, 1, normalP(40, 40, 40*81, 80*80*80-80), 0, "all equal")
}

func normals(rng *rand.Rand, n int, mean float64) []float64 {
	v := make([]float64, n)
	for i := range v {
		v[i] = mean + rng.NormFloat64()
	}
	return v
}

func TestHolm(t *testing.T) {
	require.InDeltaSlice(t, []float64{0.03, 0.06, 0.06, 0.02}, Holm([]float64{0.01, 0.04, 0.03, 0.005}), 1e-12)
	require.Empty(t, Holm(nil))
	require.InDeltaSlice(t, []float64{1, 1}, Holm([]float64{0.9, 0.6}), 1e-12)
}

func TestIntervals(t *testing.T) {
	same := PairedInterval(make([]float64, 7), 1)
	require.Equal(t, Estimate{}, same)
	require.True(t, same.Within(0.05))
	require.False(t, same.ExcludesZero())

	slower := PairedInterval(LogRatios([]float64{10, 11, 12, 10, 9, 10, 10}, []float64{11, 12.1, 13.2, 11, 9.9, 11, 11}), 1)
	require.InDelta(t, 0.1, Share(slower.Value), 1e-9)
	require.True(t, slower.ExcludesZero())
	require.False(t, slower.Within(0.05))

	none := PairedInterval(LogRatios([]float64{0}, []float64{1}), 1)
	require.False(t, none.ExcludesZero(), "no pair tells nothing")
	require.False(t, none.Within(0.5))
	require.False(t, Interval(nil, []float64{1}, 1).ExcludesZero())

	lo, hi, ok := MedianInterval([]float64{6, 1, 2, 5, 3, 4})
	require.True(t, ok)
	require.Equal(t, []float64{1, 6}, []float64{lo, hi}, "six values: the whole range, 96.9%")
	lo, hi, _ = MedianInterval([]float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12})
	require.Equal(t, []float64{3, 10}, []float64{lo, hi}, "twelve values: third to tenth, 96.1%")
	_, ok = Noise([]float64{1, 2, 3, 4, 5})
	require.False(t, ok)
	share, ok := Noise([]float64{-0.02, 0.01, 0, 0, 0.005, 0.01})
	require.True(t, ok)
	require.InDelta(t, math.Expm1(0.02), share, 1e-12)
}

// The intervals hold the truth about as often as they say, for trials with a
// heavy tail, as latencies have. Fixed seeds: the counts never change.
func TestIntervalsCover(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	held := map[string]int{}
	const rounds = 300
	for i := range rounds {
		a, b := make([]float64, 12), make([]float64, 12)
		for j := range a {
			shared := math.Exp(0.3 * rng.NormFloat64()) // both of a pair meet it
			a[j] = shared * math.Exp(0.05*rng.NormFloat64())
			b[j] = 1.1 * shared * math.Exp(0.05*rng.NormFloat64())
		}
		truth := math.Log(1.1)
		if e := PairedInterval(LogRatios(a, b), uint64(i)); e.Lo <= truth && truth <= e.Hi {
			held["paired"]++
		}
		if e := Interval(a, b, uint64(i)); e.Lo <= truth && truth <= e.Hi {
			held["unpaired"]++
		}
		if lo, hi, _ := MedianInterval(LogRatios(a, b)); lo <= truth && truth <= hi {
			held["median"]++
		}
	}
	for name, n := range held {
		require.Greater(t, float64(n)/rounds, 0.91, name)
	}
	require.Len(t, held, 3)
}

func TestChangePoints(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	series := slices.Concat(normals(rng, 15, 0), normals(rng, 15, 4), normals(rng, 15, 1))
	found := ChangePoints(series, 0.01, 1)
	require.Len(t, found, 2)
	require.InDelta(t, 15, found[0].Index, 1)
	require.InDelta(t, 30, found[1].Index, 2)
	require.Equal(t, found, ChangePoints(series, 0.01, 1), "the same seed, the same answer")
	require.Empty(t, ChangePoints([]float64{1, 2, 3, 4, 5}, 0.05, 1), "too short")
	require.Empty(t, ChangePoints(make([]float64, 30), 0.05, 1), "constant")
}

// Series without a change have one found in about as many as alpha says.
func TestChangePointsFalseAlarms(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	alarms := 0
	for i := range 100 {
		alarms += min(1, len(ChangePoints(normals(rng, 20, 0), 0.05, uint64(i))))
	}
	require.LessOrEqual(t, alarms, 10)
}
