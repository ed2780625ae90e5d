package aa

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"orbitbench/reports/stats"
)

// demanded is the share of repetitions that must give the right answer: 19 of 20.
const demanded = 0.95

// counts of the repetitions.
type counts struct{ total, called, found, missed, undecided int }

func (r *Result) count() (n counts) {
	for _, rep := range r.Repetitions {
		n.total++
		if rep.Same.Verdict == Different {
			n.called++
		}
		switch rep.Slowed.Verdict {
		case Inconclusive:
			n.undecided++
		case Different:
			n.found++
		default:
			n.missed++
		}
	}
	return n
}

// The outcomes of a Result.
const (
	Passed    = "passed"
	Failed    = "failed"
	Undecided = "undecided" // too noisy for any repetition to decide
)

// Outcome is whether the machine and the rule hold what is demanded: of an
// engine and itself no difference in 19 of 20 repetitions, of an engine and its
// slower self one in 19 of 20 of those that were quiet enough to tell.
func (r *Result) Outcome() string {
	n := r.count()
	decided := n.found + n.missed
	switch {
	case float64(n.called) > (1-demanded)*float64(n.total)+1e-9:
		return Failed
	case decided == 0:
		return Undecided
	case float64(n.found) < demanded*float64(decided)-1e-9:
		return Failed
	}
	return Passed
}

// String is one repetition in a line.
func (r Repetition) String() string {
	return fmt.Sprintf("noise %s; itself %s, %s; slowed %s, %s", share(r.Noise), effect(r.Same), r.Same.Verdict, effect(r.Slowed), r.Slowed.Verdict)
}

func share(v float64) string {
	if math.IsInf(v, 0) {
		return "not known"
	}
	return fmt.Sprintf("%.1f%%", 100*v)
}

func effect(c Comparison) string { return fmt.Sprintf("%+.1f%%", 100*stats.Share(c.Ratio.Value)) }

// String says what was found.
func (r *Result) String() string {
	n := r.count()
	var noise, same, slowed []float64
	for _, rep := range r.Repetitions {
		noise = append(noise, rep.Noise)
		same = append(same, math.Abs(stats.Share(rep.Same.Ratio.Value)))
		slowed = append(slowed, stats.Share(rep.Slowed.Ratio.Value))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s, class %s: p50 of renewals %.0f ns; %d repetitions of %d interleaved trials a side\n", r.Engine, r.Durability, r.P50Ns, n.total, r.Trials)
	fmt.Fprintf(&b, "noise            median %s, most %s\n", share(stats.Median(noise)), share(slices.Max(noise)))
	fmt.Fprintf(&b, "against itself   called different in %d of %d (allowed %d); median difference %s\n",
		n.called, n.total, int((1-demanded)*float64(n.total)+1e-9), share(stats.Median(same)))
	fmt.Fprintf(&b, "slowed by %s  found in %d of %d that could tell (demanded %d); %d inconclusive (noise of %s and more); median difference %s, %.0f ns in each call\n",
		share(r.Slowdown), n.found, n.found+n.missed, int(math.Ceil(demanded*float64(n.found+n.missed)-1e-9)), n.undecided, share(noiseLimit), share(stats.Median(slowed)), r.DelayNs)
	fmt.Fprintf(&b, "%s\n", r.Outcome())
	return b.String()
}
