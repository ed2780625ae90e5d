package stats

import (
	"math"
	"math/rand/v2"
	"slices"
)

// ChangePoint is a place in a series where its level changes.
type ChangePoint struct {
	Index int     // of the first value after the change
	P     float64 // of the permutation test
}

const (
	leastSegment = 3   // values on each side of a change
	permutations = 999 // the smallest p is one in a thousand
)

// ChangePoints finds the changes of a series by E-divisive (Matteson and James
// 2014, with exponent 1): the split of a segment that parts it best by energy
// distance is a change if fewer than alpha of the random orders of the segment
// have a split as good; then both parts are searched. Times do not matter, and
// nothing is assumed about the distribution. The result ascends; it is the same
// for the same series and seed.
func ChangePoints(series []float64, alpha float64, seed uint64) []ChangePoint {
	rng := rand.New(rand.NewPCG(seed, uint64(len(series))))
	var found []ChangePoint
	var search func(from, to int)
	search = func(from, to int) {
		part := series[from:to]
		at, best := bestSplit(part)
		if at == 0 || best == 0 {
			return
		}
		p := splitP(rng, part, best, alpha)
		if p >= alpha {
			return
		}
		found = append(found, ChangePoint{from + at, p})
		search(from, from+at)
		search(from+at, to)
	}
	search(0, len(series))
	slices.SortFunc(found, func(a, b ChangePoint) int { return a.Index - b.Index })
	return found
}

// splitP is the share of random orders of part with a split at least as good as
// best, the true order included. It stops counting once p cannot be below alpha.
func splitP(rng *rand.Rand, part []float64, best, alpha float64) float64 {
	shuffled := slices.Clone(part)
	asGood := 1
	for range permutations {
		rng.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		if _, q := bestSplit(shuffled); q >= best*(1-1e-12) {
			if asGood++; float64(asGood) >= alpha*(permutations+1) {
				return 1
			}
		}
	}
	return float64(asGood) / (permutations + 1)
}

// bestSplit returns the split (number of values before it) with the largest
// energy statistic; 0, 0 if the part is too short.
func bestSplit(part []float64) (at int, best float64) {
	n := len(part)
	if n < 2*leastSegment {
		return 0, 0
	}
	// Moving one value from right to left changes the sums by its distances.
	var left, right, across float64
	for i := range part {
		for j := i + 1; j < n; j++ {
			right += math.Abs(part[i] - part[j])
		}
	}
	for k := 1; k < n; k++ {
		v := part[k-1]
		var toLeft, toRight float64
		for _, w := range part[:k-1] {
			toLeft += math.Abs(v - w)
		}
		for _, w := range part[k:] {
			toRight += math.Abs(v - w)
		}
		left, right, across = left+toLeft, right-toRight, across-toLeft+toRight
		m, r := float64(k), float64(n-k)
		if k < leastSegment || n-k < leastSegment {
			continue
		}
		q := m * r / (m + r) * (2*across/(m*r) - left*2/(m*(m-1)) - right*2/(r*(r-1)))
		if q > best {
			at, best = k, q
		}
	}
	return at, best
}
