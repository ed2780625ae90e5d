package stats

import (
	"cmp"
	"math"
	"slices"
)

// exactUpTo is the most values of both sets for which the distribution is
// counted out; the normal distribution is close beyond it.
const exactUpTo = 60

// MannWhitney returns the two-sided p of the Mann-Whitney U test (Wilcoxon's
// rank sum): how likely ranks as unequal as these are if both sets come from one
// distribution. Equal values share the mean of their ranks. Up to 60 values the
// distribution is counted out, ties included; beyond, it is the normal one
// corrected for ties and continuity. p is 1 if a set is empty.
func MannWhitney(a, b []float64) (p float64) {
	if len(a) == 0 || len(b) == 0 {
		return 1
	}
	ranks, ties := doubledRanks(a, b)
	sum := 0
	for _, r := range ranks[:len(a)] {
		sum += r
	}
	if len(ranks) <= exactUpTo {
		return exactP(ranks, len(a), sum)
	}
	return normalP(len(a), len(b), sum, ties)
}

// doubledRanks are twice the ranks of a, then of b, in the pooled order: whole
// numbers even where values tie. ties is the sum of t^3-t over groups of t.
func doubledRanks(a, b []float64) (ranks []int, ties float64) {
	type entry struct {
		value float64
		at    int
	}
	var all []entry
	for i, v := range slices.Concat(a, b) {
		all = append(all, entry{v, i})
	}
	slices.SortFunc(all, func(x, y entry) int { return cmp.Compare(x.value, y.value) })
	ranks = make([]int, len(all))
	for i := 0; i < len(all); {
		j := i + 1
		for j < len(all) && all[j].value == all[i].value {
			j++
		}
		for k := i; k < j; k++ {
			ranks[all[k].at] = i + j + 1 // ranks i+1..j, whose mean is (i+1+j)/2
		}
		t := float64(j - i)
		ties += t*t*t - t
		i = j
	}
	return ranks, ties
}

// exactP counts the choices of n of the ranks whose sum is as far from the
// middle as sum, or farther, among all choices.
func exactP(ranks []int, n, sum int) float64 {
	total := 0
	for _, r := range ranks {
		total += r
	}
	// ways[k][s] is the number of choices of k ranks with sum s: at most the
	// binomial of 60 over 30, which a float64 holds to one part in 10^15.
	ways := make([][]float64, n+1)
	for k := range ways {
		ways[k] = make([]float64, total+1)
	}
	ways[0][0] = 1
	for i, r := range ranks {
		for k := min(i+1, n); k > 0; k-- {
			for s := total; s >= r; s-- {
				ways[k][s] += ways[k-1][s-r]
			}
		}
	}
	// Distances are compared in units of 1/len(ranks), which keeps them whole.
	far := func(s int) int { return abs(s*len(ranks) - n*total) }
	var as, all float64
	for s, w := range ways[n] {
		all += w
		if far(s) >= far(sum) {
			as += w
		}
	}
	return min(1, as/all)
}

func abs(v int) int {
	if v < 0 {
		return -v
	}
	return v
}

func normalP(n, m, doubledSum int, ties float64) float64 {
	nf, mf := float64(n), float64(m)
	all := nf + mf
	u := float64(doubledSum)/2 - nf*(nf+1)/2
	variance := nf * mf / 12 * (all + 1 - ties/(all*(all-1)))
	if variance <= 0 {
		return 1 // all values are equal
	}
	z := max(0, math.Abs(u-nf*mf/2)-0.5) / math.Sqrt(variance)
	return min(1, math.Erfc(z/math.Sqrt2))
}

// LeastP is the smallest p that MannWhitney can give for sets of n and m values:
// that of two sets which do not overlap, 2 / binomial(n+m, n).
func LeastP(n, m int) float64 {
	if n == 0 || m == 0 {
		return 1
	}
	p := 2.0
	for i := 1; i <= n; i++ {
		p *= float64(i) / float64(m+i)
	}
	return min(1, p)
}

// Holm returns the p values adjusted by Holm's step-down method, in their order:
// calling those below alpha significant keeps the chance of even one false call
// in the whole family below alpha.
func Holm(ps []float64) []float64 { return holmAmong(ps, len(ps)) }

// holmAmong is Holm where ps are some of so many questions that could have been
// asked: who is best was seen in the same trials, so every pair was a candidate.
func holmAmong(ps []float64, questions int) []float64 {
	order := make([]int, len(ps))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(ps[i], ps[j]) })
	adjusted := make([]float64, len(ps))
	highest := 0.0
	for rank, i := range order {
		highest = max(highest, min(1, ps[i]*float64(max(questions, len(ps))-rank)))
		adjusted[i] = highest
	}
	return adjusted
}
