package aa

import (
	"math"

	"orbitbench/reports/stats"
)

// The rule by which figures are compared (METHOD: how a figure is obtained).
const (
	alpha  = 0.05
	margin = 0.05 // the least difference that is called one; twice the noise if that is more
	// noiseLimit is the noise from which the answer is that there is none.
	noiseLimit = 0.05
)

// The verdicts of a comparison.
const (
	Different    = "different"
	Alike        = "no difference"
	Inconclusive = "inconclusive"
)

// Comparison is one set of trials against another, in pairs.
type Comparison struct {
	P       float64        `json:"p"` // Mann-Whitney, two-sided
	Ratio   stats.Estimate `json:"ratio"`
	Verdict string         `json:"verdict"`
}

// compare judges b against a. Where the noise is known it raises what counts as
// a difference, and too much of it leaves no answer. The family is one
// comparison, so that Holm's correction changes nothing.
func compare(a, b []float64, noise float64, seed uint64) Comparison {
	c := Comparison{P: stats.MannWhitney(a, b), Ratio: stats.PairedInterval(stats.LogRatios(a, b), seed), Verdict: Alike}
	effect := math.Abs(stats.Share(c.Ratio.Value))
	switch {
	case noise >= noiseLimit:
		c.Verdict = Inconclusive
	case c.P < alpha && c.Ratio.ExcludesZero() && effect > max(margin, 2*noise):
		c.Verdict = Different
	}
	return c
}

// noiseOf is what the pairs do not rule out as the difference of the same from
// itself; with too few pairs it is past every limit.
func noiseOf(a, b []float64) float64 {
	if share, ok := stats.Noise(stats.LogRatios(a, b)); ok {
		return share
	}
	return math.Inf(1)
}
