package reports

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"orbitbench/reports/chart"
)

// kneePoint is one rate of an engine in the knee plot: all its probes and trials.
type kneePoint struct {
	achieved   float64 // median, renewals/s
	lo, ns, hi float64 // latency at the promised percentile: lowest, median, highest
	kept       bool    // by most
}

type kneeCurve struct {
	row    *capacityRow
	points []kneePoint
}

const (
	kneeRail  = 120.0
	kneeStep  = 25.0 // between two labels
	kneeFloor = 1e3  // a latency below 1 us is drawn there
)

// kneeChart draws latency against throughput, a line for each engine, the promise
// as a line across, and rates that missed it crossed out.
func (r *Report) kneeChart(b *capacityBlock) *chart.Figure {
	title := r.kneeHeadline(b)
	name := b.percentile()
	return &chart.Figure{
		Width: 640, Height: 400, Title: title,
		Description: "Latency of renewals at " + name + " against achieved renewals per second, both on log scales, a line for each engine. The figures are in capacity.csv.",
		Draw: func(c *chart.Canvas) {
			page := chart.Page{Width: 640, Height: 400, Title: title, Subtitle: b.kneeSubtitle(name), Note: r.kneeNote(), Stamp: r.stamp()}
			r.drawKnee(c, page.Draw(c), b)
		},
	}
}

func (r *Report) kneeHeadline(b *capacityBlock) string {
	if b.promise == nil {
		return "No capacity was measured"
	}
	rows := b.ranked()
	promise := strings.ReplaceAll(b.promiseName(), "<=", "≤")
	switch {
	case len(rows) == 0:
		return fmt.Sprintf("No engine was confirmed to keep %s under %s", promise, b.durability)
	case len(rows) == 1:
		return fmt.Sprintf("%s holds %s leases at %s under %s", rows[0].label(), number(b.leases(rows[0].confirmedPerS)), promise, b.durability)
	}
	best, last := rows[0], rows[len(rows)-1]
	if best.meets(rows[1]) {
		return fmt.Sprintf("%s and %s hold about as many leases at %s under %s, %s", best.label(), rows[1].label(), promise, b.durability, number(b.leases(best.confirmedPerS)))
	}
	return fmt.Sprintf("%s holds %s the leases of %s at %s under %s", best.label(), plotFactor(best.confirmedPerS/last.confirmedPerS), last.label(), promise, b.durability)
}

func (b *capacityBlock) kneeSubtitle(name string) []string {
	if b.promise == nil {
		return []string{"Nothing was measured in this run."}
	}
	return []string{fmt.Sprintf("%s of renewals from their due time against achieved rate, open loop, log scales; leases = rate × %s. Bars: lowest to highest of the probes and trials of a rate. Cross: promise missed.",
		name, seconds(b.promise.RenewSeconds))}
}

func (r *Report) kneeNote() string {
	e := r.Run.Environment
	return strings.Trim(fmt.Sprintf("Short probes of a smaller store and confirmations with all leases loaded together. %s, %s on %s", e.CPUModel, e.FileSystem, e.Device), ", ")
}

// label is what a chart calls the row.
func (r *capacityRow) label() string { return (&row{engine: r.engine}).label() }

// kneeCurves are the engines' points, by rate.
func (b *capacityBlock) kneeCurves() []kneeCurve {
	var curves []kneeCurve
	for _, row := range b.rows {
		all := slices.Concat(row.probes, row.trials)
		curve := kneeCurve{row: row}
		for _, rate := range rates(all) {
			var ns, achieved []float64
			kept := 0
			for _, p := range all {
				if !sameRate(p.RatePerS, rate) || p.Renewals.Count == 0 {
					continue
				}
				ns, achieved = append(ns, math.Max(kneeFloor, float64(p.PromisedNs))), append(achieved, p.AchievedPerS)
				if p.Kept {
					kept++
				}
			}
			if len(ns) == 0 {
				continue
			}
			mid, _ := median(ns)
			at, _ := median(achieved)
			curve.points = append(curve.points, kneePoint{at, slices.Min(ns), mid, slices.Max(ns), 2*kept > len(ns)})
		}
		if len(curve.points) > 0 {
			curves = append(curves, curve)
		}
	}
	return curves
}

func (r *Report) drawKnee(c *chart.Canvas, room chart.Rect, b *capacityBlock) {
	curves := b.kneeCurves()
	if len(curves) == 0 || b.promise == nil {
		return
	}
	a := chart.Rect{X0: room.X0 + 40, X1: room.X1 - kneeRail, Y0: room.Y0 + 34, Y1: room.Y1 - 8}
	loX, hiX, loY, hiY := math.Inf(1), 0.0, float64(b.promise.LimitNs), float64(b.promise.LimitNs)
	for _, curve := range curves {
		for _, p := range curve.points {
			loX, hiX = math.Min(loX, p.achieved), math.Max(hiX, p.achieved)
			loY, hiY = math.Min(loY, p.lo), math.Max(hiY, p.hi)
		}
	}
	loY, hiY = chart.WholeDecades(loY, hiY)
	x := chart.Log{Lo: math.Max(loX, 1) * .85, Hi: hiX * 1.15, From: a.X0, To: a.X1}
	y := chart.Log{Lo: loY, Hi: hiY, From: a.Y0, To: a.Y1}
	drawLogFrame(c, a, x, y, plotTick, round)
	c.Text(chart.AxisLabel, chart.Point{X: (a.X0 + a.X1) / 2, Y: a.Y0 - 27}, chart.Center, "achieved renewals/s (log)")
	limit := y.At(float64(b.promise.LimitNs))
	c.Line(chart.Stroke{Width: .9, Ink: chart.FloorInk, Dashes: []float64{4, 2.5}}, chart.Point{X: a.X0, Y: limit}, chart.Point{X: a.X1, Y: limit})
	c.Text(chart.Note, chart.Point{X: a.X0 + 5, Y: limit + 4}, chart.Left, "promise "+strings.ReplaceAll(b.promiseName(), "<=", "≤"))
	styles := r.styles()
	for _, curve := range slices.Backward(curves) {
		curve.draw(c, x, y, styles[curve.row.engine.Name])
	}
	r.kneeLabels(c, a, b, curves, styles)
}

// draw draws one engine: solid between rates that were kept, dashed up to those
// that were missed.
func (k kneeCurve) draw(c *chart.Canvas, x, y chart.Log, style chart.Style) {
	at := func(p kneePoint) chart.Point { return chart.Point{X: x.At(p.achieved), Y: y.At(p.ns)} }
	for i := 1; i < len(k.points); i++ {
		p, q := k.points[i-1], k.points[i]
		if p.kept && q.kept {
			c.Line(chart.Stroke{Width: 3.2, Ink: chart.White}, at(p), at(q))
			c.Line(chart.Stroke{Width: 1.8, Ink: style.Ink}, at(p), at(q))
		} else {
			c.Line(chart.Stroke{Width: 1, Ink: style.Ink, Dashes: []float64{3, 2.2}}, at(p), at(q))
		}
	}
	for _, p := range k.points {
		whisker(c, x.At(p.achieved), y.At(p.lo), y.At(p.hi), style)
		if p.kept {
			c.Glyph(style.Shape, style.Ink, at(p), 2.6)
			continue
		}
		m, s := at(p), 2.6
		cross := chart.Stroke{Width: 1.1, Ink: style.Ink}
		c.Line(cross, chart.Point{X: m.X - s, Y: m.Y - s}, chart.Point{X: m.X + s, Y: m.Y + s})
		c.Line(cross, chart.Point{X: m.X - s, Y: m.Y + s}, chart.Point{X: m.X + s, Y: m.Y - s})
	}
}

// whisker draws a bar from the lowest to the highest at x, where they differ.
func whisker(c *chart.Canvas, x, lo, hi float64, style chart.Style) {
	if hi-lo < 1 {
		return
	}
	line := chart.Stroke{Width: .9, Ink: style.Ink}
	c.Line(line, chart.Point{X: x, Y: lo}, chart.Point{X: x, Y: hi})
	for _, y := range []float64{lo, hi} {
		c.Line(line, chart.Point{X: x - 2, Y: y}, chart.Point{X: x + 2, Y: y})
	}
}

// kneeLabels names the engines beside the plot, the most leases first.
func (r *Report) kneeLabels(c *chart.Canvas, a chart.Rect, b *capacityBlock, curves []kneeCurve, styles map[string]chart.Style) {
	sorted := slices.Clone(curves)
	slices.SortStableFunc(sorted, func(x, y kneeCurve) int { return cmp.Compare(y.row.confirmedPerS, x.row.confirmedPerS) })
	step := math.Min(kneeStep, (a.Y1-a.Y0)/float64(len(sorted)))
	for i, curve := range sorted {
		style := styles[curve.row.engine.Name]
		at := chart.Point{X: a.X1 + 20, Y: a.Y1 - 8 - float64(i)*step}
		c.Glyph(style.Shape, style.Ink, chart.Point{X: at.X - 7, Y: at.Y + 3.2}, 2.6)
		c.Text(chart.Label.In(style.Dark()), at, chart.Left, curve.row.label())
		c.Text(chart.Note, chart.Point{X: at.X, Y: at.Y - 9.5}, chart.Left, b.kneeText(curve.row))
	}
}

// kneeText is a capacity in few words.
func (b *capacityBlock) kneeText(r *capacityRow) string {
	switch {
	case r.confirmedPerS > 0 && r.refutedPerS > 0:
		return fmt.Sprintf("%s leases (not %s)", number(b.leases(r.confirmedPerS)), number(b.leases(r.refutedPerS)))
	case r.confirmedPerS > 0:
		return "at least " + number(b.leases(r.confirmedPerS)) + " leases"
	case r.refutedPerS > 0:
		return "fewer than " + number(b.leases(r.refutedPerS))
	}
	return "not confirmed"
}

// drawLogFrame draws the grid, the axes and their labels of a panel with two
// log scales.
func drawLogFrame(c *chart.Canvas, a chart.Rect, x, y chart.Log, yName, xName func(float64) string) {
	for _, v := range y.Decades() {
		c.GridY(a, y.At(v))
		c.Text(chart.Tick, chart.Point{X: a.X0 - 4, Y: y.At(v) - 3}, chart.Right, yName(v))
	}
	var tags []chart.Tag
	var minors []float64
	for decade := math.Pow(10, math.Floor(math.Log10(x.Lo))); decade <= x.Hi; decade *= 10 {
		for m := 1.0; m < 10; m++ {
			v := m * decade
			if v < x.Lo || v > x.Hi {
				continue
			}
			if m == 1 || x.Hi/x.Lo < 200 && (m == 2 || m == 5) {
				tags = append(tags, chart.Tag{At: x.At(v), Text: xName(v)})
			} else {
				minors = append(minors, x.At(v))
			}
		}
	}
	for _, t := range tags {
		c.GridX(a, t.At)
	}
	c.XAxis(a)
	for _, t := range tags {
		c.XTick(a, t.At, 4)
	}
	for _, at := range minors {
		c.XTick(a, at, 2)
	}
	for _, t := range chart.SpreadTags(chart.Tick, tags, 4) {
		c.Text(chart.Tick, chart.Point{X: t.At, Y: a.Y0 - 13}, chart.Center, t.Text)
	}
}
