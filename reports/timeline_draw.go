package reports

import (
	"math"

	"orbitbench/harness/result"
	"orbitbench/reports/chart"
)

// drawTimelines draws the panels in two columns on one scale of latency.
func (r *Report) drawTimelines(c *chart.Canvas, room chart.Rect, lines []*timeline) {
	if len(lines) == 0 {
		return
	}
	lo, hi := math.Inf(1), 0.0
	length := 0.0
	for _, t := range lines {
		for _, s := range t.seconds {
			lo, hi = math.Min(lo, float64(max(s.P50Ns, 1))), math.Max(hi, float64(s.MaxNs))
			if len(s.Bins) > 0 {
				lo = math.Min(lo, math.Pow(10, float64(s.Bins[0][0])/result.BinsPerDecade))
			}
		}
		length = math.Max(length, t.length)
	}
	lo, hi = chart.WholeDecades(lo, math.Max(hi, 1))
	styles := r.styles()
	const yLabels, gap, head, foot, rail = 44.0, 14.0, 22.0, 18.0, 24.0
	rows := (len(lines) + 1) / 2
	width := (room.X1 - room.X0 - 2*yLabels - gap - 2*rail) / 2
	height := (room.Y1 - room.Y0 - 14) / float64(rows)
	for i, t := range lines {
		x0 := room.X0 + yLabels + float64(i%2)*(width+gap+yLabels+rail)
		top := room.Y1 - float64(i/2)*height
		a := chart.Rect{X0: x0, X1: x0 + width, Y0: top - height + foot, Y1: top - head}
		p := timelinePlot{timeline: t, area: a, length: length, y: chart.Log{Lo: lo, Hi: hi, From: a.Y0, To: a.Y1}}
		p.draw(c, styles[t.row.engine.Name], i/2 == rows-1 || i+2 >= len(lines))
	}
	c.Text(chart.AxisLabel, chart.Point{X: (room.X0 + room.X1) / 2, Y: room.Y0 + 2}, chart.Center, "seconds since the measured phase began")
}

// timelinePlot is one panel.
type timelinePlot struct {
	*timeline
	area   chart.Rect
	length float64 // seconds along the panel
	y      chart.Log
}

func (p timelinePlot) x(second float64) float64 {
	return p.area.X0 + (p.area.X1-p.area.X0)*math.Min(math.Max(second, 0), p.length)/p.length
}

func (p timelinePlot) draw(c *chart.Canvas, style chart.Style, last bool) {
	a := p.area
	c.Glyph(style.Shape, style.Ink, chart.Point{X: a.X0 + 3, Y: a.Y1 + 11}, 2.8)
	c.Text(chart.PanelHead, chart.Point{X: a.X0 + 10, Y: a.Y1 + 8}, chart.Left, p.row.label())
	p.drawSpans(c)
	p.drawHeat(c)
	decades := p.y.Decades()
	for i, ns := range decades {
		c.GridY(a, p.y.At(ns))
		if len(decades) <= 5 || i%2 == 0 {
			c.Text(chart.Tick, chart.Point{X: a.X0 - 4, Y: p.y.At(ns) - 3}, chart.Right, plotTick(ns))
		}
	}
	p.drawSeconds(c)
	c.XAxis(a)
	step := secondsStep(p.length)
	for s := 0.0; s <= p.length+1e-9; s += step {
		c.XTick(a, p.x(s), 3)
		c.Text(chart.Tick, chart.Point{X: p.x(s), Y: a.Y0 - 12}, chart.Center, number(s))
	}
}

// drawSpans shades the background work, and marks it at the top, where one
// that is too short to be seen as a shade still shows.
func (p timelinePlot) drawSpans(c *chart.Canvas) {
	for _, s := range p.spans {
		if s.EndS <= 0 || s.BeginS >= p.length {
			continue
		}
		x0, x1 := p.x(s.BeginS), p.x(s.EndS)
		c.Fill(chart.DarkBand, chart.Rect{X0: x0, X1: math.Max(x1, x0+.6), Y0: p.area.Y0, Y1: p.area.Y1})
	}
	for _, s := range p.spans {
		if s.EndS > 0 && s.BeginS < p.length {
			x0 := p.x(s.BeginS)
			c.Fill(chart.FloorInk, chart.Rect{X0: x0, X1: math.Max(p.x(s.EndS), x0+.8), Y0: p.area.Y1, Y1: p.area.Y1 + 2.5})
		}
	}
	if kinds := p.kinds(); kinds != "" {
		text := kinds
		for chart.Note.Width(text) > p.area.X1-p.area.X0-20-chart.PanelHead.Width(p.row.label()) && len(text) > 8 {
			text = shorten(kinds, len([]rune(text))-1)
		}
		c.Text(chart.Note, chart.Point{X: p.area.X1, Y: p.area.Y1 + 8}, chart.Right, text)
	}
}

// drawSeconds draws the lines of p50 and p99, with a gap where a second has no
// renewal, and the longest as ticks.
func (p timelinePlot) drawSeconds(c *chart.Canvas) {
	var p50s, p99s []chart.Point
	flush := func() {
		c.Line(chart.Stroke{Width: 3, Ink: chart.White}, p99s...)
		c.Line(chart.Stroke{Width: 1.5, Ink: chart.Ink}, p99s...)
		c.Line(chart.Stroke{Width: 1.1, Ink: chart.Ink, Dashes: []float64{3, 2}}, p50s...)
		p50s, p99s = nil, nil
	}
	half := math.Min(4, math.Max(.8, (p.area.X1-p.area.X0)/p.length*.35))
	for i, s := range p.seconds {
		at := p.x(float64(s.Second) + .5)
		if i > 0 && s.Second != p.seconds[i-1].Second+1 {
			flush()
		}
		p50s = append(p50s, chart.Point{X: at, Y: p.y.At(float64(s.P50Ns))})
		p99s = append(p99s, chart.Point{X: at, Y: p.y.At(float64(s.P99Ns))})
		top := p.y.At(float64(s.MaxNs))
		c.Line(chart.Stroke{Width: 1.2, Ink: chart.Secondary}, chart.Point{X: at - half, Y: top}, chart.Point{X: at + half, Y: top})
	}
	end99, end50 := p.seconds[len(p.seconds)-1].P99Ns, p.seconds[len(p.seconds)-1].P50Ns
	flush()
	places := chart.Dodge([]float64{p.y.At(float64(end50)), p.y.At(float64(end99))}, 9, p.area.Y0, p.area.Y1)
	for i, name := range []string{"p50", "p99"} {
		c.Text(chart.Note.In(chart.Ink), chart.Point{X: p.area.X1 + 4, Y: places[i] - 2.5}, chart.Left, name)
	}
}

// secondsStep is a round distance between ticks that leaves six or so.
func secondsStep(length float64) float64 {
	for _, step := range []float64{1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 3600} {
		if length/step <= 7 {
			return step
		}
	}
	return 3600 * math.Ceil(length/3600/7)
}
