package reports

import "slices"

// interval is the 95% interval of the median where there are values enough, else
// from the lowest to the highest. It takes one value at least.
func interval(values []float64) (lo, hi float64) {
	if lo, hi, ok := medianInterval(values); ok {
		return lo, hi
	}
	return slices.Min(values), slices.Max(values)
}

// confidence is the level of the intervals of medians.
const confidence = 0.95

// leastForInterval is the fewest values that give an interval of that level: with
// n of them the whole range holds the median with probability 1 - 2^(1-n).
const leastForInterval = 6

// medianInterval is the distribution-free interval for the median by order
// statistics (the sign test turned round): from the k-th smallest to the k-th
// largest value, for the largest k whose interval holds the median with at least
// the probability confidence. Not ok with fewer than leastForInterval values.
func medianInterval(values []float64) (lo, hi float64, ok bool) {
	n := len(values)
	if n < leastForInterval {
		return 0, 0, false
	}
	sorted := slices.Sorted(slices.Values(values))
	// tail is the probability that fewer than k of n fair coins show heads.
	tail, term, k := 0.0, 1.0, 0
	for range n {
		term /= 2
	}
	for {
		tail += term
		if 2*tail > 1-confidence {
			break
		}
		k++
		term *= float64(n-k+1) / float64(k)
	}
	if k == 0 {
		return 0, 0, false
	}
	return sorted[k-1], sorted[n-k], true
}
