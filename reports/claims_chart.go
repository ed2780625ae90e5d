package reports

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"orbitbench/reports/chart"
)

// condition is one durability class in the chart of claims.
type condition struct {
	block  *block
	hollow bool // the harder of the two
}

// claimsRow is one engine with a claim.
type claimsRow struct {
	label string
	claim *claim
	name  string // of the engine
	rows  []*row // by condition, nil where the class has no such engine
}

// extent is a measured figure of the chart: dot and end of its bar.
type extent struct{ lo, dot, hi float64 }

// claimsChart draws the claimed ranges and what was measured, for two
// durability classes at most: the strongest, and the one that the claims
// can be meant for.
func (r *Report) claimsChart(group string) *chart.Figure {
	conditions := r.conditions(group)
	rows := claimsRows(conditions)
	title := r.claimsHeadline(conditions, rows)
	height := 146 + 33*math.Max(2, float64(len(rows)))
	return &chart.Figure{
		Width: 760, Height: height, Title: title,
		Description: "For each engine and for write latency, read latency and recovery time: the range that the design note claims as a grey band, and the measured figure as a dot with a bar, on log scales. The figures are in table.csv.",
		Draw: func(c *chart.Canvas) {
			page := chart.Page{
				Width: 760, Height: height, Title: title, Note: r.claimsNote(conditions), Stamp: r.stamp(),
				Subtitle: []string{"Grey band = range claimed in the design note. Coloured bar = measured p50 to p99, dot = p50; for recovery lowest to highest, dot = median. Log scales."},
			}
			r.drawClaims(c, page.Draw(c), conditions, rows)
		},
	}
}

// conditions picks the classes to show. The note says nothing of durability:
// process is the weakest class in which a write means anything.
func (r *Report) conditions(group string) []condition {
	var blocks []*block
	for _, b := range r.blocks {
		if b.group == group {
			blocks = append(blocks, b)
		}
	}
	if len(blocks) == 0 {
		return nil
	}
	hard := blocks[len(blocks)-1]
	easy := blocks[0]
	for _, b := range blocks {
		if classOf(b.durability) == "process" {
			easy = b
		}
	}
	if easy == hard {
		return []condition{{hard, classOf(hard.durability) == "sync"}}
	}
	return []condition{{easy, false}, {hard, true}}
}

// claimsRows lists the engines that answer for a claim.
func claimsRows(conditions []condition) []claimsRow {
	var out []claimsRow
	for i, cond := range conditions {
		for _, measured := range cond.block.rows {
			c := claimFor(measured.engine)
			if c == nil {
				continue
			}
			at := slices.IndexFunc(out, func(o claimsRow) bool { return o.label == measured.label() })
			if at < 0 {
				at = len(out)
				out = append(out, claimsRow{measured.label(), c, measured.engine.Name, make([]*row, len(conditions))})
			}
			out[at].rows[i] = measured
		}
	}
	return out
}

// claimsHeadline counts the write claims that hold, by class.
func (r *Report) claimsHeadline(conditions []condition, rows []claimsRow) string {
	if len(rows) == 0 {
		return "No engine of this run answers for a claim of the design note"
	}
	var parts []string
	for i, cond := range conditions {
		holds, judged := 0, 0
		least, most := math.Inf(1), 0.0
		for _, row := range rows {
			if row.rows[i] == nil {
				continue
			}
			v := writeAspect.verdict(row.rows[i])
			if v.judged() {
				judged++
			}
			if v.holds() {
				holds++
			}
			if v.word == worse {
				least, most = math.Min(least, v.factor), math.Max(most, v.factor)
			}
		}
		if judged == 0 {
			continue
		}
		part := fmt.Sprintf("%d of %d hold under %s", holds, judged, cond.block.durability)
		lo, hi := plotFactor(least), plotFactor(most)
		switch {
		case most == 0:
		case lo == hi:
			part += fmt.Sprintf(", where p50 is %s the upper bound", hi)
		default:
			part += fmt.Sprintf(", where p50 is %s–%s the upper bound", strings.TrimSuffix(lo, "×"), hi)
		}
		parts = append(parts, part)
	}
	if len(parts) == 0 {
		return "None of the claimed write ranges could be judged"
	}
	return "Write claims: " + strings.Join(parts, "; ")
}

func (r *Report) claimsNote(conditions []condition) string {
	var parts []string
	for _, cond := range conditions {
		if cond.block.params != nil {
			parts = append(parts, cond.block.durability+": "+cond.block.loop())
		}
	}
	parts = append(parts, "the note gives no durability class, data size or hardware for its ranges")
	return strings.Join(parts, "; ") + "."
}

// claimsPanel is one column of the note's table in the chart.
type claimsPanel struct {
	title  string
	aspect aspect
	extent func(*row) (extent, bool)
	x      chart.Log
	area   chart.Rect
}

func claimsPanels() []*claimsPanel {
	latency := func(k opKey) func(*row) (extent, bool) {
		return func(r *row) (extent, bool) {
			lo, ok := p50(r, k)
			hi, have := r.latency(k).quantile(.99)
			return extent{lo, lo, math.Max(lo, float64(hi))}, ok && have
		}
	}
	return []*claimsPanel{
		{title: "Write latency (renew)", aspect: writeAspect, extent: latency(opWrite)},
		{title: "Read latency (get)", aspect: readAspect, extent: latency(opRead)},
		{title: "Recovery time", aspect: recoveryAspect, extent: func(r *row) (extent, bool) {
			m, ok := median(r.recovery.firstRead)
			return extent{lowest(r.recovery.firstRead...), m, highest(r.recovery.firstRead...)}, ok && m > 0
		}},
	}
}

// drawClaims lays out the three panels and draws them.
func (r *Report) drawClaims(c *chart.Canvas, room chart.Rect, conditions []condition, rows []claimsRow) {
	if len(rows) == 0 {
		return
	}
	styles := r.styles()
	names := 0.0
	for _, row := range rows {
		names = math.Max(names, chart.Tick.Width(row.label))
	}
	const head, foot, gap = 38.0, 36.0, 42.0
	panels := claimsPanels()
	left := room.X0 + names + 6
	width := (room.X1 - 8 - left - gap*float64(len(panels)-1)) / float64(len(panels))
	for i, p := range panels {
		x := left + float64(i)*(width+gap)
		p.area = chart.Rect{X0: x, X1: x + width, Y0: room.Y0 + foot, Y1: room.Y1 - head}
		p.x = chart.Log{From: p.area.X0, To: p.area.X1}
		p.x.Lo, p.x.Hi = r.claimsRange(p, rows)
		r.drawClaimsFrame(c, p, conditions, rows)
		for j, row := range rows {
			y := p.area.Y1 - (p.area.Y1-p.area.Y0)*(float64(j)+.5)/float64(len(rows))
			if i == 0 {
				c.Text(chart.Tick, chart.Point{X: p.area.X0 - 6, Y: y - 3}, chart.Right, row.label)
			}
			p.drawRow(c, y, row, conditions, styles[row.name])
		}
		if floor, ok := r.floorQuantile(.5); ok && i == 0 {
			p.drawFloor(c, float64(floor))
		}
	}
}

// claimsRange is the range of a panel's axis.
func (r *Report) claimsRange(p *claimsPanel, rows []claimsRow) (lo, hi float64) {
	lo, hi = math.Inf(1), 0
	note := func(ns float64) { lo, hi = math.Min(lo, ns), math.Max(hi, ns) }
	for _, row := range rows {
		claimed := p.aspect.claimed(row.claim)
		note(claimed.lo)
		note(claimed.hi)
		for _, measured := range row.rows {
			if measured == nil {
				continue
			}
			if e, ok := p.extent(measured); ok {
				note(e.lo)
				note(e.hi)
			}
		}
	}
	if floor, ok := r.floorQuantile(.5); ok && p.aspect.name == writeAspect.name {
		note(float64(floor))
	}
	return chart.WholeDecades(lo, hi)
}

// drawClaimsFrame draws a panel's axis, its grid, its bands and its key.
func (r *Report) drawClaimsFrame(c *chart.Canvas, p *claimsPanel, conditions []condition, rows []claimsRow) {
	a := p.area
	c.Text(chart.PanelHead, chart.Point{X: a.X0, Y: a.Y1 + 24}, chart.Left, p.title)
	height := (a.Y1 - a.Y0) / float64(len(rows))
	var tags []chart.Tag
	for _, ns := range p.x.Decades() {
		c.GridX(a, p.x.At(ns))
		tags = append(tags, chart.Tag{At: p.x.At(ns), Text: plotTick(ns)})
	}
	for j, row := range rows {
		y := a.Y1 - height*(float64(j)+.5)
		claimed := p.aspect.claimed(row.claim)
		c.Fill(chart.DarkBand, chart.Rect{X0: p.x.At(claimed.lo), X1: p.x.At(claimed.hi), Y0: y - 11, Y1: y + 11})
	}
	c.XAxis(a)
	for i, t := range tags {
		c.XTick(a, t.At, 4)
		for minor := 2.0; minor < 10 && i+1 < len(tags); minor++ {
			c.XTick(a, p.x.At(p.x.Decades()[i]*minor), 2)
		}
	}
	for _, t := range chart.SpreadTags(chart.Tick, tags, 4) {
		c.Text(chart.Tick, chart.Point{X: t.At, Y: a.Y0 - 13}, chart.Center, t.Text)
	}
	p.drawKey(c, conditions, rows)
}

// drawKey names the conditions under a panel.
func (p *claimsPanel) drawKey(c *chart.Canvas, conditions []condition, rows []claimsRow) {
	texts := make([]string, 0, len(conditions))
	hollow := make([]bool, 0, len(conditions))
	total := 0.0
	for i, cond := range conditions {
		text := cond.block.durability
		shown := false
		for _, row := range rows {
			if row.rows[i] == nil {
				continue
			}
			if _, ok := p.extent(row.rows[i]); ok {
				shown = true
				if p.aspect.name == recoveryAspect.name {
					v := row.rows[i].recovery
					text = fmt.Sprintf("%s, %s leases, %s cache", cond.block.durability, round(float64(v.leases)), v.cache)
				}
				break
			}
		}
		if !shown {
			continue
		}
		texts, hollow = append(texts, text), append(hollow, cond.hollow)
		total += chart.AxisLabel.Width(text) + 9
	}
	x := (p.area.X0+p.area.X1)/2 - (total+18*float64(max(0, len(texts)-1)))/2
	y := p.area.Y0 - 29
	for i, text := range texts {
		c.Marker(chart.Secondary, chart.Point{X: x + 2.5, Y: y + 3}, 2.5, hollow[i])
		c.Text(chart.AxisLabel, chart.Point{X: x + 9, Y: y}, chart.Left, text)
		x += chart.AxisLabel.Width(text) + 9 + 18
	}
}

// drawRow draws one engine's figures; where a class has none it says why.
func (p *claimsPanel) drawRow(c *chart.Canvas, y float64, row claimsRow, conditions []condition, style chart.Style) {
	var absent []string
	for i, cond := range conditions {
		measured := row.rows[i]
		at := y
		if len(conditions) > 1 {
			at = y + 4.6 - 9.2*float64(i)
		}
		if measured == nil {
			continue
		}
		e, ok := p.extent(measured)
		v := p.aspect.verdict(measured)
		switch {
		case ok && v.judged():
		case measured.status == statusOK && p.aspect.name == recoveryAspect.name && measured.recovery.reason == "":
			continue // not planned in this class: the key says so by leaving it out
		default:
			word, _, _ := strings.Cut(v.reason, ":")
			absent = append(absent, fmt.Sprintf("%s: %s", cond.block.durability, word))
			continue
		}
		c.Line(chart.Stroke{Width: 2.2, Ink: style.Ink}, chart.Point{X: p.x.At(e.lo), Y: at}, chart.Point{X: p.x.At(e.hi), Y: at})
		c.Marker(style.Ink, chart.Point{X: p.x.At(e.dot), Y: at}, 3, cond.hollow)
	}
	if len(absent) > 0 {
		text := strings.Join(absent, ", ")
		at, align := chart.Point{X: p.area.X1, Y: y - 8}, chart.Right
		if p.x.At(p.aspect.claimed(row.claim).hi) > p.area.X1-chart.Note.Width(text)-4 {
			at.X, align = p.area.X0+4, chart.Left // the band is where it would stand
		}
		c.Text(chart.Note, at, align, text)
	}
}

// drawFloor draws the device's own median write across the panel.
func (p *claimsPanel) drawFloor(c *chart.Canvas, ns float64) {
	x := p.x.At(ns)
	text := "floor p50 " + plotTime(ns)
	c.Line(chart.Stroke{Width: .9, Ink: chart.FloorInk, Dashes: []float64{4, 2.5}}, chart.Point{X: x, Y: p.area.Y0}, chart.Point{X: x, Y: p.area.Y1 + 3})
	at := chart.Point{X: x, Y: p.area.Y1 + 6}
	align := chart.Center
	switch half := chart.Note.Width(text) / 2; {
	case x+half > p.area.X1+12:
		at.X, align = p.area.X1+12, chart.Right
	case x-half < p.area.X0:
		at.X, align = p.area.X0, chart.Left
	}
	c.Text(chart.Note, at, align, text)
}
