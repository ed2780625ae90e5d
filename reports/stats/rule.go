package stats

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// The numbers of the rule by which a difference counts.
const (
	Alpha       = 0.05 // chance of one false call in the whole family
	Margin      = 0.05 // smallest change that matters, as a share
	LeastTrials = 7    // a side; of fewer nothing is decided
)

// Outcome is what the rule says of one side beside the other.
type Outcome string

// The outcomes. Only Higher and Lower are differences.
const (
	Undecided  Outcome = ""           // too few trials
	Higher     Outcome = "higher"     // a difference
	Lower      Outcome = "lower"      // a difference
	Equivalent Outcome = "equivalent" // the interval lies within the margin
	Unclear    Outcome = "unclear"    // neither
)

// Decide is the rule: a difference is significant over its family, its interval
// excludes no change, and it exceeds threshold, which is at least the margin. why
// says what an unclear one lacks.
func Decide(adjustedP float64, e Estimate, margin, threshold float64) (o Outcome, why string) {
	big := math.Abs(e.Value) > math.Log1p(threshold)
	switch {
	case adjustedP < Alpha && e.ExcludesZero() && big && e.Value > 0:
		return Higher, ""
	case adjustedP < Alpha && e.ExcludesZero() && big:
		return Lower, ""
	case e.Within(margin):
		return Equivalent, ""
	case adjustedP >= Alpha:
		return Unclear, "not significant over the family"
	case !e.ExcludesZero():
		return Unclear, "the interval holds no change"
	}
	return Unclear, fmt.Sprintf("below the %.1f%% that count here", 100*threshold)
}

// Trial is one trial's value. Trials of two series that have a key in common were
// taken side by side; 0 is no key.
type Trial struct {
	Key   int
	Value float64
}

// Series is one side: its trials, and, where they may not be judged for another
// reason than their number, that reason.
type Series struct {
	Trials []Trial
	Short  string
}

// Values are the values of the trials, in their order.
func (s Series) Values() []float64 {
	out := make([]float64, len(s.Trials))
	for i, t := range s.Trials {
		out[i] = t.Value
	}
	return out
}

// lacks says why a series decides nothing, "" if it may.
func (s Series) lacks() string {
	if s.Short != "" {
		return s.Short
	}
	if n := len(s.Trials); n < LeastTrials {
		return fmt.Sprintf("%d of the %d trials that it takes", n, LeastTrials)
	}
	return ""
}

// Pairs returns the values of both sides that have a key in common.
func Pairs(a, b []Trial) (x, y []float64) {
	of := map[int]float64{}
	for _, t := range b {
		of[t.Key] = t.Value
	}
	for _, t := range a {
		if v, ok := of[t.Key]; ok && t.Key != 0 {
			x, y = append(x, t.Value), append(y, v)
		}
	}
	return x, y
}

// Floor is what a figure differs from itself by, as a share, and where that is
// known from; From is "" where it is not known.
type Floor struct {
	Share float64
	From  string
}

// leastAdjacent is the fewest pairs of neighbouring trials that may stand for a
// control: of fewer the interval spans nearly their whole range.
const leastAdjacent = 10

// NoiseFloor is the noise by the log ratios of controls, whose name stands in the
// result. Without enough of them the trials of the series stand in: each with the next one.
func NoiseFloor(controls []float64, name string, series ...[]float64) Floor {
	if share, ok := Noise(controls); ok {
		return Floor{share, fmt.Sprintf("%d A/A pairs of %s", len(controls), name)}
	}
	var ratios []float64
	for _, values := range series {
		for pair := range slices.Chunk(values, 2) {
			if len(pair) == 2 {
				ratios = append(ratios, LogRatios(pair[:1], pair[1:])...)
			}
		}
	}
	if len(ratios) < leastAdjacent {
		return Floor{}
	}
	share, _ := Noise(ratios)
	return Floor{share, fmt.Sprintf("%d pairs of neighbouring trials", len(ratios))}
}

// Difference is how one series stands to another in one figure.
type Difference struct {
	N, M     int      // trials of the first and of the second
	Pairs    int      // taken side by side; 0 where the interval is not of pairs
	P        float64  // Mann-Whitney
	Adjusted float64  // by Holm, 1 before [Settle]
	Ratio    Estimate // of the second to the first, as logarithms
	Noise    Floor
	Outcome  Outcome
	Why      string // why it is undecided or unclear
}

// Differ describes b beside a; the outcome is open until [Settle].
func Differ(a, b Series, noise Floor, seed uint64) *Difference {
	va, vb := a.Values(), b.Values()
	d := &Difference{N: len(va), M: len(vb), P: MannWhitney(va, vb), Adjusted: 1, Noise: noise}
	if x, y := Pairs(a.Trials, b.Trials); len(x) >= LeastTrials {
		d.Pairs, d.Ratio = len(x), PairedInterval(LogRatios(x, y), seed)
	} else {
		d.Ratio = Interval(va, vb, seed)
	}
	d.Why = cmp.Or(a.lacks(), b.lacks())
	return d
}

// Threshold is the smallest change that counts.
func (d *Difference) Threshold() float64 { return max(Margin, 2*d.Noise.Share) }

// Settle decides contests together, as one family: the questions that could have
// been asked of them are the pairs of all series, since which one is best was seen in
// the same trials. What lacks trials stays undecided and is not of the family.
func Settle(contests ...*Contest) {
	var judged []*Difference
	questions := 0
	for _, c := range contests {
		n := 0
		for _, d := range c.against {
			if d != nil && d.Why == "" {
				judged, n = append(judged, d), n+1
			}
		}
		questions += n * (n + 1) / 2
	}
	ps := make([]float64, len(judged))
	for i, d := range judged {
		ps[i] = d.P
	}
	for i, adjusted := range holmAmong(ps, questions) {
		d := judged[i]
		d.Adjusted = adjusted
		d.Outcome, d.Why = Decide(adjusted, d.Ratio, Margin, d.Threshold())
		if d.Outcome == Unclear && LeastP(d.N, d.M)*float64(questions) >= Alpha {
			d.Why = fmt.Sprintf("%d and %d trials cannot decide a family of %d", d.N, d.M, questions)
		}
	}
}
