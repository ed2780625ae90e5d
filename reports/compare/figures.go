package compare

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"orbitbench/harness/result"
)

// sample is one value of a figure. Samples of both runs with one key are a pair.
type sample struct {
	key   int
	value float64
}

// figure is what is compared of a cell.
type figure struct {
	name, unit string
	higher     bool    // more is better
	count      *limits // nil is a time, judged by statistics
	main       bool    // gated unless the user says otherwise
	quantile   float64 // of a latency, 0 of others
	op         string
	values     func(*result.Cell) []float64
}

var quantiles = []struct {
	name string
	q    float64
	ns   func(result.Latency) int64
}{
	{"p50", 0.5, func(l result.Latency) int64 { return l.P50Ns }},
	{"p99", 0.99, func(l result.Latency) int64 { return l.P99Ns }},
	{"p999", 0.999, func(l result.Latency) int64 { return l.P999Ns }},
}

// figuresOf lists the figures of cells like c.
func figuresOf(c *result.Cell) []figure {
	var all []figure
	if c.Measure != nil {
		main := mainOp(c)
		for _, o := range c.Measure.Ops {
			if o.Outcome != "ok" || o.Latency.Count == 0 {
				continue
			}
			for _, q := range quantiles {
				all = append(all, figure{
					name: o.Op + "_" + q.name, unit: "ns", main: o.Op == main && q.q < 0.999, quantile: q.q, op: o.Op,
					values: func(c *result.Cell) []float64 {
						l := latencyOf(c, o.Op)
						return positive(float64(q.ns(l)))
					},
				})
			}
		}
		if c.Params.Loop == "closed" {
			all = append(all, figure{name: "throughput", unit: "ops/s", higher: true, values: func(c *result.Cell) []float64 {
				return positive(c.Measure.AchievedPerS)
			}})
		}
		all = append(all, countsOf(c)...)
	}
	if c.Recovery != nil {
		all = append(all, recoveries(c)...)
	}
	if c.Crash != nil {
		all = append(all, figure{name: "crash_findings", count: &limits{least: 1}, values: func(c *result.Cell) []float64 {
			if c.Crash == nil || c.Crash.Tested == 0 {
				return nil
			}
			return []float64{float64(c.Crash.Unknown())}
		}})
	}
	return all
}

// recoveries are times from exec to the first verified read. Each repetition of a
// curve starts from a copy of one store and is a trial of its own.
func recoveries(c *result.Cell) []figure {
	if c.Kind != result.KindCurve {
		return []figure{{name: "recovery_first_read", unit: "ns", main: true, values: func(c *result.Cell) []float64 {
			var all []float64
			for _, t := range c.Recovery.Repetitions {
				all = append(all, positive(float64(t.FirstReadNs))...)
			}
			slices.Sort(all)
			if len(all) == 0 {
				return nil
			}
			return []float64{all[len(all)/2]}
		}}}
	}
	var all []figure
	for _, cache := range []string{"warm", "cold"} {
		all = append(all, figure{name: "recovery_" + cache, unit: "ns", main: true, values: func(c *result.Cell) []float64 {
			var all []float64
			for _, t := range c.Recovery.Repetitions {
				if t.Cache == cache {
					all = append(all, positive(float64(t.FirstReadNs))...)
				}
			}
			return all
		}})
	}
	return all
}

func positive(v float64) []float64 {
	if v <= 0 {
		return nil
	}
	return []float64{v}
}

// mainOp is the operation that the load is about: renewals, or of another store
// the one that the mix has most of.
func mainOp(c *result.Cell) string {
	best, share := "renew", 0.0
	if c.Params.Store == "" {
		return best
	}
	for op, s := range c.Params.Mix {
		if s > share || s == share && op < best {
			best, share = op, s
		}
	}
	return best
}

func latencyOf(c *result.Cell, op string) result.Latency {
	if c.Measure != nil {
		for _, o := range c.Measure.Ops {
			if o.Op == op && o.Outcome == "ok" {
				return o.Latency
			}
		}
	}
	return result.Latency{}
}

// gate decides which times are gated.
type gate struct{ patterns [][]string }

// parseGate checks the patterns.
func parseGate(patterns []string) (gate, error) {
	var g gate
	for _, p := range patterns {
		parts := strings.Split(strings.TrimSpace(p), "/")
		if len(parts) > 4 {
			return g, fmt.Errorf("--gate %q: want ENGINE/WORKLOAD/DURABILITY/FIGURE, with * for any", p)
		}
		for _, part := range parts {
			if _, err := path.Match(part, ""); err != nil || part == "" {
				return g, fmt.Errorf("--gate %q: %q is no pattern", p, part)
			}
		}
		g.patterns = append(g.patterns, parts)
	}
	return g, nil
}

// includes reports whether a figure of a cell is gated. A pattern without a
// figure means those that are gated by default.
func (g gate) includes(c *result.Cell, f figure) bool {
	if len(g.patterns) == 0 {
		return f.main
	}
	names := []string{c.Engine, c.Workload, c.Durability, f.name}
	return slices.ContainsFunc(g.patterns, func(parts []string) bool {
		if len(parts) == 1 && parts[0] == "none" {
			return false
		}
		for i, part := range parts {
			if ok, _ := path.Match(part, names[i]); !ok {
				return false
			}
		}
		return len(parts) == 4 || f.main
	})
}
