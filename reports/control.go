package reports

import (
	"fmt"
	"math"

	"orbitbench/harness/result"
	"orbitbench/reports/stats"
)

// noise is what one engine differs from itself by, under one workload and class:
// its A/A controls.
type noise struct {
	engine   string
	op       string
	pairs    int
	p50, p99 deviation
}

// deviation is the noise of one figure. share is the largest difference of an
// engine from itself that these trials do not rule out: the end of the 95%
// interval of the median of the paired ratios that lies further from one, minus one.
type deviation struct {
	share float64
	known bool // there were enough pairs for an interval
}

func (s deviation) text() string {
	if !s.known {
		return "not known"
	}
	return percent(s.share)
}

// margin is the difference below which two engines are alike.
func (s deviation) margin() float64 { return max(stats.Margin, 2*s.share) }

// splitControls takes the A/A controls out of items: they are nobody's result.
func splitControls(items []item) (rest []item, controls map[string]item) {
	controls = map[string]item{}
	for _, it := range items {
		if it.plan.ControlOf == "" {
			rest = append(rest, it)
			continue
		}
		controls[it.plan.ControlOf] = it
	}
	return rest, controls
}

// noiseOf pairs the cells of a block with their controls; nil where there is no pair.
func noiseOf(b *block, items []item, controls map[string]item) *noise {
	n := &noise{op: opWrite.name}
	if ops := b.operations(); result.IsStore(b.kind) && len(ops) > 0 {
		n.op = ops[0]
	}
	var p50, p99 []float64
	for _, it := range items {
		twin, ok := controls[it.plan.Key]
		if !ok || !usable(it.cell) || !usable(twin.cell) {
			continue
		}
		n.engine = it.plan.Engine
		a, b := latencyIn(it.cell, n.op), latencyIn(twin.cell, n.op)
		if a.Count == 0 || b.Count == 0 || a.P50Ns <= 0 || b.P50Ns <= 0 {
			continue
		}
		n.pairs++
		p50 = append(p50, math.Log(float64(b.P50Ns)/float64(a.P50Ns)))
		p99 = append(p99, math.Log(float64(b.P99Ns)/float64(a.P99Ns)))
	}
	if n.pairs == 0 {
		return nil
	}
	n.p50, n.p99 = deviationOf(p50), deviationOf(p99)
	return n
}

// usable reports whether a cell has figures that may be compared.
func usable(c *result.Cell) bool {
	return c != nil && c.Status == result.OK && c.Measure != nil && (c.Validity == nil || c.Validity.Verdict != result.Invalid)
}

func latencyIn(c *result.Cell, op string) result.Latency {
	for _, o := range c.Measure.Ops {
		if o.Op == op && o.Outcome == "ok" {
			return o.Latency
		}
	}
	return result.Latency{}
}

func deviationOf(logRatios []float64) deviation {
	share, known := stats.Noise(logRatios)
	return deviation{share, known}
}

// String says what the controls found.
func (n *noise) String() string {
	text := fmt.Sprintf("Noise of this machine: %s against itself in %s of A/A trials", n.engine, plural(n.pairs, "pair"))
	if !n.p50.known {
		return text + fmt.Sprintf(", too few to tell it (%d at least).", stats.LeastForInterval)
	}
	return text + fmt.Sprintf(" differs by up to %s in the p50 and %s in the p99 of %s (95%% interval of the median). Differences below %s and %s are not told from chance here.",
		n.p50.text(), n.p99.text(), opPlural(n.op), percent(n.p50.margin()), percent(n.p99.margin()))
}

func opPlural(op string) string {
	if op == opWrite.name {
		return "renewals"
	}
	return "operations " + op
}
