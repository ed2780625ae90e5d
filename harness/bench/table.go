package bench

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"orbitbench/engines"
)

// printTables writes the medians of every point, the judgement of every target
// and what is to be said about the machine. Without a complete round it writes nothing.
func printTables(w io.Writer, o Options, sections []sectionDone, machine *others) error {
	var all []judgement
	rounds := 0
	for _, s := range sections {
		if len(s.done) == 0 {
			continue
		}
		if err := printFigures(w, s); err != nil {
			return err
		}
		all = append(all, judge(o, s.done)...)
		rounds = max(rounds, len(s.done))
	}
	if rounds == 0 {
		return nil
	}
	sortByRow(all)
	if err := printTargets(w, all, machine.doubtful()); err != nil {
		return err
	}
	if !o.grid() && !slices.Contains(o.Rows, "P15") && !slices.Contains(o.Rows, "P17") {
		fmt.Fprintf(w, "\n%s\n", notMeasured)
	}
	_, err := fmt.Fprintf(w, "\n%s\n", machine.verdict())
	return err
}

// column is one figure of the table of medians.
type column struct {
	title string
	has   func(p point) bool // nil: every point
	of    func(r round, p point) (float64, error)
}

func get(f func(sample) float64) func(round, point) (float64, error) {
	return func(r round, p point) (float64, error) { return f(r[p]), nil }
}

func ofKind(kinds ...kind) func(point) bool {
	return func(p point) bool { return slices.Contains(kinds, p.kind) }
}

func syncRenewal(p point) bool { return p.kind == renewKind && p.dur.Class == engines.Sync }

// besideColumns are those of engines side by side, apartColumns those of
// processes of their own.
var (
	besideColumns = []column{
		{"ns/op", nil, get(func(s sample) float64 { return s.nsPerOp })},
		{"p50 ns", func(p point) bool { return p.kind != harnessKind && p.kind != toolKind }, get(func(s sample) float64 { return s.p50 })},
		{"p99 ns", func(p point) bool { return p.kind != harnessKind && p.kind != toolKind }, get(func(s sample) float64 { return s.p99 })},
		{"x-floor", syncRenewal, p50OverFloor},
		{"x-ideal", syncRenewal, shareOfIdeal},
		{"x-pebble", ofKind(renewKind), speedOver("pebble")},
		{"x-tool", ofKind(putKind), speedOverTool},
		{"x-steady", ofKind(checkpointKind), checkpointThroughput},
		{"flushes/op", ofKind(renewKind), get(func(s sample) float64 { return s.flushes })},
		{"device/flush", syncRenewal, deviceWritesByFlush},
		{"log B/op", ofKind(renewKind), get(func(s sample) float64 { return s.logBytes })},
		{"allocs/op", func(p point) bool { return p.kind != toolKind }, get(func(s sample) float64 { return s.allocs })},
	}
	apartColumns = []column{
		{"p50 us", ofKind(openKind, floorKind), get(func(s sample) float64 { return s.p50 / 1e3 })},
		{"p99 us", ofKind(openKind, floorKind), get(func(s sample) float64 { return s.p99 / 1e3 })},
		{"x-floor", ofKind(openKind), p50OverFloor},
		{"achieved/s", ofKind(openKind), get(func(s sample) float64 { return s.open.achieved })},
		{"lag p50 ns", ofKind(openKind), get(func(s sample) float64 { return s.open.lagP50 })},
		{"lag p99 ns", ofKind(openKind), get(func(s sample) float64 { return s.open.lagP99 })},
		{"first ms", ofKind(recoverKind), firstReadMs},
		{"open ms", ofKind(recoverKind), get(func(s sample) float64 { return s.recovery.OpenNs / 1e6 })},
		{"ready ms", ofKind(recoverKind), get(func(s sample) float64 { return s.recovery.ReadyNs / 1e6 })},
		{"replayed", ofKind(recoverKind), get(func(s sample) float64 { return s.recovery.Replayed })},
		{"checksum ms", ofKind(checksumKind), get(func(s sample) float64 { return s.nsPerOp / 1e6 })},
		{"gc cpu %", ofKind(collectorKind), collectorPercent},
		{"gc pause us", ofKind(collectorKind), collectorPause},
		{"until stopped us", ofKind(collectorKind), get(func(s sample) float64 { return s.collector.StopNs / 1e3 })},
		{"without store us", ofKind(collectorKind), get(func(s sample) float64 { return s.collector.FloorNs / 1e3 })},
		{"renew ns", ofKind(collectorKind, mapKind), get(func(s sample) float64 { return s.nsPerOp })},
		{"anon MB/M", ofKind(memoryKind), memoryByMillion},
		{"mapped MB/M", ofKind(memoryKind), func(r round, p point) (float64, error) { return r[p].memory.Mapped / float64(p.actors), nil }},
	}
)

func printFigures(w io.Writer, s sectionDone) error {
	columns := besideColumns
	if slices.ContainsFunc(s.points, func(p point) bool { return p.kind.apart() }) {
		columns = apartColumns
	}
	columns = slices.DeleteFunc(slices.Clone(columns), func(c column) bool {
		return c.has != nil && !slices.ContainsFunc(s.points, c.has)
	})
	fmt.Fprintf(w, "\nMedians of %d rounds of %s; ratios were taken within a round\n", len(s.done), s.title)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "\t")
	for _, c := range columns {
		fmt.Fprintf(t, "%s\t", c.title)
	}
	fmt.Fprintln(t)
	for _, pt := range s.points {
		fmt.Fprintf(t, "%s\t", strings.TrimPrefix(pt.name(), "Benchmark"))
		for _, c := range columns {
			fmt.Fprintf(t, "%s\t", c.median(s.done, pt))
		}
		fmt.Fprintln(t)
	}
	return t.Flush()
}

// median is the column's text for a point.
func (c column) median(rounds []round, p point) string {
	if c.has != nil && !c.has(p) {
		return "-"
	}
	values := make([]float64, 0, len(rounds))
	for _, r := range rounds {
		if _, ok := r[p]; !ok {
			continue
		}
		if v, err := c.of(r, p); err == nil {
			values = append(values, v)
		}
	}
	if len(values) == 0 {
		return "-"
	}
	return figure(median(values))
}

// printTargets writes the judgements. A machine that others used makes each of
// them doubtful, and each says so: a row is often quoted without the rest.
func printTargets(w io.Writer, all []judgement, doubtful bool) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(w, "\nNo target applies to what was measured")
		return err
	}
	fmt.Fprintln(w, "\nTargets, judged by the median of the rounds")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "row\tpoint\tmeasure\ttarget\tmedian\tmin..max\tverdict")
	for _, j := range all {
		sign := ">="
		if j.atMost {
			sign = "<="
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s %s\t", j.row, j.subject, j.text, sign, figure(j.target))
		if len(j.values) == 0 {
			fmt.Fprintf(t, "-\t-\tnot judged: %s\n", j.missing)
			continue
		}
		verdict := "not reached"
		if j.reached() {
			verdict = "reached"
		}
		if doubtful {
			verdict += ", doubtful"
		}
		if j.missing != "" {
			verdict += fmt.Sprintf(" (in %d rounds of %d: %s)", len(j.values), j.rounds, j.missing)
		}
		fmt.Fprintf(t, "%s\t%s..%s\t%s\n", figure(j.median()), figure(slices.Min(j.values)), figure(slices.Max(j.values)), verdict)
	}
	return t.Flush()
}
