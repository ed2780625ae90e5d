package reports

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"orbitbench/harness/result"
	"orbitbench/reports/stats"
)

// metric is one figure of a row with what people need to compare it. Lower is
// better for every metric; what is no such figure (samples, a rate) is none.
type metric struct {
	key     string // stable; the name that [orbitbench/reports/explain] knows it by
	group   string // of its column
	head    string
	format  func(float64) string
	value   func(*row) (float64, bool)
	trials  func(*row) []float64 // one value a trial or repetition, nil where there are none
	text    func(*row) string    // of the value, where format alone would hide a doubt
	few     func(*row) string    // why its trials decide nothing, "" where they may; nil: they may
	claimed func(*claim) span    // the design note's range, nil where it has none
	weight  float64              // in the chooser, before anybody moves a slider
	chosen  bool                 // has a slider
}

// metrics are the figures by which engines are compared, in the order of the
// design note's table.
var metrics = []metric{
	latencyMetric("write_p50", "write latency", "p50", opWrite, .5, func(c *claim) span { return c.write }, 0),
	latencyMetric("write_p99", "write latency", "p99", opWrite, .99, nil, 3),
	latencyMetric("write_p999", "write latency", "p99.9", opWrite, .999, nil, 0),
	latencyMetric("read_p50", "read latency", "p50", opRead, .5, func(c *claim) span { return c.read }, 0),
	latencyMetric("read_p99", "read latency", "p99", opRead, .99, nil, 1),
	{
		key: "recovery", group: "recovery", head: "time", format: duration, weight: 2, chosen: true,
		value:   func(r *row) (float64, bool) { return median(r.recovery.firstRead) },
		trials:  func(r *row) []float64 { return r.recovery.firstRead },
		claimed: func(c *claim) span { return c.recovery },
	},
	complexityMetric("lines", "lines", true, func(c *result.Complexity) int { return c.Lines }),
	complexityMetric("dependencies", "deps", false, func(c *result.Complexity) int { return c.Dependencies }),
	complexityMetric("tunables", "options", false, func(c *result.Complexity) int { return c.Tunables }),
	complexityMetric("goroutines", "goroutines", false, func(c *result.Complexity) int { return c.Goroutines }),
	usageMetric("memory", "memory", "used", size, 0, false, func(u *usage) []float64 { return u.own }),
	usageMetric("memory_per_million", "memory", "per M leases", size, 2, true, func(u *usage) []float64 { return u.perMillion }),
	usageMetric("mapped", "memory", "mapped", size, 0, false, func(u *usage) []float64 { return u.mapped }),
	{
		key: "write_amplification", group: "resources", head: "write amp.", format: times, weight: 1, chosen: true,
		value:  func(r *row) (float64, bool) { return r.use.writeAmplification() },
		trials: func(r *row) []float64 { return r.use.writeAmp },
	},
	{
		key: "space_amplification", group: "resources", head: "space amp.", format: times, chosen: true,
		value:  func(r *row) (float64, bool) { return r.use.spaceAmplification() },
		trials: func(r *row) []float64 { return r.use.spaceAmp },
	},
	usageMetric("cpu_per_op", "resources", "CPU/op", duration, 1, true, func(u *usage) []float64 { return u.cpuPerOp }),
	usageMetric("disk", "resources", "disk", size, 0, false, func(u *usage) []float64 { return u.disk }),
}

// metricOf returns the metric of a key; the key is one of those above.
func metricOf(key string) metric {
	return metrics[slices.IndexFunc(metrics, func(m metric) bool { return m.key == key })]
}

func latencyMetric(key, group, head string, k opKey, q float64, claimed func(*claim) span, weight float64) metric {
	return metric{
		key: key, group: group, head: head, format: duration, claimed: claimed, weight: weight, chosen: weight > 0,
		value: func(r *row) (float64, bool) {
			ns, ok := r.latency(k).quantile(q)
			return float64(ns), ok
		},
		trials: func(r *row) []float64 { return r.latency(k).trialValues(q) },
		text:   func(r *row) string { return quantileText(r.latency(k), q) },
		few: func(r *row) string {
			want := uint64(math.Round(fewSamples / (1 - q))) // without the error of 1-q in floating point
			for _, n := range r.latency(k).samples() {
				if n < want {
					return fmt.Sprintf("%d samples in a trial, %s takes %d", n, head, want)
				}
			}
			return ""
		},
	}
}

func complexityMetric(key, head string, chosen bool, get func(*result.Complexity) int) metric {
	return metric{
		key: key, group: "complexity", head: head, format: number, chosen: chosen,
		value: func(r *row) (float64, bool) {
			if r.engine.Complexity == nil {
				return 0, false
			}
			return float64(get(r.engine.Complexity)), true
		},
		trials: func(*row) []float64 { return nil },
	}
}

func usageMetric(key, group, head string, format func(float64) string, weight float64, chosen bool, get func(*usage) []float64) metric {
	return metric{
		key: key, group: group, head: head, format: format, weight: weight, chosen: chosen,
		value:  func(r *row) (float64, bool) { return median(get(&r.use)) },
		trials: func(r *row) []float64 { return get(&r.use) },
	}
}

func times(f float64) string { return significant(f) + "x" }

// name is the metric's name out of its group's context.
func (m metric) name() string {
	return strings.TrimPrefix(column{group: m.group, head: m.head}.name(), "resources ")
}

// show is the metric of a row as text, "-" where there is none.
func (m metric) show(r *row) string {
	if m.text != nil {
		return m.text(r)
	}
	v, ok := m.value(r)
	if !ok {
		return noFigure
	}
	return m.format(v)
}

// between is the uncertainty of the metric: the 95% interval of the median over
// the trials where there are enough, else the lowest and the highest of them.
// Not ok for one trial or a constant.
func (m metric) between(r *row) (lo, hi float64, interval, ok bool) {
	trials := m.trials(r)
	if len(trials) < 2 {
		return 0, 0, false, false
	}
	lo, hi = middle(trials)
	return lo, hi, len(trials) >= stats.LeastForInterval, true
}

// extremes are the lowest and the highest trial, the value itself without several.
func (m metric) extremes(r *row) (lo, hi float64) {
	if trials := m.trials(r); len(trials) > 0 {
		return slices.Min(trials), slices.Max(trials)
	}
	v, _ := m.value(r)
	return v, v
}

// series are the metric's trials as the rule takes them: those of two rows are
// pairs where their trials have the same number.
func (m metric) series(r *row) stats.Series {
	var s stats.Series
	keys := r.numbers
	if m.key == "recovery" {
		keys = r.recovery.numbers
	}
	values := m.trials(r)
	for i, v := range values {
		t := stats.Trial{Value: v} // without a key where some trials have no figure: which, is not known
		if len(keys) == len(values) {
			t.Key = keys[i]
		}
		s.Trials = append(s.Trials, t)
	}
	slices.SortFunc(s.Trials, func(x, y stats.Trial) int { return cmp.Compare(x.Key, y.Key) })
	if m.few != nil {
		s.Short = m.few(r)
	}
	return s
}

// samples are how many each trial has; none of a nil dist.
func (d *dist) samples() []uint64 {
	if d == nil {
		return nil
	}
	return d.counts
}

// trialValues are the trials' own values in nanoseconds at q, one of quantiles.
func (d *dist) trialValues(q float64) []float64 {
	i := slices.Index(quantiles[:], q)
	if d == nil || i < 0 {
		return nil
	}
	var values []float64
	for _, own := range d.trials {
		values = append(values, float64(own[i]))
	}
	return values
}
