package compare

import (
	"slices"

	"orbitbench/harness/result"
	"orbitbench/reports"
	"orbitbench/reports/stats"
)

// Value is a figure of a run: the median over the usable trials of one engine
// under one workload and durability, with their range.
type Value struct {
	Engine, Workload, Durability, Figure, Unit string
	Gated                                      bool // by the options' patterns
	Median, Low, High                          float64
	Trials                                     int
}

// Values are the figures of a run, as [Runs] compares them. The only errors are
// those of the patterns.
func Values(r *reports.Report, patterns []string) ([]Value, error) {
	g, err := parseGate(patterns)
	if err != nil {
		return nil, &UsageError{err}
	}
	s := side{r, "run"}
	seen := map[string]bool{}
	var all []Value
	for _, c := range r.Cells {
		p := place(c)
		if seen[p] || c.Status != result.OK || c.ControlOf != "" {
			continue
		}
		seen[p] = true
		for _, f := range figuresOf(c) {
			values := plain(samples(s, p, f))
			if len(values) == 0 {
				continue
			}
			all = append(all, Value{
				Engine: named(c), Workload: c.Workload, Durability: c.Durability, Figure: f.name, Unit: f.unit, Gated: g.includes(c, f),
				Median: stats.Median(values), Low: slices.Min(values), High: slices.Max(values), Trials: len(values),
			})
		}
	}
	return all, nil
}

// Show writes a value of a figure in a unit that suits it: "1.23 ms".
func Show(v float64, unit string) string { return value(v, unit) }

// MachineDifferences are what two runs' machines differ by.
func MachineDifferences(a, b *result.Run) []string {
	return result.MachineDifferences(a, b, "one run", "another")
}
