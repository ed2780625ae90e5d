package capacity

import "math"

// growth is the factor between probes until one is missed.
const growth = 3

// lowestShare of the first rate is the lowest that a search tries.
const lowestShare = 0.01

// Search finds the knee by short probes. The zero value is not usable.
type Search struct {
	start, bound float64 // renewals/s
	precision    float64 // relative width of the bracket at which it ends
	kept, missed float64 // 0: none yet
	doubt        float64 // rate that was missed once, which may be the machine's doing: a second miss refutes it
	done         bool
}

// NewSearch returns a search that begins at start and never goes beyond bound,
// renewals/s, 0 < start <= bound. It ends when the bracket is narrower than
// precision, 0.1 meaning 10%.
func NewSearch(start, bound, precision float64) *Search {
	return &Search{start: min(start, bound), bound: bound, precision: precision}
}

// Next is the rate to probe; not ok at the end.
func (s *Search) Next() (ratePerS float64, ok bool) {
	switch {
	case s.done:
		return 0, false
	case s.doubt > 0:
		return s.doubt, true
	case s.kept == 0 && s.missed == 0:
		return s.start, true
	case s.missed == 0:
		return min(s.kept*growth, s.bound), true
	case s.kept == 0:
		return s.missed / growth, true
	}
	return math.Sqrt(s.kept * s.missed), true
}

// Record takes the outcome of the rate that Next gave.
func (s *Search) Record(ratePerS float64, kept bool) {
	switch {
	case kept:
		s.kept, s.doubt = ratePerS, 0
	case s.doubt != ratePerS:
		s.doubt = ratePerS
		return
	default:
		s.missed, s.doubt = ratePerS, 0
	}
	switch {
	case s.missed == 0:
		s.done = s.kept >= s.bound
	case s.kept == 0:
		s.done = s.missed/growth < s.start*lowestShare
	default:
		s.done = s.missed/s.kept <= 1+s.precision
	}
}

// Bracket is the highest rate kept and the lowest missed; 0 is none.
func (s *Search) Bracket() (keptPerS, missedPerS float64) { return s.kept, s.missed }
