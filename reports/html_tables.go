package reports

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"orbitbench/reports/page"
)

// sortKey is what the page's script compares.
func sortKey(v float64, ok bool) string {
	if !ok || math.IsNaN(v) || math.IsInf(v, 0) {
		return ""
	}
	return strconv.FormatFloat(v, 'g', 8, 64)
}

// measure reads a figure as tables show it back into a number that sorts:
// "1.20 ms (1.1-1.3 ms)", "60.1 k", "9.2x". Not ok for what is no figure.
func measure(text string) (float64, bool) {
	text = strings.TrimLeft(strings.ReplaceAll(text, fewMark, ""), "<>= ")
	fields := strings.Fields(strings.SplitN(text, "/", 2)[0])
	if len(fields) == 0 {
		return 0, false
	}
	head := strings.TrimRight(fields[0], "x×%,;)")
	v, err := strconv.ParseFloat(head, 64)
	if err != nil {
		return 0, false
	}
	if len(fields) > 1 {
		name := strings.TrimRight(fields[1], ",;)")
		for _, units := range [][]unit{timeUnits, byteUnits, {{1e3, "k"}, {1e6, "M"}, {1e9, "G"}}} {
			for _, u := range units {
				if u.name == name {
					return v * u.size, true
				}
			}
		}
	}
	return v, true
}

// pageTable makes a table of a terminal's one for the page. of says whose a line is,
// nil where lines belong to nobody.
func (r *Report) pageTable(t *table, caption string, of func(int) (anchor string, row *row)) *page.Table {
	out := &page.Table{Caption: caption}
	for _, c := range t.columns {
		out.Columns = append(out.Columns, page.Column{Group: c.group, Head: c.head, Left: c.left})
	}
	for i, line := range t.rows {
		row := page.Row{Head: line.cells[0], Note: line.note, Alarm: line.style == alarm, Flags: line.flags}
		if of != nil {
			id, whose := of(i)
			row.ID, row.Engine, row.Glyph = id, whose.engine.Name, r.glyph(whose)
		}
		if line.note == "" {
			for j, text := range line.cells[1:] {
				v, ok := measure(text)
				row.Cells = append(row.Cells, page.Cell{Text: text, Sort: sortKey(v, ok), Left: t.columns[j+1].left})
			}
		}
		out.Rows = append(out.Rows, row)
	}
	return out
}

// comparisonSection is a table for each load and class: every figure with its
// interval over the trials, its ratio to the best and what was claimed for it.
func (r *Report) comparisonSection() (page.Section, error) {
	s := page.Section{ID: "comparison", Title: "Comparison by durability class"}
	for _, b := range slices.Backward(r.blocks) {
		s.Parts = append(s.Parts, page.Part{Heading: r.blockName(b) + ": " + classMeaning(b.durability), ID: r.blockAnchor(b), Table: r.comparisonTable(b, b.load(), true)})
		if more := r.comparisonTable(b, "What each engine uses under "+r.blockName(b)+", and what it is to keep, by proxy", false); len(more.Columns) > 1 {
			s.Parts = append(s.Parts, page.Part{Folded: "Complexity, memory and resources in full", Table: more})
		}
		if text := b.promises(); text != "" {
			s.Parts = append(s.Parts, page.Part{Text: r.linked(text, b)})
		}
		if t := r.evidenceTable(b); len(t.Rows) > 0 {
			s.Parts = append(s.Parts, page.Part{Folded: "How they were told apart", Table: t})
		}
		if b.noise != nil {
			s.Parts = append(s.Parts, page.Part{Text: r.linked(b.noise.String(), b)})
		}
	}
	if len(r.blocks) > 0 {
		s.Parts = append(s.Parts, page.Part{Text: "Below a figure: the 95% confidence interval of the median over the trials (fewer than six: lowest to highest of them), its ratio to the lowest of the table, and the range that the design note claims. " +
			"Bold is the lowest; baselines and rows that are not ranked are never bold. * marks fewer than ten samples above a percentile."})
	}
	return s, nil
}

// noteMetrics are those of the main table, which has the columns of the design
// note's; the others stand in a second one.
var noteMetrics = []string{"write_p50", "write_p99", "write_p999", "read_p50", "read_p99", "recovery", "lines", "memory"}

// comparisonTable is the main table of a block, or the one with the rest.
func (r *Report) comparisonTable(b *block, caption string, main bool) *page.Table {
	t := &page.Table{Caption: caption, Columns: []page.Column{{Head: "engine", Left: true}}}
	var shown []metric
	for _, m := range metrics {
		if slices.Contains(noteMetrics, m.key) == main && slices.ContainsFunc(b.rows, func(row *row) bool { return row.status == statusOK && m.show(row) != noFigure }) {
			shown = append(shown, m)
			t.Columns = append(t.Columns, page.Column{Group: m.group, Head: m.head, Href: glossaryHref(m.key)})
		}
	}
	if main {
		t.Columns = append(t.Columns, page.Column{Group: "write p50", Head: "/floor", Href: glossaryHref("floor")}, page.Column{Group: "renewals", Head: "n"}, page.Column{Group: "trials", Head: "validity", Left: true})
	}
	ranked := b.ranked()
	for _, row := range b.rows {
		line := page.Row{Engine: row.engine.Name, Glyph: r.glyph(row), Head: row.name(), Alarm: row.status == statusFailed || len(row.losses) > 0}
		if main {
			line.ID, line.Flags = r.anchor(b, row), row.flags
		}
		if row.status != statusOK {
			line.Note = string(row.status) + ": " + row.reason
			t.Rows = append(t.Rows, line)
			continue
		}
		for _, m := range shown {
			line.Cells = append(line.Cells, figureCell(m, row, leastOf(m, ranked), slices.Contains(ranked, row)))
		}
		if main {
			f, ok := r.floorRatio(row.latency(opWrite), .5)
			n := row.latency(opWrite).count()
			line.Cells = append(line.Cells, page.Cell{Text: ratioField(f, ok), Sort: sortKey(f, ok)}, page.Cell{Text: countField(opWrite)(r, row), Sort: sortKey(float64(n), n > 0)}, page.Cell{Text: row.validity.String(), Left: true})
		}
		t.Rows = append(t.Rows, line)
	}
	return t
}

// leastOf is the lowest figure of the rows, 0 where there is none to take a ratio to.
func leastOf(m metric, rows []*row) float64 {
	least := math.Inf(1)
	for _, row := range rows {
		if v, ok := m.value(row); ok {
			least = math.Min(least, v)
		}
	}
	if math.IsInf(least, 1) {
		return 0
	}
	return least
}

// figureCell is one figure with what stands below it.
func figureCell(m metric, row *row, best float64, ranked bool) page.Cell {
	v, ok := m.value(row)
	c := page.Cell{Text: m.show(row), Sort: sortKey(v, ok)}
	if !ok {
		return c
	}
	if lo, hi, interval, ok := m.between(row); ok {
		text := rangeText(m.format(lo), m.format(hi))
		if interval {
			text = "CI " + text
		}
		c.Subs = append(c.Subs, text)
	}
	if best > 0 && v > 0 {
		if ranked && v == best {
			c.Best = true
		} else {
			c.Subs = append(c.Subs, factor(v/best)+" best")
		}
	}
	if cl := claimFor(row.engine); cl != nil && m.claimed != nil {
		c.Subs = append(c.Subs, "claimed "+m.claimed(cl).String())
	}
	return c
}

// rangeText joins two figures, with the unit once where both have the same.
func rangeText(lo, hi string) string {
	lv, lu, _ := strings.Cut(lo, " ")
	hv, hu, _ := strings.Cut(hi, " ")
	if lu == hu {
		return strings.TrimSuffix(lv, "x") + "–" + strings.TrimSpace(hv+" "+hu)
	}
	return lo + "–" + hi
}

// claimsSection judges the design note's ranges.
func (r *Report) claimsSection() (page.Section, error) {
	s := page.Section{ID: "claims", Title: "Claimed against measured"}
	for i, group := range r.groups() {
		if len(r.blocks) == 0 {
			break
		}
		part, err := inline("chart-claims-"+strconv.Itoa(i), r.claimsChart(group), nil, "The tables below hold its data.")
		if err != nil {
			return s, err
		}
		s.Parts = append(s.Parts, part)
		for _, b := range slices.Backward(r.blocks) {
			if b.group == group {
				s.Parts = append(s.Parts, r.claimsPart(b)...)
			}
		}
	}
	return s, nil
}

func (r *Report) claimsPart(b *block) []page.Part {
	t := &page.Table{ID: r.claimsAnchor(b), Caption: "Claimed against measured under " + r.blockName(b), Columns: []page.Column{{Head: "engine", Left: true}, {Head: "answers for", Left: true}}}
	_, notes := r.claimsTable(b)
	rows := slices.DeleteFunc(slices.Clone(b.rows), func(row *row) bool { return claimFor(row.engine) == nil || !row.hasFigures() })
	shown := slices.DeleteFunc(slices.Clone(aspects), func(a aspect) bool { return a.unjudged(rows) != "" })
	for _, a := range shown {
		t.Columns = append(t.Columns, page.Column{Group: a.name + " " + a.central, Head: "claimed"}, page.Column{Group: a.name + " " + a.central, Head: "measured"},
			page.Column{Group: a.name + " " + a.central, Head: "verdict", Href: glossaryHref("claim"), Left: true})
	}
	for _, row := range rows {
		c := claimFor(row.engine)
		line := page.Row{Engine: row.engine.Name, Glyph: r.glyph(row), Head: row.name(), Cells: []page.Cell{{Text: c.title, Left: true}}}
		for _, a := range shown {
			claimed, v := a.claimed(c), a.verdict(row)
			ns, ok := a.figure(row)
			measured := noFigure
			if ok {
				measured = duration(ns)
			}
			verdict := page.Cell{Text: v.String(), Left: true, Href: "#" + r.anchor(b, row)}
			if v.reason != "" {
				verdict.Subs = append(verdict.Subs, shorten(v.reason, 60))
			}
			if a.name == writeAspect.name && v.judged() && r.belowFloor(c, b.durability) {
				verdict.Subs = append(verdict.Subs, "claim < floor")
			}
			line.Cells = append(line.Cells, page.Cell{Text: claimed.String(), Sort: sortKey(claimed.lo, true)}, page.Cell{Text: measured, Sort: sortKey(ns, ok)}, verdict)
		}
		t.Rows = append(t.Rows, line)
	}
	if len(t.Rows) == 0 {
		return nil
	}
	parts := []page.Part{{Table: t}}
	for _, n := range notes {
		parts = append(parts, page.Part{Text: r.linked(sentence(n), nil)})
	}
	return parts
}

// percentileSection shows the distributions of a load.
func (r *Report) percentileSection() (page.Section, error) {
	s := page.Section{ID: "percentiles", Title: "Latency by percentile"}
	for i, group := range r.groups() {
		if !slices.ContainsFunc(r.blocks, func(b *block) bool { return b.group == group && b.params != nil }) {
			continue
		}
		part, err := inline("chart-percentiles-"+strconv.Itoa(i), r.percentileChart(group), r.quantileTable(group), "")
		if err != nil {
			return s, err
		}
		s.Parts = append(s.Parts, part)
	}
	if t := r.operationsTable(); len(t.Rows) > 0 {
		s.Parts = append(s.Parts, page.Part{Folded: "Every operation and outcome", Table: t})
	}
	return s, nil
}

// quantileTable holds the points of the percentile chart.
func (r *Report) quantileTable(group string) *page.Table {
	t := &page.Table{Caption: "Latency of renewals by percentile", Columns: []page.Column{{Head: "engine", Left: true}, {Head: "class", Left: true}}}
	names := []string{"p50", "p90", "p99", "p99.9", "p99.99", "max"}
	for _, n := range append(names, "n") {
		t.Columns = append(t.Columns, page.Column{Head: n})
	}
	for _, b := range r.blocks {
		if b.group != group {
			continue
		}
		for _, row := range b.rows {
			d := row.latency(opWrite)
			if d.count() == 0 {
				continue
			}
			line := page.Row{Engine: row.engine.Name, Glyph: r.glyph(row), Head: row.name(), Cells: []page.Cell{{Text: b.durability, Left: true}}}
			for _, q := range []float64{.5, .9, .99, .999, .9999, 1} {
				ns, ok := d.quantile(q)
				line.Cells = append(line.Cells, page.Cell{Text: quantileText(d, q), Sort: sortKey(float64(ns), ok)})
			}
			line.Cells[len(line.Cells)-1].Text = strings.TrimSuffix(line.Cells[len(line.Cells)-1].Text, fewMark)
			line.Cells = append(line.Cells, page.Cell{Text: number(float64(d.count())), Sort: sortKey(float64(d.count()), true)})
			t.Rows = append(t.Rows, line)
		}
	}
	return t
}

// operationsTable lists every operation and outcome of every block.
func (r *Report) operationsTable() *page.Table {
	t := &page.Table{Caption: "Every operation and outcome. Service runs from the call to its return; in a closed loop it is the latency.", Columns: []page.Column{{Head: "engine", Left: true}, {Head: "class", Left: true}, {Head: "operation", Left: true}, {Head: "outcome", Left: true},
		{Head: "n"}, {Head: "p50"}, {Head: "p99"}, {Head: "p99.9"}, {Head: "service p50"}, {Head: "service p99"}}}
	for _, b := range r.allBlocks() {
		for _, row := range b.rows {
			for _, k := range row.keys() {
				o := row.ops[k]
				n := o.latency.count()
				line := page.Row{Engine: row.engine.Name, Glyph: r.glyph(row), Head: row.name(), Cells: []page.Cell{{Text: r.nameOf(b), Left: true}, {Text: k.name, Left: true}, {Text: k.outcome, Left: true},
					{Text: number(float64(n)), Sort: sortKey(float64(n), true)}}}
				for _, f := range []struct {
					d *dist
					q float64
				}{{o.latency, .5}, {o.latency, .99}, {o.latency, .999}, {o.service, .5}, {o.service, .99}} {
					ns, ok := f.d.quantile(f.q)
					line.Cells = append(line.Cells, page.Cell{Text: quantileText(f.d, f.q), Sort: sortKey(float64(ns), ok)})
				}
				t.Rows = append(t.Rows, line)
			}
		}
	}
	return t
}
