package compare

import (
	"fmt"
	"slices"

	"orbitbench/harness/result"
	"orbitbench/reports/stats"
)

// limits say when two counts differ.
type limits struct {
	share, absolute float64 // both must be exceeded
	// least is the fewest trials a side: a count that background work touches
	// differs by chance, and of four trials a side all of one lie above all of the other
	// in one of 35 cases.
	least int
	// timed: it depends on what else the machine did, so that trials which the
	// machine has voided do not count.
	timed bool
}

// countsOf are the counts of a cell that do not depend on how fast it was.
func countsOf(c *result.Cell) []figure {
	var all []figure
	add := func(name, unit string, higher bool, l limits, value func(*result.Cell) []float64) {
		all = append(all, figure{name: name, unit: unit, higher: higher, count: &l, values: value})
	}
	if c.Resources != nil {
		add("allocations_per_op", "", false, limits{0.05, 0.5, 4, false}, func(c *result.Cell) []float64 {
			ops := 0.0
			for _, o := range c.Measure.Ops {
				ops += float64(o.Latency.Count + o.Latency.OutOfRange)
			}
			if c.Resources == nil || ops == 0 {
				return nil
			}
			return []float64{float64(c.Resources.Allocations) / ops}
		})
	}
	if c.Params.Loop != "open" {
		return all // how much a closed loop writes depends on how fast it is
	}
	if c.Resources != nil && c.Load != nil && c.Load.Records > 0 {
		add("disk_bytes_per_record", "B", false, limits{0.05, 1, 4, false}, func(c *result.Cell) []float64 {
			if c.Resources == nil || c.Load == nil || c.Load.Records == 0 {
				return nil
			}
			return []float64{float64(c.Resources.DiskBytes) / float64(c.Load.Records)}
		})
	}
	if c.Measure.OfferedPerS > 0 {
		add("offered_rate_held", "", true, limits{0.01, 0, 4, true}, func(c *result.Cell) []float64 {
			if c.Measure.OfferedPerS <= 0 {
				return nil
			}
			return []float64{c.Measure.AchievedPerS / c.Measure.OfferedPerS}
		})
	}
	return all
}

// judgeCount decides a count: worse or better if all trials of the head lie on
// one side of all of the base and the medians differ by more than the limits.
func judgeCount(row *Row, f figure, base, head []float64) {
	row.Base, row.Head = stats.Median(base), stats.Median(head)
	if len(base) == 0 || len(head) == 0 {
		row.Verdict, row.Why = Shown, "no value in one of the runs"
		return
	}
	change := row.Head - row.Base
	if row.Base != 0 {
		row.Change = change / row.Base
	}
	if len(base) < f.count.least || len(head) < f.count.least {
		row.Verdict, row.Why = Shown, fmt.Sprintf("%d and %d trials, a gated count of this kind takes %d", len(base), len(head), f.count.least)
		return
	}
	row.Gated = true
	above := slices.Min(head) > slices.Max(base)
	below := slices.Max(head) < slices.Min(base)
	size := max(change, -change)
	switch {
	case size <= f.count.absolute || size <= f.count.share*max(row.Base, -row.Base):
		row.Verdict = Equivalent
	case !above && !below:
		row.Verdict, row.Why = Inconclusive, "the trials of both overlap"
	case above == f.higher:
		row.Verdict = Better
	default:
		row.Verdict = Worse
	}
}

// syncs compares syncs per acknowledgement with one writer, from the traces of
// both runs: a count of system calls, the same in every pass. Class none promises
// nothing, and has none to count.
func (r *Result) syncs(base, head side) {
	f := figure{name: "syncs_per_ack", count: &limits{0.05, 0.05, 1, false}}
	for _, d := range base.Run.DurabilityChecks {
		e := head.Run.DurabilityOf(d.Engine, d.Durability)
		if e == nil || d.Class == "none" || len(d.Phases) == 0 || len(e.Phases) == 0 {
			continue
		}
		row := Row{Engine: d.Engine, Workload: "durability", Durability: d.Durability, Figure: f.name, Kind: Count, BaseTrials: 1, HeadTrials: 1}
		judgeCount(&row, f, []float64{d.Phases[0].SyncsPerAck}, []float64{e.Phases[0].SyncsPerAck})
		r.Rows = append(r.Rows, row)
	}
}
