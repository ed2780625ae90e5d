package reports

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"orbitbench/reports/chart"
)

// resourcePanels are the metrics that the chart of resources shows.
var resourcePanels = []struct{ key, title, subtitle string }{
	{"write_amplification", "Write amplification", "device bytes ÷ user bytes"},
	{"space_amplification", "Space amplification", "disk ÷ live data"},
	{"memory_per_million", "Memory per M leases", "resident, without mapped files"},
	{"cpu_per_op", "CPU per operation", "user + system, harness included"},
}

// resourcesBlock is the block whose resources the chart of a load shows: of the
// strongest class that has any. Nil without one.
func (r *Report) resourcesBlock(group string) *block {
	for _, b := range slices.Backward(r.blocks) {
		if b.group == group && len(resourceRows(b)) > 0 {
			return b
		}
	}
	return nil
}

func resourceRows(b *block) []*row {
	return slices.DeleteFunc(slices.Clone(b.rows), func(row *row) bool {
		return row.status != statusOK || !slices.ContainsFunc(resourcePanels, func(p struct{ key, title, subtitle string }) bool {
			_, ok := metricOf(p.key).value(row)
			return ok
		})
	})
}

// resourcesChart draws what each write costs beside time: bars from zero with
// their values, whiskers over the trials.
func (r *Report) resourcesChart(b *block) *chart.Figure {
	rows := resourceRows(b)
	title := r.resourcesHeadline(rows)
	height := 128 + 23*math.Max(2, float64(len(rows)))
	return &chart.Figure{
		Width: 760, Height: height, Title: title,
		Description: "Write amplification, space amplification, memory per million leases and processor time per operation of each engine under " + b.durability + ", as bars from zero; lower is better everywhere. The figures are in table.csv.",
		Draw: func(c *chart.Canvas) {
			page := chart.Page{Width: 760, Height: height, Title: title, Stamp: r.stamp(), Subtitle: []string{resourcesSubtitle(b, rows)}, Note: r.resourcesNote()}
			r.drawResources(c, page.Draw(c), rows)
		},
	}
}

// resourcesHeadline names the cheapest in each figure.
func (r *Report) resourcesHeadline(rows []*row) string {
	best := map[string][]string{}
	var order []string
	for _, p := range resourcePanels {
		m := metricOf(p.key)
		var first *row
		for _, row := range rows {
			v, ok := m.value(row)
			if !ok || row.engine.Role == "baseline" {
				continue
			}
			if first == nil {
				first = row
			} else if least, _ := m.value(first); v < least {
				first = row
			}
		}
		if first == nil {
			continue
		}
		if best[first.label()] == nil {
			order = append(order, first.label())
		}
		best[first.label()] = append(best[first.label()], strings.ToLower(p.title[:1])+p.title[1:])
	}
	if len(order) == 0 {
		return "No resource was measured"
	}
	var parts []string
	for _, name := range order {
		what := list(best[name])
		if len(best[name]) == len(resourcePanels) {
			what = "everything"
		}
		parts = append(parts, name+" in "+strings.ReplaceAll(strings.ReplaceAll(what, "cPU", "CPU"), "per M leases", "per lease"))
	}
	return "Cheapest: " + strings.Join(parts, "; ")
}

func resourcesSubtitle(b *block, rows []*row) string {
	text := "Under " + b.durability
	if b.params != nil {
		text += fmt.Sprintf(", %s leases, %s", round(float64(b.params.Actors)), b.loop())
	}
	if fewestTrials(rows) > 1 {
		text += ". Whiskers: lowest to highest trial"
	}
	return text + "; bold = lowest. All axes start at zero; lower is better everywhere."
}

func (r *Report) resourcesNote() string {
	e := r.Run.Environment
	return "A long bar that would hide the others is cut, with its value beside it. " + strings.Trim(fmt.Sprintf("%s, %s on %s", e.CPUModel, e.FileSystem, e.Device), ", ")
}

func (r *Report) drawResources(c *chart.Canvas, room chart.Rect, rows []*row) {
	if len(rows) == 0 {
		return
	}
	names := 0.0
	for _, row := range rows {
		names = math.Max(names, chart.Tick.Width(row.label()))
	}
	const head, gap = 36.0, 54.0
	left := room.X0 + names + 6
	n := float64(len(resourcePanels))
	width := (room.X1 - left - gap*n) / n
	for i, p := range resourcePanels {
		x := left + float64(i)*(width+gap)
		a := chart.Rect{X0: x, X1: x + width, Y0: room.Y0 + 6, Y1: room.Y1 - head}
		c.Text(chart.PanelHead, chart.Point{X: a.X0, Y: a.Y1 + 20}, chart.Left, p.title)
		c.Text(chart.Note, chart.Point{X: a.X0, Y: a.Y1 + 8}, chart.Left, p.subtitle)
		if i == 0 {
			for j, row := range rows {
				c.Text(chart.Tick, chart.Point{X: a.X0 - 6, Y: barMiddle(a, j, len(rows)) - 3}, chart.Right, row.label())
			}
		}
		r.drawBars(c, a, metricOf(p.key), rows)
		c.Line(chart.Stroke{Width: .75, Ink: chart.Axis}, chart.Point{X: a.X0, Y: a.Y0}, chart.Point{X: a.X0, Y: a.Y1})
	}
}

func barMiddle(a chart.Rect, j, n int) float64 {
	return a.Y1 - (a.Y1-a.Y0)*(float64(j)+.5)/float64(n)
}

// barEnd is where the axis of a panel ends: at the longest bar, unless one alone
// is more than four times the next.
func barEnd(values []float64) float64 {
	v := slices.Sorted(slices.Values(values))
	if len(v) > 1 && v[len(v)-2] > 0 && v[len(v)-1] > 4*v[len(v)-2] {
		return 1.25 * v[len(v)-2]
	}
	return v[len(v)-1]
}

func (r *Report) drawBars(c *chart.Canvas, a chart.Rect, m metric, rows []*row) {
	var values []float64
	for _, row := range rows {
		if v, ok := m.value(row); ok {
			_, hi := m.extremes(row)
			values = append(values, math.Max(v, hi))
		}
	}
	if len(values) == 0 {
		c.Text(chart.Note, chart.Point{X: a.X0 + 4, Y: (a.Y0 + a.Y1) / 2}, chart.Left, "not measured")
		return
	}
	end, least := math.Max(barEnd(values), 1e-9), math.Inf(1)
	for _, row := range rows {
		if v, ok := m.value(row); ok {
			least = math.Min(least, v)
		}
	}
	styles := r.styles()
	at := func(v float64) float64 { return a.X0 + (a.X1-a.X0)*math.Min(v/end, 1) }
	for j, row := range rows {
		y := barMiddle(a, j, len(rows))
		v, ok := m.value(row)
		if !ok {
			c.Text(chart.Note, chart.Point{X: a.X0 + 4, Y: y - 2.5}, chart.Left, "not measured")
			continue
		}
		c.Fill(styles[row.engine.Name].Ink, chart.Rect{X0: a.X0, X1: math.Max(at(v), a.X0+.5), Y0: y - 7, Y1: y + 7})
		tip := at(v)
		if v > end { // cut
			c.Line(chart.Stroke{Width: 2.5, Ink: chart.White}, chart.Point{X: tip - 9, Y: y - 9}, chart.Point{X: tip - 5, Y: y + 9})
		} else if lo, hi := m.extremes(row); hi > lo {
			horizontalWhisker(c, at(lo), at(hi), y)
			tip = math.Max(tip, at(hi))
		}
		font := chart.Tick
		font.Bold = v == least
		c.Text(font, chart.Point{X: tip + 5, Y: y - 3}, chart.Left, strings.ReplaceAll(strings.ReplaceAll(m.format(v), "us", "µs"), "x", "×"))
	}
}

// horizontalWhisker draws a range over a bar, readable on it and beside it.
func horizontalWhisker(c *chart.Canvas, x0, x1, y float64) {
	for _, s := range []chart.Stroke{{Width: 2.6, Ink: chart.White}, {Width: 1, Ink: chart.Ink}} {
		c.Line(s, chart.Point{X: x0, Y: y}, chart.Point{X: x1, Y: y})
		c.Line(s, chart.Point{X: x0, Y: y - 2.5}, chart.Point{X: x0, Y: y + 2.5})
		c.Line(s, chart.Point{X: x1, Y: y - 2.5}, chart.Point{X: x1, Y: y + 2.5})
	}
}
