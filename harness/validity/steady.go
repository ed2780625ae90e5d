package validity

import (
	"math"
	"slices"

	"orbitbench/harness/result"
	"orbitbench/workloads"
)

// steady judges whether the figures had come to rest: the p50 of each second in
// an open loop, the operations of each second in a closed one.
func (j *judgement) steady(c *result.Cell, op string) {
	figure, values := perSecond(c, op)
	j.trend(figure, values)
}

// trend judges the values of the seconds.
func (j *judgement) trend(figure string, values []float64) {
	if len(values) < steadySeconds {
		return
	}
	s := &result.Steady{Figure: figure, Seconds: len(values), TrendP: mannKendall(values), Shift: shift(values)}
	j.v.Steady = s
	if s.TrendP >= trendP || s.Shift <= 0 {
		return
	}
	text := "not steady: the p50 of a second moved by %+.0f%% from the first third to the last"
	if figure == figureOps {
		text = "not steady: the operations of a second moved by %+.0f%% from the first third to the last"
	}
	j.engineIs("steady", above(max(s.Shift, 1/s.Shift), shiftNoisy, shiftInvalid), text, 100*(s.Shift-1))
}

const (
	figureP50 = "p50_ns"
	figureOps = "operations"
)

// perSecond are the values of the whole seconds of the measured phase.
func perSecond(c *result.Cell, op string) (figure string, values []float64) {
	m := c.Measure
	figure = figureP50
	if c.Params.Loop == workloads.Closed {
		figure = figureOps
	}
	// An open loop goes on behind its time to finish what is waiting: that is no second like the others.
	whole := int(min(m.Seconds, c.Params.Seconds))
	for _, i := range m.Intervals {
		if i.Op != op || i.Second >= whole {
			continue
		}
		if figure == figureOps {
			values = append(values, float64(i.Count))
		} else {
			values = append(values, float64(i.P50Ns))
		}
	}
	return figure, values
}

// mannKendall is the two-sided p-value of Mann and Kendall's test for a trend,
// by the normal approximation with the correction for ties and for continuity
// (Kendall, Rank Correlation Methods). Without any difference it is 1.
func mannKendall(v []float64) float64 {
	s := 0.0
	for i := range v {
		for k := i + 1; k < len(v); k++ {
			switch {
			case v[k] > v[i]:
				s++
			case v[k] < v[i]:
				s--
			}
		}
	}
	pairs := func(n float64) float64 { return n * (n - 1) * (2*n + 5) }
	variance := pairs(float64(len(v)))
	sorted := slices.Sorted(slices.Values(v))
	for i := 0; i < len(sorted); {
		k := i
		for k < len(sorted) && sorted[k] == sorted[i] {
			k++
		}
		variance -= pairs(float64(k - i))
		i = k
	}
	if variance <= 0 || s == 0 {
		return 1
	}
	z := (math.Abs(s) - 1) / math.Sqrt(variance/18)
	return math.Erfc(z / math.Sqrt2)
}

// shift is the median of the last third over that of the first; 0 where it is
// not defined.
func shift(v []float64) float64 {
	third := len(v) / 3
	first := median(v[:third])
	if first <= 0 {
		return 0
	}
	return median(v[len(v)-third:]) / first
}

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}
