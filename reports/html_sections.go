package reports

import (
	"fmt"
	"html"
	"html/template"
	"slices"
	"strconv"
	"strings"

	"orbitbench/reports/page"
)

// capacitySection shows throughput against latency, and who holds how many leases.
func (r *Report) capacitySection() (page.Section, error) {
	s := page.Section{ID: "capacity", Title: "Capacity: throughput against latency"}
	for i, b := range r.capacityBlocks {
		part, err := inline("chart-knee-"+strconv.Itoa(i), r.kneeChart(b), probeTable(b), "")
		if err != nil {
			return s, err
		}
		caption := "Leases held under " + b.durability
		if b.promise != nil {
			caption += ": " + b.promiseText()
		}
		t := r.pageTable(b.table(), caption, func(i int) (string, *row) { return capacityAnchor(b, b.rows[i]), &row{engine: b.rows[i].engine} })
		s.Parts = append(s.Parts, part, page.Part{Table: t}, page.Part{Text: template.HTML(html.EscapeString(b.ladderText()))})
	}
	if len(r.capacityBlocks) == 0 {
		s.Parts = append(s.Parts, page.Part{Text: "Capacity: <strong>not measured</strong> in this run. <code>orbitbench capacity</code> searches the rate at which each engine stops keeping a promise, and confirms it with all its leases loaded."})
	}
	return s, nil
}

func probeTable(b *capacityBlock) *page.Table {
	t := &page.Table{Caption: "Every rate that was tried", Columns: []page.Column{{Head: "engine", Left: true}, {Head: "offered per s"}, {Head: "achieved per s"}, {Head: "achieved/offered"}, {Head: b.percentile()}, {Head: "lag p99"}, {Head: "dropped"}, {Head: "leases"}, {Head: "outcome", Left: true}}}
	for _, row := range b.rows {
		for _, p := range slices.Concat(row.probes, row.trials) {
			outcome := "kept"
			if !p.Kept {
				outcome = "missed: " + oneLine(p.Reason)
			}
			cell := func(v float64, f func(float64) string) page.Cell {
				return page.Cell{Text: f(v), Sort: sortKey(v, true)}
			}
			t.Rows = append(t.Rows, page.Row{Engine: row.engine.Name, Head: row.engine.Name, Cells: []page.Cell{cell(p.RatePerS, number), cell(p.AchievedPerS, number), cell(p.AchievedPerS/p.RatePerS, share4),
				cell(float64(p.PromisedNs), duration), cell(float64(p.LagP99Ns), duration), cell(float64(p.Dropped), number), cell(float64(p.Leases), number), {Text: shorten(outcome, 160), Left: true}}})
		}
	}
	return t
}

// timelineSection shows when stalls happen and what the engine was doing.
func (r *Report) timelineSection() (page.Section, error) {
	s := page.Section{ID: "timeline", Title: "Over time: stalls, checkpoints, compactions"}
	for i, group := range r.groups() {
		b := r.timelineBlock(group)
		if b == nil {
			continue
		}
		part, err := inline("chart-timeline-"+strconv.Itoa(i), r.timelineChart(b), r.timelineTable(b), "Every second of every trial is in timeline.csv.")
		if err != nil {
			return s, err
		}
		s.Parts = append(s.Parts, part)
	}
	return s, nil
}

func (r *Report) timelineTable(b *block) *page.Table {
	limit := plotTick(stallNs)
	t := &page.Table{Caption: "What the timeline shows, by engine, under " + b.durability, Columns: []page.Column{{Head: "engine", Left: true}, {Head: "trial"}, {Head: "seconds"}, {Head: "above " + limit}, {Head: "of these with background work"},
		{Head: "seconds with background work"}, {Head: "longest"}, {Head: "in second"}, {Head: "background work", Left: true}}}
	for _, line := range r.timelines(b) {
		all, busy := line.stalls()
		worst, second := line.worst()
		kinds := line.kinds()
		if kinds == "" {
			kinds = "none reported"
		} else {
			kinds = fmt.Sprintf("%s (%s)", kinds, plural(len(line.spans), "span"))
		}
		row := page.Row{Engine: line.row.engine.Name, Glyph: r.glyph(line.row), Head: line.row.name()}
		for _, n := range []int{line.trial, len(line.seconds), all, busy, line.busySeconds()} {
			row.Cells = append(row.Cells, page.Cell{Text: strconv.Itoa(n), Sort: strconv.Itoa(n)})
		}
		row.Cells = append(row.Cells, page.Cell{Text: duration(float64(worst)), Sort: sortKey(float64(worst), true)}, page.Cell{Text: strconv.Itoa(second + 1), Sort: strconv.Itoa(second + 1)}, page.Cell{Text: kinds, Left: true})
		t.Rows = append(t.Rows, row)
	}
	return t
}

// recoverySection shows the curve where there is one, and every kill.
func (r *Report) recoverySection() (page.Section, error) {
	s := page.Section{ID: "recovery", Title: "Recovery after kill -9"}
	for i, b := range r.curveBlocks {
		part, err := inline("chart-recovery-"+strconv.Itoa(i), r.curveChart(b), nil, "The table below holds its data.")
		if err != nil {
			return s, err
		}
		t := r.pageTable(b.table(), "Recovery under "+b.durability+". "+curveLegend, nil)
		for j, p := range b.points {
			t.Rows[j].Engine, t.Rows[j].ID = p.engine.Name, curveAnchor(b, p)
		}
		s.Parts = append(s.Parts, part, page.Part{Table: t})
	}
	for _, b := range slices.Backward(r.blocks) {
		if t := r.killTable(b); len(t.Rows) > 0 {
			s.Parts = append(s.Parts, page.Part{Table: t})
		}
	}
	if len(s.Parts) > 0 && len(r.curveBlocks) == 0 {
		s.Parts = append(s.Parts, page.Part{Text: "The curve against store size and log: <strong>not measured</strong> in this run; <code>orbitbench recover</code> takes it."})
	}
	return s, nil
}

func (r *Report) killTable(b *block) *page.Table {
	t := &page.Table{Caption: "From exec of a new process to its first verified read, under " + r.blockName(b) + b.recoveryText(), Columns: []page.Column{{Head: "engine", Left: true}, {Head: "kills"},
		{Group: "first read", Head: "median"}, {Group: "first read", Head: "lowest"}, {Group: "first read", Head: "highest"}, {Group: "median of", Head: "open alone"}, {Group: "median of", Head: "first write"}, {Head: "leases compared"}, {Head: "lost"}}}
	for _, row := range b.rows {
		v := &row.recovery
		if len(v.firstRead) == 0 {
			continue
		}
		line := page.Row{Engine: row.engine.Name, Glyph: r.glyph(row), Head: row.name(), Cells: []page.Cell{{Text: strconv.Itoa(len(v.firstRead)), Sort: strconv.Itoa(len(v.firstRead))}}, Alarm: v.lost > 0}
		mid, _ := median(v.firstRead)
		open, _ := median(v.open)
		write, _ := median(v.firstWrite)
		for _, ns := range []float64{mid, lowest(v.firstRead...), highest(v.firstRead...), open, write} {
			line.Cells = append(line.Cells, page.Cell{Text: duration(ns), Sort: sortKey(ns, true)})
		}
		for _, n := range []int{v.acknowledged, v.lost} {
			line.Cells = append(line.Cells, page.Cell{Text: number(float64(n)), Sort: strconv.Itoa(n)})
		}
		t.Rows = append(t.Rows, line)
	}
	return t
}

// resourcesSection shows what each engine uses.
func (r *Report) resourcesSection() (page.Section, error) {
	s := page.Section{ID: "resources", Title: "Resources"}
	for i, group := range r.groups() {
		b := r.resourcesBlock(group)
		if b == nil {
			continue
		}
		part, err := inline("chart-resources-"+strconv.Itoa(i), r.resourcesChart(b), r.memoryTable(b), "The comparison table of the class holds its data.")
		if err != nil {
			return s, err
		}
		s.Parts = append(s.Parts, part)
	}
	return s, nil
}

// memoryTable splits the resident set, which no chart shows.
func (r *Report) memoryTable(b *block) *page.Table {
	t := &page.Table{Caption: "Resident memory of the cell's process under " + b.durability + ", split; medians of the trials", Columns: []page.Column{{Head: "engine", Left: true}, {Head: "above the harness"}, {Head: "Go heap"}, {Head: "other Go"},
		{Head: "outside Go"}, {Head: "mapped files"}, {Head: "page cache"}}}
	for _, name := range machineColumns {
		t.Columns = append(t.Columns, page.Column{Group: "the machine meanwhile", Head: strings.ReplaceAll(strings.TrimSuffix(name, "_share"), "_", " ")})
	}
	for _, row := range resourceRows(b) {
		line := page.Row{Engine: row.engine.Name, Glyph: r.glyph(row), Head: row.name()}
		u := &row.use
		for _, values := range [][]float64{u.resident, u.goHeap, u.goOther, u.anonymous, u.mapped, u.pageCache} {
			m, ok := median(values)
			line.Cells = append(line.Cells, page.Cell{Text: medianField(values, size), Sort: sortKey(m, ok)})
		}
		for _, name := range machineColumns {
			values := u.machine[name]
			m, ok := median(values)
			line.Cells = append(line.Cells, page.Cell{Text: medianField(values, percent), Sort: sortKey(m, ok)})
		}
		t.Rows = append(t.Rows, line)
	}
	return t
}
