package reports

import (
	"fmt"
	"slices"
	"strings"

	"orbitbench/harness/result"
)

// table is a grid of text that a renderer lays out: as aligned columns, or as
// a Markdown table.
type table struct {
	columns []column
	rows    []tableRow
}

// column is one column. Where there is no room for all, those with the lowest
// keep go first; keep 0 means always shown.
type column struct {
	group, head string
	left        bool // aligned to the left, for text
	keep        int
}

// tableRow has a cell per column. Where note is set it stands in place of all
// cells but the first.
type tableRow struct {
	cells []string
	note  string
	style style
	flags []string // lines under the row
}

// style is how a line is coloured where colours are on.
type style int

const (
	plain style = iota
	dim
	alarm
)

// name is the column's name out of its group's context.
func (c column) name() string {
	switch {
	case c.group == "":
		return c.head
	case c.head == "":
		return c.group
	}
	return strings.TrimSuffix(c.group, " latency") + " " + c.head
}

// widths returns the width of each column in characters. The first column of a
// group is widened where the group's name is longer than its columns.
func (t *table) widths() []int {
	w := make([]int, len(t.columns))
	for i, c := range t.columns {
		w[i] = len(c.head)
		for _, r := range t.rows {
			if i == 0 || r.note == "" {
				w[i] = max(w[i], len(r.cells[i]))
			}
		}
	}
	for i := 0; i < len(w); {
		end, span := i+1, w[i]
		for ; end < len(w) && t.columns[end].group == t.columns[i].group; end++ {
			span += columnGap + w[end]
		}
		w[i] += max(0, len(t.columns[i].group)-span)
		i = end
	}
	return w
}

// fit drops columns until the table is at most width characters wide and
// returns what it dropped. Columns that are always shown stay.
func (t *table) fit(width int) []column {
	var dropped []column
	for t.width() > width {
		victim := -1
		for i, c := range t.columns {
			if c.keep > 0 && (victim < 0 || c.keep < t.columns[victim].keep) {
				victim = i
			}
		}
		if victim < 0 {
			break
		}
		dropped = append(dropped, t.columns[victim])
		t.columns = slices.Delete(t.columns, victim, victim+1)
		for i := range t.rows {
			if len(t.rows[i].cells) > victim {
				t.rows[i].cells = slices.Delete(t.rows[i].cells, victim, victim+1)
			}
		}
	}
	return dropped
}

// The blanks between two columns, and between two groups of columns.
const (
	columnGap = 2
	groupGap  = 3
)

func (t *table) gap(i int) int {
	switch {
	case i == 0:
		return 0
	case t.columns[i].group != t.columns[i-1].group:
		return groupGap
	}
	return columnGap
}

func (t *table) width() int {
	total := 0
	for i, w := range t.widths() {
		total += t.gap(i) + w
	}
	return total
}

// field is one figure of the comparison table: its column, and its text for a
// row that has figures.
type field struct {
	column
	text func(*Report, *row) string
}

const noFigure = "-"

// fields are the columns of the comparison, in the order of the design note's
// table; what the note does not have comes last.
var fields = []field{
	{column{"write latency", "p50", false, 100}, quantileField(opWrite, 0.5)},
	{column{"write latency", "p99", false, 99}, quantileField(opWrite, 0.99)},
	{column{"write latency", "p99.9", false, 85}, quantileField(opWrite, 0.999)},
	{column{"write latency", "p99 by trial", false, 25}, trialField(opWrite, 0.99)},
	{column{"write latency", "n", false, 84}, countField(opWrite)},
	{column{"write latency", "/floor", false, 90}, floorField(0.5)},
	{column{"write latency", "p99/floor's", false, 20}, floorField(0.99)},
	{column{"read latency", "p50", false, 98}, quantileField(opRead, 0.5)},
	{column{"read latency", "p99", false, 97}, quantileField(opRead, 0.99)},
	{column{"read latency", "p99.9", false, 50}, quantileField(opRead, 0.999)},
	{column{"read latency", "n", false, 60}, countField(opRead)},
	{column{"", "validity", true, 86}, func(_ *Report, r *row) string { return r.validity.String() }},
	{column{"recovery", "time", false, 96}, func(_ *Report, r *row) string { return medianField(r.recovery.firstRead, duration) }},
	{column{"complexity", "lines", false, 80}, complexityField(func(c *result.Complexity) int { return c.Lines })},
	{column{"complexity", "deps", false, 70}, complexityField(func(c *result.Complexity) int { return c.Dependencies })},
	{column{"complexity", "options", false, 15}, complexityField(func(c *result.Complexity) int { return c.Tunables })},
	{column{"complexity", "goroutines", false, 12}, complexityField(func(c *result.Complexity) int { return c.Goroutines })},
	{column{"complexity", "cgo", false, 10}, cgoField},
	{column{"memory", "used", false, 95}, func(_ *Report, r *row) string { return medianField(r.use.own, size) }},
	{column{"memory", "per M", false, 75}, func(_ *Report, r *row) string { return medianField(r.use.perMillion, size) }},
	{column{"memory", "mapped", false, 72}, func(_ *Report, r *row) string { return medianField(r.use.mapped, size) }},
	{column{"memory", "Go heap", false, 9}, func(_ *Report, r *row) string { return medianField(r.use.goHeap, size) }},
	{column{"memory", "off heap", false, 8}, func(_ *Report, r *row) string { return medianField(r.use.anonymous, size) }},
	{column{"memory", "page cache", false, 7}, func(_ *Report, r *row) string { return medianField(r.use.pageCache, size) }},
	{column{"resources", "disk", false, 40}, func(_ *Report, r *row) string { return medianField(r.use.disk, size) }},
	{column{"resources", "wr.amp", false, 45}, func(_ *Report, r *row) string { return ratioField(r.use.writeAmplification()) }},
	{column{"resources", "sp.amp", false, 17}, func(_ *Report, r *row) string { return ratioField(r.use.spaceAmplification()) }},
	{column{"resources", "CPU/op", false, 42}, func(_ *Report, r *row) string { return medianField(r.use.cpuPerOp, duration) }},
	{column{"resources", "device IOs/op", false, 6}, func(_ *Report, r *row) string { return medianField(r.use.deviceWrites, significant) }},
	{column{"resources", "device B/op", false, 5}, func(_ *Report, r *row) string { return medianField(r.use.deviceBytes, size) }},
	{column{"machine", "steal", false, 38}, machineField("steal_share")},
	{column{"machine", "others", false, 37}, machineField("others_cpu_share")},
	{column{"machine", "throttled", false, 36}, machineField("throttled_share")},
	{column{"machine", "PSI cpu", false, 35}, machineField("pressure_cpu_share")},
	{column{"machine", "PSI io", false, 34}, machineField("pressure_io_share")},
	{column{"machine", "PSI mem", false, 33}, machineField("pressure_memory_share")},
}

// fewMark stands behind a quantile with fewer than ten samples above it.
const fewMark = "*"

func quantileField(k opKey, q float64) func(*Report, *row) string {
	return func(_ *Report, r *row) string { return quantileText(r.latency(k), q) }
}

// quantileText is a quantile with its mark, or "-".
func quantileText(d *dist, q float64) string {
	if d.count() == 0 {
		return noFigure
	}
	ns, ok := d.quantile(q)
	if !ok {
		return ">" + duration(float64(d.max)) // among the samples that were out of range
	}
	if d.few(q) {
		return duration(float64(ns)) + fewMark
	}
	return duration(float64(ns))
}

func trialField(k opKey, q float64) func(*Report, *row) string {
	return func(_ *Report, r *row) string {
		lo, hi, ok := r.latency(k).trialRange(q)
		if !ok || r.trials < 2 {
			return noFigure
		}
		return durationRange(float64(lo), float64(hi))
	}
}

func countField(k opKey) func(*Report, *row) string {
	return func(_ *Report, r *row) string {
		n := r.latency(k).count()
		if n == 0 {
			return noFigure
		}
		return number(float64(n))
	}
}

// floorRatio is a quantile of the row's renewals over the same of the floor.
func (r *Report) floorRatio(d *dist, q float64) (float64, bool) {
	ns, ok := d.quantile(q)
	floor, have := r.floorQuantile(q)
	if !ok || !have {
		return 0, false
	}
	return ratio(float64(ns), float64(floor))
}

func floorField(q float64) func(*Report, *row) string {
	return func(r *Report, row *row) string { return ratioField(r.floorRatio(row.latency(opWrite), q)) }
}

func ratioField(f float64, ok bool) string {
	if !ok {
		return noFigure
	}
	return significant(f) + "x"
}

func medianField(values []float64, format func(float64) string) string {
	m, ok := median(values)
	if !ok {
		return noFigure
	}
	return format(m)
}

func complexityField(get func(*result.Complexity) int) func(*Report, *row) string {
	return func(_ *Report, r *row) string {
		if r.engine.Complexity == nil {
			return noFigure
		}
		return number(float64(get(r.engine.Complexity)))
	}
}

func cgoField(_ *Report, r *row) string {
	if r.engine.Cgo {
		return "yes"
	}
	return "no"
}

// noteColumns are the columns of the design note's table by their name here:
// they stand in every comparison, if need be without a figure.
var noteColumns = []string{"write p50", "read p50", "recovery time", "complexity lines", "memory used"}

// comparison is the table of one block with the note's columns and every other
// one that has a figure.
func (r *Report) comparison(b *block) *table {
	t := &table{columns: []column{{head: "engine", left: true}}}
	var shown []field
	for _, f := range fields {
		if slices.Contains(noteColumns, f.name()) || slices.ContainsFunc(b.rows, func(row *row) bool { return row.status == statusOK && f.text(r, row) != noFigure }) {
			shown = append(shown, f)
			t.columns = append(t.columns, f.column)
		}
	}
	for _, row := range b.rows {
		line := tableRow{cells: []string{row.name()}, flags: row.flags}
		if row.status == statusOK {
			for _, f := range shown {
				line.cells = append(line.cells, f.text(r, row))
			}
		} else {
			line.note, line.style = string(row.status)+": "+row.reason, dim
		}
		if row.status == statusFailed || len(row.losses) > 0 {
			line.style = alarm
		}
		t.rows = append(t.rows, line)
	}
	return t
}

// claimsTable is the table of claimed ranges and verdicts of one block, with
// notes to read below it; nil where no engine of the block answers for a claim.
func (r *Report) claimsTable(b *block) (*table, []string) {
	var rows []*row
	for _, row := range b.rows {
		if claimFor(row.engine) != nil && row.hasFigures() {
			rows = append(rows, row)
		}
	}
	if len(rows) == 0 {
		return nil, nil
	}
	t := &table{columns: []column{{head: "engine", left: true}, {head: "answers for", left: true, keep: 10}}}
	for _, row := range rows {
		t.rows = append(t.rows, tableRow{cells: []string{row.name(), claimFor(row.engine).title}})
	}
	var notes []string
	below := false
	for i, a := range aspects {
		if why := a.unjudged(rows); why != "" {
			notes = append(notes, a.name+" not comparable: "+why)
			continue
		}
		t.columns = append(t.columns, column{a.name + " " + a.central, "claimed", false, 90 - i}, column{a.name + " " + a.central, "verdict", true, 90 - i})
		for j, row := range rows {
			c, v := claimFor(row.engine), a.verdict(row)
			text := v.String()
			if v.reason != "" {
				text += ": " + shorten(v.reason, 40)
			}
			if a.name == writeAspect.name && v.judged() && r.belowFloor(c, b.durability) {
				text, below = text+", claim < floor", true
			}
			t.rows[j].cells = append(t.rows[j].cells, a.claimed(c).String(), text)
		}
	}
	if floor, ok := r.floorQuantile(0.5); ok && below {
		notes = append(notes, fmt.Sprintf("claim < floor: the whole claimed range lies below the device's own p50 for one durable write, %s; "+
			"no engine that waits for the device can keep it", duration(float64(floor))))
	}
	return t, notes
}

// unjudged returns why none of the rows can be judged, "" if one can.
func (a aspect) unjudged(rows []*row) string {
	why := ""
	for _, r := range rows {
		v := a.verdict(r)
		if v.judged() {
			return ""
		}
		why = v.reason
	}
	return why
}
