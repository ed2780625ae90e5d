package reports

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"orbitbench/reports/chart"
)

// curveLine is one engine in a panel of the recovery chart.
type curveLine struct {
	point  *curvePoint // the one with the most leases
	leases []float64
	times  [][]float64 // ns by leases
}

const curveRail = 100.0

// curveChart draws the time to the first verified read against the leases in the
// store, cold beside warm, for the shortest log of the run.
func (r *Report) curveChart(b *curveBlock) *chart.Figure {
	title := b.headline()
	return &chart.Figure{
		Width: 760, Height: 400, Title: title,
		Description: "Time from the start of a process to its first verified read after kill -9, against the leases in the store, on log scales; a panel each for a cold and a warm page cache. The figures are in recovery_curve.csv.",
		Draw: func(c *chart.Canvas) {
			page := chart.Page{Width: 760, Height: 400, Title: title, Stamp: r.stamp(), Subtitle: []string{b.subtitle()}, Note: r.curveNote(b)}
			r.drawCurve(c, page.Draw(c), b)
		},
	}
}

// log is the one that the chart shows: the first of the points, the shortest.
func (b *curveBlock) log() string {
	for _, p := range b.points {
		if p.rec != nil {
			return p.wanted
		}
	}
	return ""
}

func (b *curveBlock) subtitle() string {
	n := 0
	for _, p := range b.points {
		n = max(n, len(p.read["cold"]))
	}
	return fmt.Sprintf("Time from process start to first verified read after SIGKILL under %s, log scales; a log of %s renewals since the checkpoint. Median of %d, whiskers lowest to highest.", b.durability, b.log(), n)
}

func (r *Report) curveNote(b *curveBlock) string {
	var absent []string
	for _, p := range b.points {
		if p.rec == nil && !slices.Contains(absent, p.engine.Name+" ("+string(p.status)+")") {
			absent = append(absent, p.engine.Name+" ("+string(p.status)+")")
		}
	}
	note := ""
	if len(absent) > 0 {
		note = "no point: " + strings.Join(absent, ", ") + ". "
	}
	e := r.Run.Environment
	return note + strings.Trim(fmt.Sprintf("%s, %s on %s", e.CPUModel, e.FileSystem, e.Device), ", ")
}

// lines are the engines' points at one cache state.
func (b *curveBlock) lines(cache string) []curveLine {
	var lines []curveLine
	for _, p := range b.points {
		if p.wanted != b.log() || len(p.read[cache]) == 0 {
			continue
		}
		i := slices.IndexFunc(lines, func(l curveLine) bool { return l.point.engine == p.engine })
		if i < 0 {
			i = len(lines)
			lines = append(lines, curveLine{})
		}
		l := &lines[i]
		l.point, l.leases, l.times = p, append(l.leases, float64(p.leases)), append(l.times, p.read[cache])
	}
	return lines
}

// headline compares the largest store with the smallest.
func (b *curveBlock) headline() string {
	lines := b.lines("cold")
	if len(lines) == 0 {
		lines = b.lines("warm")
	}
	if len(lines) == 0 {
		return "No recovery was measured"
	}
	last := func(l curveLine) float64 { m, _ := median(l.times[len(l.times)-1]); return m }
	best := slices.MinFunc(lines, func(x, y curveLine) int {
		return cmp.Or(cmp.Compare(y.point.leases, x.point.leases), cmp.Compare(last(x), last(y)))
	})
	label := (&row{engine: best.point.engine}).label()
	text := fmt.Sprintf("%s recovers %s leases in %s", label, round(float64(best.point.leases)), plotTime(last(best)))
	if worst := slices.MaxFunc(lines, func(x, y curveLine) int { return cmp.Compare(last(x), last(y)) }); worst.point.engine != best.point.engine && worst.point.leases == best.point.leases {
		text += fmt.Sprintf(", %s in %s", (&row{engine: worst.point.engine}).label(), plotTime(last(worst)))
	}
	return text
}

func (r *Report) drawCurve(c *chart.Canvas, room chart.Rect, b *curveBlock) {
	loX, hiX, loY, hiY := math.Inf(1), 0.0, math.Inf(1), 0.0
	for _, cache := range caches {
		for _, l := range b.lines(cache) {
			for i, n := range l.leases {
				loX, hiX = math.Min(loX, n), math.Max(hiX, n)
				loY, hiY = math.Min(loY, slices.Min(l.times[i])), math.Max(hiY, slices.Max(l.times[i]))
			}
		}
	}
	if hiX == 0 {
		return
	}
	loY, hiY = chart.WholeDecades(math.Max(loY, 1), math.Max(hiY, 1))
	const yLabels, gap = 44.0, 26.0
	width := (room.X1 - room.X0 - yLabels - gap - curveRail) / 2
	styles := r.styles()
	for i, cache := range caches {
		x0 := room.X0 + yLabels + float64(i)*(width+gap)
		a := chart.Rect{X0: x0, X1: x0 + width, Y0: room.Y0 + 34, Y1: room.Y1 - 20}
		x := chart.Log{Lo: loX / 1.4, Hi: hiX * 1.4, From: a.X0, To: a.X1}
		y := chart.Log{Lo: loY, Hi: hiY, From: a.Y0, To: a.Y1}
		name := plotTick
		if i > 0 {
			name = func(float64) string { return "" }
		}
		drawLogFrame(c, a, x, y, name, round)
		c.Text(chart.PanelHead, chart.Point{X: a.X0, Y: a.Y1 + 8}, chart.Left, map[string]string{"cold": "cold page cache", "warm": "warm page cache"}[cache])
		c.Text(chart.AxisLabel, chart.Point{X: (a.X0 + a.X1) / 2, Y: a.Y0 - 27}, chart.Center, "leases in the store (log)")
		lines := b.lines(cache)
		for k, l := range slices.Backward(lines) {
			l.draw(c, x, y, styles[l.point.engine.Name], (float64(k)-float64(len(lines)-1)/2)*2)
		}
		if i == len(caches)-1 {
			curveLabels(c, a, y, lines, styles)
		}
	}
}

// draw draws one engine, aside by so many points so that whiskers do not hide each other.
func (l curveLine) draw(c *chart.Canvas, x, y chart.Log, style chart.Style, aside float64) {
	var at []chart.Point
	for i, n := range l.leases {
		m, _ := median(l.times[i])
		at = append(at, chart.Point{X: x.At(n) + aside, Y: y.At(m)})
	}
	c.Line(chart.Stroke{Width: 3.2, Ink: chart.White}, at...)
	c.Line(chart.Stroke{Width: 1.8, Ink: style.Ink}, at...)
	for i, p := range at {
		whisker(c, p.X, y.At(slices.Min(l.times[i])), y.At(slices.Max(l.times[i])), style)
		c.Glyph(style.Shape, style.Ink, p, 2.6)
	}
}

func curveLabels(c *chart.Canvas, a chart.Rect, y chart.Log, lines []curveLine, styles map[string]chart.Style) {
	end := func(l curveLine) float64 { m, _ := median(l.times[len(l.times)-1]); return y.At(m) }
	sorted := slices.Clone(lines)
	slices.SortStableFunc(sorted, func(p, q curveLine) int { return cmp.Compare(end(p), end(q)) })
	places := make([]float64, len(sorted))
	for i, l := range sorted {
		places[i] = end(l)
	}
	for i, at := range chart.Dodge(places, labelHeight, a.Y0+4, a.Y1-2) {
		l := sorted[i]
		style := styles[l.point.engine.Name]
		c.Line(chart.Stroke{Width: .7, Ink: style.Ink}, chart.Point{X: a.X1 + 2, Y: end(l)}, chart.Point{X: a.X1 + 9, Y: at})
		c.Glyph(style.Shape, style.Ink, chart.Point{X: a.X1 + 14, Y: at}, 2.4)
		c.Text(chart.Label.In(style.Dark()), chart.Point{X: a.X1 + 20, Y: at - 3.2}, chart.Left, (&row{engine: l.point.engine}).label())
	}
}
