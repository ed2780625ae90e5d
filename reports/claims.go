package reports

import (
	"fmt"
	"strings"

	"orbitbench/harness/result"
	"orbitbench/reports/stats"
)

// span is a range that the design note claims, in nanoseconds.
type span struct{ lo, hi float64 }

// String gives the range as the note does, both ends in the unit of the upper
// one: "0.5-2 us".
func (s span) String() string {
	u := timeUnits[0]
	for _, next := range timeUnits {
		if s.hi >= next.size {
			u = next
		}
	}
	return fmt.Sprintf("%.4g-%.4g %s", s.lo/u.size, s.hi/u.size, u.name)
}

// durationRange formats a measured range of nanoseconds: "1.02-1.10 ms". The
// unit is named once where both ends have the same.
func durationRange(lo, hi float64) string {
	lv, lu, _ := strings.Cut(duration(lo), " ")
	hv, hu, _ := strings.Cut(duration(hi), " ")
	if lu == hu {
		return lv + "-" + hv + " " + hu
	}
	return lv + " " + lu + "-" + hv + " " + hu
}

// claim is one row of the design note's table. The note gives no durability
// class, data size, load or hardware, so each range is judged in every class.
type claim struct {
	title                 string
	write, read, recovery span
	complexity, memory    string // in the note's words
}

const (
	us = 1e3
	s  = 1e9
)

// claimTable is the design note's table.
var claimTable = []claim{
	{"COW B+ tree", span{5 * us, 20 * us}, span{1 * us, 3 * us}, span{2 * s, 5 * s}, "Medium", "Low (shared)"},
	{"mmap + WAL", span{2 * us, 8 * us}, span{0.5 * us, 2 * us}, span{1 * s, 3 * s}, "Low", "Very low"},
	{"Append log", span{1 * us, 5 * us}, span{5 * us, 50 * us}, span{5 * s, 30 * s}, "Very low", "Medium"},
	{"Actor-specific", span{1 * us, 10 * us}, span{0.5 * us, 2 * us}, span{1 * s, 5 * s}, "High", "Medium"},
	{"RocksDB", span{10 * us, 50 * us}, span{2 * us, 10 * us}, span{3 * s, 10 * s}, "Low", "High"},
	{"LSM tree", span{10 * us, 50 * us}, span{2 * us, 5 * us}, span{5 * s, 15 * s}, "High", "High"},
}

// claimFor returns the row of the note's table that an engine answers for, nil
// if it answers for none. Case, blanks and a plural do not matter in its name.
func claimFor(e *result.Engine) *claim {
	name := plainName(e.Claim)
	for i := range claimTable {
		if name == plainName(claimTable[i].title) {
			return &claimTable[i]
		}
	}
	return nil
}

func plainName(s string) string {
	s = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r
		}
		return -1
	}, strings.ToLower(s))
	return strings.TrimSuffix(s, "s")
}

// verdict is how a measured figure stands to its claimed range.
type verdict struct {
	word string // inside, better, worse, at the bound, not comparable, no claim
	// factor is how many times the figure lies below the range (better) or
	// above it (worse); 0 for the other words.
	factor float64
	reason string // why it is not comparable
}

// The words of a verdict.
const (
	inside        = "inside"
	better        = "better"
	worse         = "worse"
	atBound       = "at the bound" // the interval over the trials does not tell on which side
	notComparable = "not comparable"
	noClaim       = "no claim"
)

// String gives the word with its factor: "worse 19x".
func (v verdict) String() string {
	if v.factor > 0 {
		return v.word + " " + factor(v.factor)
	}
	return v.word
}

// holds reports whether the claim's upper bound is kept.
func (v verdict) holds() bool { return v.word == inside || v.word == better }

// judged reports whether there was a claim and a figure to compare.
func (v verdict) judged() bool { return v.holds() || v.word == worse || v.word == atBound }

// judge compares a figure in nanoseconds, and its interval over the trials, with a
// claimed range: outside is what lies there with its whole interval, and by more than
// the margin that a difference takes.
func judge(ns, lo, hi float64, claimed span) verdict {
	lo, hi = min(lo, ns), max(hi, ns)
	switch {
	case hi < claimed.lo && ns*(1+stats.Margin) < claimed.lo:
		return verdict{word: better, factor: claimed.lo / ns}
	case lo > claimed.hi && ns > claimed.hi*(1+stats.Margin):
		return verdict{word: worse, factor: ns / claimed.hi}
	case claimed.lo <= lo && hi <= claimed.hi:
		return verdict{word: inside}
	}
	return verdict{word: atBound, reason: fmt.Sprintf("its interval %s meets a bound of the claim, or misses it by less than %.0f%%", durationRange(lo, hi), 100*stats.Margin)}
}

// aspect is one measured column of the note's table.
type aspect struct {
	name    string
	central string // what figure is
	key     string // of the metric that it is
	claimed func(*claim) span
	// figure is the row's central figure in nanoseconds: p50 of a latency, the
	// median of recovery times.
	figure func(*row) (float64, bool)
	// why says why a row with other figures lacks this one.
	why func(*row) string
}

var (
	writeAspect = aspect{
		"write", "p50", "write_p50", func(c *claim) span { return c.write },
		func(r *row) (float64, bool) { return p50(r, opWrite) },
		func(*row) string { return "no renewal succeeded" },
	}
	readAspect = aspect{
		"read", "p50", "read_p50", func(c *claim) span { return c.read },
		func(r *row) (float64, bool) { return p50(r, opRead) },
		func(*row) string { return "the load has no reads" },
	}
	recoveryAspect = aspect{
		"recovery", "median", "recovery", func(c *claim) span { return c.recovery },
		func(r *row) (float64, bool) { return median(r.recovery.firstRead) },
		func(r *row) string {
			if r.recovery.reason != "" {
				return r.recovery.reason
			}
			return "recovery was not in the plan of this class"
		},
	}
	aspects = []aspect{writeAspect, readAspect, recoveryAspect}
)

func p50(r *row, k opKey) (float64, bool) {
	ns, ok := r.latency(k).quantile(0.5)
	return float64(ns), ok && ns > 0
}

// verdict judges the row against the claim of its engine.
func (a aspect) verdict(r *row) verdict {
	c := claimFor(r.engine)
	if c == nil {
		return verdict{word: noClaim}
	}
	// The figure comes first: the renewals of a row may have failed while its
	// recovery was measured.
	ns, ok := a.figure(r)
	switch {
	case ok && a.name != "recovery" && r.missedRate():
		// Its latency is that of a queue: it grows with the length of the run.
		return verdict{word: notComparable, reason: "missed the rate"}
	case ok && a.name != "recovery" && r.invalid:
		return verdict{word: notComparable, reason: "not valid"}
	case ok:
		lo, hi, interval, _ := metricOf(a.key).between(r)
		if !interval {
			lo, hi = ns, ns // too few trials for one: a look
		}
		return judge(ns, lo, hi, a.claimed(c))
	case r.status != statusOK:
		return verdict{word: notComparable, reason: string(r.status)}
	}
	return verdict{word: notComparable, reason: a.why(r)}
}

// belowFloor reports whether under this durability the claimed write range
// lies wholly below the device's own median write: no engine whose
// acknowledgement waits for the device could keep it at one write a commit.
func (r *Report) belowFloor(c *claim, durability string) bool {
	floor, ok := r.floorQuantile(0.5)
	return ok && classOf(durability) == "sync" && c.write.hi < float64(floor)
}

// Claims answers in one line, for each class measured, how many of the claimed
// ranges for writes hold: the p50 is not above the range's upper bound. It
// is "" for a run in which no engine answers for a claim.
func (r *Report) Claims() string {
	var parts []string
	for _, b := range r.blocks {
		var judged, holds, below, edge int
		claimed := 0
		for _, row := range b.rows {
			c := claimFor(row.engine)
			if c == nil {
				continue
			}
			claimed++
			v := writeAspect.verdict(row)
			if v.judged() {
				judged++
				if r.belowFloor(c, b.durability) {
					below++
				}
			}
			if v.holds() {
				holds++
			}
			if v.word == atBound {
				edge++
			}
		}
		switch {
		case claimed == 0 || b.params == nil && judged == 0:
			continue
		case judged == 0:
			parts = append(parts, "none could be judged under "+r.blockName(b))
			continue
		}
		part := fmt.Sprintf("%d of %d hold under %s", holds, judged, r.blockName(b))
		if edge > 0 {
			part += fmt.Sprintf(" (%d at a bound, not told)", edge)
		}
		if floor, ok := r.floorQuantile(0.5); ok && below > 0 {
			which := "all"
			if below < judged {
				which = fmt.Sprint(below)
			}
			part += fmt.Sprintf(", where %s lie below the device's floor (p50 %s)", which, duration(float64(floor)))
		}
		parts = append(parts, part)
	}
	if len(parts) == 0 {
		return ""
	}
	by := "p50 and its interval over the trials"
	if n := r.fewestTrials(); n < stats.LeastForInterval {
		by = "p50 of " + plural(n, "trial") + ", which is a look"
	}
	return "Claimed write ranges, judged by " + by + ": " + strings.Join(parts, "; ") + "."
}

// fewestTrials is the smallest number of trials behind a row of leases.
func (r *Report) fewestTrials() int {
	n := 0
	r.eachOK(func(_ *block, row *row) {
		if n == 0 || row.trials < n {
			n = row.trials
		}
	})
	return n
}

// blockName names a block by its durability, and by its load as well where the
// run has several.
func (r *Report) blockName(b *block) string {
	for _, other := range r.blocks {
		if other.group != b.group || other != b && other.durability == b.durability {
			return b.durability + " (" + b.workload + ")"
		}
	}
	return b.durability
}
