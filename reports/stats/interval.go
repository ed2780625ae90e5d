package stats

import (
	"math"
	"math/rand/v2"
	"slices"
)

// Level is the confidence of all intervals.
const Level = 0.95

// resamples is how many times a bootstrap draws: enough that the ends of an
// interval are steady in their second digit.
const resamples = 4000

// Estimate is a value with its interval, as logarithms of a ratio.
type Estimate struct{ Value, Lo, Hi float64 }

// Within reports whether the whole interval lies within margin of no change;
// margin is a share such as 0.05.
func (e Estimate) Within(margin float64) bool {
	bound := math.Log1p(margin)
	return -bound <= e.Lo && e.Hi <= bound
}

// ExcludesZero reports whether no change lies outside the interval.
func (e Estimate) ExcludesZero() bool { return e.Lo > 0 || e.Hi < 0 }

// Share turns a logarithm of a ratio into a change: 0.1 is 10% more.
func Share(logRatio float64) float64 { return math.Expm1(logRatio) }

// LogRatios are the logarithms of b[i]/a[i]. Pairs with a value that is not
// positive, which has no logarithm, are left out; so are those without a partner.
func LogRatios(a, b []float64) []float64 {
	var out []float64
	for i := range min(len(a), len(b)) {
		if a[i] > 0 && b[i] > 0 {
			out = append(out, math.Log(b[i]/a[i]))
		}
	}
	return out
}

// PairedInterval estimates the ratio of pairs that were taken side by side: the
// median of their logarithms, with its percentile bootstrap interval. What both
// of a pair met (a slow minute of the machine) cancels out.
func PairedInterval(logRatios []float64, seed uint64) Estimate {
	if len(logRatios) == 0 {
		return Estimate{0, math.Inf(-1), math.Inf(1)}
	}
	rng := rand.New(rand.NewPCG(seed, uint64(len(logRatios))))
	draw := make([]float64, len(logRatios))
	return bootstrap(Median(logRatios), func() float64 {
		resample(rng, draw, logRatios)
		return medianInPlace(draw)
	})
}

// Interval estimates the ratio of b to a where their trials are not pairs: that
// of the medians. Values must be positive.
func Interval(a, b []float64, seed uint64) Estimate {
	la, lb := logs(a), logs(b)
	if len(la) == 0 || len(lb) == 0 {
		return Estimate{0, math.Inf(-1), math.Inf(1)}
	}
	rng := rand.New(rand.NewPCG(seed, uint64(len(la)+len(lb))))
	da, db := make([]float64, len(la)), make([]float64, len(lb))
	return bootstrap(Median(lb)-Median(la), func() float64 {
		resample(rng, da, la)
		resample(rng, db, lb)
		return medianInPlace(db) - medianInPlace(da)
	})
}

func logs(values []float64) []float64 {
	var out []float64
	for _, v := range values {
		if v > 0 {
			out = append(out, math.Log(v))
		}
	}
	return out
}

func bootstrap(value float64, draw func() float64) Estimate {
	drawn := make([]float64, resamples)
	for i := range drawn {
		drawn[i] = draw()
	}
	slices.Sort(drawn)
	cut := int(math.Floor((1 - Level) / 2 * resamples))
	return Estimate{value, drawn[cut], drawn[resamples-1-cut]}
}

func resample(rng *rand.Rand, dst, from []float64) {
	for i := range dst {
		dst[i] = from[rng.IntN(len(from))]
	}
}

// Median is the middle value, 0 of none.
func Median(values []float64) float64 { return medianInPlace(slices.Clone(values)) }

func medianInPlace(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	slices.Sort(v)
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// LeastForInterval is the fewest values that give a [MedianInterval].
const LeastForInterval = 6

// MedianInterval is the interval for a median by order statistics, without any
// assumption about the distribution: from the k-th smallest to the k-th largest
// value, with the largest k that keeps the confidence. ok is false with fewer
// than LeastForInterval values.
func MedianInterval(values []float64) (lo, hi float64, ok bool) {
	n := len(values)
	if n < LeastForInterval {
		return 0, 0, false
	}
	sorted := slices.Sorted(slices.Values(values))
	// below is the probability that at most k of n fair coins show heads.
	term := math.Pow(0.5, float64(n))
	below, k := term, 0
	for 2*below <= 1-Level {
		k++
		term *= float64(n-k+1) / float64(k)
		below += term
	}
	return sorted[k-1], sorted[n-k], true
}

// Noise is the largest change, as a share, that these log ratios of pairs of the
// same thing do not rule out: the end of the interval of their median that lies
// further from no change. ok is false with too few of them.
func Noise(logRatios []float64) (share float64, ok bool) {
	lo, hi, ok := MedianInterval(logRatios)
	if !ok {
		return 0, false
	}
	return math.Expm1(max(math.Abs(lo), math.Abs(hi))), true
}
