package capacity

import (
	"math"
	"slices"
)

// Trial is one confirmation: a rate with all its leases loaded.
type Trial struct {
	RatePerS float64
	Kept     bool
}

// Ladder says which rate to confirm next. Its rungs are Start times powers of
// 1+Step.
type Ladder struct {
	StartPerS     float64 // where the search ended; 0 if it kept nothing
	BoundPerS     float64 // no rung lies above
	Step          float64 // 0.1: rungs 10% apart
	Confirmations int     // trials of a rung, of which the most must agree; 1 or more
	MaxTrials     int     // of all rungs together
}

// Standing is how a rung stands.
type Standing struct {
	RatePerS     float64
	Kept, Missed int
}

// confirmed and refuted are decided once the majority of Confirmations cannot
// change any more.
func (l Ladder) confirmed(s Standing) bool { return 2*s.Kept > l.Confirmations }
func (l Ladder) refuted(s Standing) bool   { return 2*s.Missed >= l.Confirmations }

// Next is the rate to try after these trials, in any order; not ok at the end.
func (l Ladder) Next(trials []Trial) (ratePerS float64, ok bool) {
	if !(l.StartPerS > 0) || len(trials) >= l.MaxTrials {
		return 0, false
	}
	rungs := l.standings(trials)
	if len(rungs) == 0 {
		return l.rung(0), true
	}
	for _, s := range rungs { // finish a rung before the next
		if !l.confirmed(s) && !l.refuted(s) {
			return s.RatePerS, true
		}
	}
	best, worst := l.bracket(rungs)
	stride := 1 << min(len(rungs)-1, maxDoublings) // further each time that nothing has turned yet
	switch {
	case best == 0:
		return l.rung(l.index(worst) - stride), true
	case worst > 0:
		low, high := l.index(best), l.index(worst)
		if high-low > 1 {
			return l.rung((low + high) / 2), true
		}
		return 0, false
	case best >= l.BoundPerS*(1-1e-9):
		return 0, false
	}
	return l.rung(l.index(best) + stride), true
}

// maxDoublings bounds the stride of a ladder.
const maxDoublings = 4

// Bracket is the highest rate confirmed and the lowest refuted above it; 0 is none.
func (l Ladder) Bracket(trials []Trial) (confirmedPerS, refutedPerS float64) {
	return l.bracket(l.standings(trials))
}

// bracket: a rung refuted below a confirmed one lowers the answer: the promise
// must hold at every lower rate too.
func (l Ladder) bracket(rungs []Standing) (confirmed, refuted float64) {
	for _, s := range rungs {
		switch {
		case l.refuted(s):
			return confirmed, s.RatePerS
		case l.confirmed(s):
			confirmed = s.RatePerS
		}
	}
	return confirmed, 0
}

// standings sums the trials up by rung, lowest first.
func (l Ladder) standings(trials []Trial) []Standing {
	var rungs []Standing
	for _, t := range trials {
		i := slices.IndexFunc(rungs, func(s Standing) bool { return math.Abs(s.RatePerS/t.RatePerS-1) < 1e-6 })
		if i < 0 {
			i = len(rungs)
			rungs = append(rungs, Standing{RatePerS: t.RatePerS})
		}
		if t.Kept {
			rungs[i].Kept++
		} else {
			rungs[i].Missed++
		}
	}
	slices.SortFunc(rungs, func(a, b Standing) int {
		if a.RatePerS < b.RatePerS {
			return -1
		}
		return 1
	})
	return rungs
}

// rung is the rate of a rung, in whole renewals a second where that is near
// enough: a rate and the number of leases that it means are then round numbers.
func (l Ladder) rung(i int) float64 {
	rate := min(l.StartPerS*math.Pow(1+l.Step, float64(i)), l.BoundPerS)
	if rate*l.Step >= 10 {
		return math.Round(rate)
	}
	return rate
}

// index is the number of the rung nearest to a rate.
func (l Ladder) index(ratePerS float64) int {
	return int(math.Round(math.Log(ratePerS/l.StartPerS) / math.Log1p(l.Step)))
}
