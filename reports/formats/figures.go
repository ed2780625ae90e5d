package formats

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"orbitbench/harness/result"
)

// action writes what github-action-benchmark reads as customSmallerIsBetter or,
// if bigger, customBiggerIsBetter: the median over the trials with their range.
func action(w io.Writer, rows []*row, bigger bool) error {
	type entry struct {
		Name  string  `json:"name"`
		Unit  string  `json:"unit"`
		Value float64 `json:"value"`
		Range string  `json:"range,omitempty"`
		Extra string  `json:"extra,omitempty"`
	}
	entries := []entry{}
	for _, r := range rows {
		add := func(name, unit string, values []float64) {
			if len(values) == 0 {
				return
			}
			slices.Sort(values)
			e := entry{Name: strings.Join([]string{r.name(), r.workload, r.durability, name}, " "), Unit: unit, Value: middle(values), Extra: fmt.Sprintf("median of %d trials", len(values))}
			if len(values) > 1 {
				e.Range = number(values[0]) + " .. " + number(values[len(values)-1])
			}
			entries = append(entries, e)
		}
		if bigger {
			add("throughput", "ops/s", r.values(func(c *result.Cell) float64 {
				if c.Measure == nil {
					return 0
				}
				return c.Measure.AchievedPerS
			}))
			continue
		}
		for _, k := range r.ops() {
			if k.outcome != "ok" {
				continue
			}
			for _, q := range quantiles[:3] {
				add(k.op+" "+q.name, "ns", r.values(func(c *result.Cell) float64 {
					l, _ := latency(c, k)
					return float64(q.ns(l))
				}))
			}
		}
		add("recovery", "ns", r.recoveries())
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(entries)
}

var quantiles = []struct {
	name, label string
	ns          func(result.Latency) int64
}{
	{"p50", "0.5", func(l result.Latency) int64 { return l.P50Ns }},
	{"p90", "0.9", func(l result.Latency) int64 { return l.P90Ns }},
	{"p99", "0.99", func(l result.Latency) int64 { return l.P99Ns }},
	{"p99.9", "0.999", func(l result.Latency) int64 { return l.P999Ns }},
}

// values are the figure of each trial; 0 is a figure that was not taken.
func (r *row) values(of func(*result.Cell) float64) []float64 {
	var all []float64
	for _, c := range r.cells {
		if v := of(c); v > 0 {
			all = append(all, v)
		}
	}
	return all
}

func (r *row) recoveries() []float64 {
	var all []float64
	for _, c := range r.cells {
		if c.Recovery != nil {
			for _, t := range c.Recovery.Repetitions {
				if t.FirstReadNs > 0 {
					all = append(all, float64(t.FirstReadNs))
				}
			}
		}
	}
	return all
}

// middle is the median of sorted values.
func middle(v []float64) float64 { return (v[(len(v)-1)/2] + v[len(v)/2]) / 2 }

// metrics writes OpenMetrics text, in base units, a sample a trial. The trial is
// a label, so that nothing is averaged here.
func metrics(out io.Writer, rows []*row) error {
	w := bufio.NewWriter(out)
	family := func(name, unit, help string, samples func(emit func(labels string, v float64))) {
		full := "orbitbench_" + name + "_" + unit
		fmt.Fprintf(w, "# TYPE %s gauge\n# UNIT %s %s\n# HELP %s %s\n", full, full, unit, full, help)
		samples(func(labels string, v float64) { fmt.Fprintf(w, "%s{%s} %s\n", full, labels, number(v)) })
	}
	each := func(f func(labels string, r *row, c *result.Cell)) {
		for _, r := range rows {
			for _, c := range r.cells {
				f(fmt.Sprintf("engine=%q,workload=%q,durability=%q,trial=\"%d\"", label(r.name()), label(r.workload), label(r.durability), c.Trial), r, c)
			}
		}
	}
	family("latency", "seconds", "Latency of operations that ended well, by quantile.", func(emit func(string, float64)) {
		each(func(labels string, r *row, c *result.Cell) {
			for _, k := range r.ops() {
				l, ok := latency(c, k)
				if !ok || k.outcome != "ok" {
					continue
				}
				for _, q := range quantiles {
					emit(fmt.Sprintf("%s,op=%q,quantile=%q", labels, label(k.op), q.label), float64(q.ns(l))/1e9)
				}
			}
		})
	})
	family("throughput", "operations_per_second", "Operations per second that were carried out.", func(emit func(string, float64)) {
		each(func(labels string, _ *row, c *result.Cell) {
			if c.Measure != nil {
				emit(labels, c.Measure.AchievedPerS)
			}
		})
	})
	family("resident_memory", "bytes", "Resident memory at the end, without what the harness itself held.", func(emit func(string, float64)) {
		each(func(labels string, _ *row, c *result.Cell) {
			if res := c.Resources; res != nil && res.Memory.ResidentBytes >= res.Memory.HarnessBytes {
				emit(labels, float64(res.Memory.ResidentBytes-res.Memory.HarnessBytes))
			}
		})
	})
	family("disk", "bytes", "Bytes that the store takes on disk.", func(emit func(string, float64)) {
		each(func(labels string, _ *row, c *result.Cell) {
			if c.Resources != nil {
				emit(labels, float64(c.Resources.DiskBytes))
			}
		})
	})
	family("recovery", "seconds", "From exec on a killed store to the first verified read.", func(emit func(string, float64)) {
		each(func(labels string, _ *row, c *result.Cell) {
			if c.Recovery == nil {
				return
			}
			for i, t := range c.Recovery.Repetitions {
				if t.FirstReadNs > 0 {
					emit(fmt.Sprintf("%s,repetition=\"%d\",cache=%q", labels, i+1, label(t.Cache)), float64(t.FirstReadNs)/1e9)
				}
			}
		})
	})
	fmt.Fprintln(w, "# EOF")
	return w.Flush()
}

// label keeps text within what a quoted label holds unescaped.
func label(s string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c == '"' || c == '\\' || c > '~' {
			return '_'
		}
		return c
	}, s)
}
