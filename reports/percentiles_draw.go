package reports

import (
	"cmp"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"orbitbench/reports/chart"
)

// drawPercentiles lays the panels out and draws them.
func (r *Report) drawPercentiles(c *chart.Canvas, room chart.Rect, panels []*percentilePanel) {
	if len(panels) == 0 {
		return
	}
	styles := r.styles()
	lo, hi := r.percentileRange(panels)
	const yLabels, head, foot = 40.0, 28.0, 34.0
	r.placeLabels(panels)
	free := room.X1 - room.X0 - yLabels - panelGap*float64(len(panels)-1)
	for _, p := range panels {
		free -= p.rail
	}
	width := free / float64(len(panels))
	heads := percentileHeads(panels, width)
	x := room.X0 + yLabels
	for i, p := range panels {
		p.area = chart.Rect{X0: x, X1: x + width, Y0: room.Y0 + foot, Y1: room.Y1 - head}
		x += width + p.rail + panelGap
		p.y = chart.Log{Lo: lo, Hi: hi, From: p.area.Y0, To: p.area.Y1}
		p.x = chart.Log{Lo: firstNines, Hi: p.lastNines(), From: p.area.X0, To: p.area.X1}
		r.drawPercentileFrame(c, p, heads[i], i == 0)
		p.drawCurves(c, styles)
		p.drawLabels(c, styles)
	}
}

// lastNines is where a panel's percentile axis ends: with its longest curve.
func (p *percentilePanel) lastNines() float64 {
	last := 110.0
	for _, c := range p.curves {
		last = math.Max(last, c.points[len(c.points)-1].nines)
	}
	return last * 1.05
}

// percentileRange is the range of latencies that all panels share.
func (r *Report) percentileRange(panels []*percentilePanel) (lo, hi float64) {
	lo, hi = math.Inf(1), 0
	note := func(ns float64) { lo, hi = math.Min(lo, ns), math.Max(hi, ns) }
	if floor, ok := r.floorQuantile(.5); ok {
		note(float64(floor))
	}
	for _, p := range panels {
		for _, c := range p.curves {
			for _, pt := range c.points {
				note(pt.ns)
			}
		}
	}
	if hi == 0 {
		lo, hi = us, 1e6
	}
	return chart.WholeDecades(lo, hi)
}

// styles gives every engine of the run its look.
func (r *Report) styles() map[string]chart.Style {
	var names []string
	for _, e := range r.Run.Engines {
		names = append(names, e.Name)
	}
	return chart.Styles(names)
}

// placeLabels gives each engine's label to the last panel that shows it, and
// each panel the room that its labels take.
func (r *Report) placeLabels(panels []*percentilePanel) {
	labelled := map[string]bool{}
	for _, p := range slices.Backward(panels) {
		p.labels, p.rail = nil, 0
		for _, c := range p.curves {
			if name := c.row.label(); !labelled[name] {
				labelled[name] = true
				p.labels = append(p.labels, c.row)
				p.rail = math.Max(p.rail, leader+11+chart.Label.Width(name))
			}
		}
	}
}

// widestLabel is the room for a direct label at the right of a chart.
const widestLabel = 92.0

// label is what a chart calls the row: its title, without what stands in
// brackets where that is too long to stand beside a curve, or else its name.
func (r *row) label() string {
	variant := ""
	if r.path == "generic" {
		variant = " (generic)"
	}
	title := r.engine.Title
	if chart.Label.Width(title+variant) > widestLabel {
		title = brackets.ReplaceAllString(title, "")
	}
	if chart.Label.Width(title+variant) > widestLabel {
		return r.name()
	}
	return title + variant
}

var brackets = regexp.MustCompile(` \([^)]*\)`)

// drawPercentileFrame draws everything of a panel but its engines.
func (r *Report) drawPercentileFrame(c *chart.Canvas, p *percentilePanel, head string, first bool) {
	a := p.area
	c.Text(chart.PanelHead, chart.Point{X: a.X0, Y: a.Y1 + 18}, chart.Left, head)
	c.Text(chart.Note, chart.Point{X: a.X0, Y: a.Y1 + 7}, chart.Left, p.loop(a.X1-a.X0+p.rail+panelGap-4))
	band, claimed := r.claimBand(p)
	if claimed {
		c.Fill(chart.Band, band)
	}
	for _, ns := range p.y.Decades() {
		c.GridY(a, p.y.At(ns))
		if first {
			c.Text(chart.Tick, chart.Point{X: a.X0 - 4, Y: p.y.At(ns) - 3}, chart.Right, plotTick(ns))
		}
	}
	tags := []chart.Tag{{At: p.x.At(2), Text: "50"}}
	for _, nines := range p.x.Decades() {
		tags = append(tags, chart.Tag{At: p.x.At(nines), Text: percentileName(nines)})
	}
	for _, t := range tags {
		c.GridX(a, t.At)
	}
	c.XAxis(a)
	for _, t := range tags {
		c.XTick(a, t.At, 4)
	}
	for _, t := range chart.SpreadTags(chart.Tick, tags, 3) {
		c.Text(chart.Tick, chart.Point{X: t.At, Y: a.Y0 - 13}, chart.Center, t.Text)
	}
	c.Text(chart.AxisLabel, chart.Point{X: (a.X0 + a.X1) / 2, Y: a.Y0 - 27}, chart.Center, "percentile (log scale of nines)")
	if claimed {
		text := "claimed " + strings.NewReplacer("us", "µs", "-", "–").Replace(r.claimedWrites(p).String())
		var ys []float64
		for y := band.Y1 - 9.5; y > band.Y0+3; y -= 9 {
			ys = append(ys, y)
		}
		if len(ys) == 0 {
			ys = []float64{(band.Y0+band.Y1)/2 - 3}
		}
		p.write(c, text, ys...)
	}
	if floor, ok := r.floorQuantile(.5); ok {
		y := p.y.At(float64(floor))
		c.Line(chart.Stroke{Width: .9, Ink: chart.FloorInk, Dashes: []float64{4, 2.5}}, chart.Point{X: a.X0, Y: y}, chart.Point{X: a.X1, Y: y})
		text := "device floor, p50 " + plotTime(float64(floor))
		if a.X1-a.X0 < narrowPanel {
			text = "floor " + plotTime(float64(floor))
		}
		p.write(c, text, y-9, y+4)
	}
	y := a.Y1 - 9
	for _, remark := range p.remarks() {
		for _, line := range chart.Note.Wrap(remark, a.X1-a.X0-12) {
			c.Text(chart.Note, chart.Point{X: a.X0 + 5, Y: y}, chart.Left, line)
			y -= 9.5
		}
	}
}

// remarks say which engines have no curve, and which curves are not of the
// load that was asked for or of an engine that kept its data.
func (p *percentilePanel) remarks() []string {
	var out, missed, lost []string
	for _, c := range p.curves {
		if c.row.missedRate() {
			missed = append(missed, c.row.name())
		}
		if len(c.row.losses) > 0 {
			lost = append(lost, c.row.name())
		}
	}
	for _, r := range []struct {
		head  string
		names []string
	}{{"no line: ", p.absent}, {"missed the offered rate: ", missed}, {"lost data: ", lost}} {
		if len(r.names) > 0 {
			out = append(out, r.head+strings.Join(r.names, ", "))
		}
	}
	return out
}

// percentileHeads are the titles of the panels, in the longest form that all
// of them have room for.
func percentileHeads(panels []*percentilePanel, width float64) []string {
	forms := []func(durability string) string{
		func(d string) string { return d + " — " + classMeaning(d) },
		func(d string) string { return d + " — " + classInShort(d) },
		func(d string) string { return d },
	}
	var heads []string
	for _, form := range forms {
		heads = heads[:0]
		fit := true
		for _, p := range panels {
			head := form(p.block.durability)
			heads = append(heads, head)
			fit = fit && chart.PanelHead.Width(head) <= width+p.rail
		}
		if fit {
			break
		}
	}
	return heads
}

// loop says how the panel's load was offered, in as much room as it has.
func (p *percentilePanel) loop(room float64) string {
	params := p.block.params
	texts := []string{
		fmt.Sprintf("open loop, %s/s offered, latency from the intended start", round(params.RatePerS)),
		fmt.Sprintf("open loop, %s/s, from intended start", round(params.RatePerS)),
		fmt.Sprintf("open loop, %s/s", round(params.RatePerS)),
	}
	if params.Loop == "closed" {
		workers := plural(params.Workers, "worker")
		texts = []string{"closed loop, " + workers + ", latency from the call", "closed loop, " + workers}
	}
	for _, t := range texts {
		if chart.Note.Width(t) <= room {
			return t
		}
	}
	return params.Loop + " loop"
}

// claimedWrites is the span of all write claims of the panel's engines.
func (r *Report) claimedWrites(p *percentilePanel) span {
	s := span{math.Inf(1), 0}
	for _, c := range p.curves {
		if cl := claimFor(c.row.engine); cl != nil {
			s.lo, s.hi = math.Min(s.lo, cl.write.lo), math.Max(s.hi, cl.write.hi)
		}
	}
	return s
}

// claimBand is where the claims lie in a panel, if any do.
func (r *Report) claimBand(p *percentilePanel) (chart.Rect, bool) {
	s := r.claimedWrites(p)
	if s.hi <= p.y.Lo || s.lo >= p.y.Hi {
		return chart.Rect{}, false
	}
	return chart.Rect{X0: p.area.X0, X1: p.area.X1, Y0: p.y.At(s.lo), Y1: p.y.At(s.hi)}, true
}

// write puts a small text where the fewest curves run: at the left or the
// right end of the panel or between, at one of the heights; the first of equals.
func (p *percentilePanel) write(c *chart.Canvas, text string, ys ...float64) {
	w := chart.Note.Width(text)
	best, at := math.MaxInt, chart.Point{}
	for _, y := range ys {
		left, right := p.area.X0+5, p.area.X1-5-w
		for _, x := range []float64{left, right, (2*left + right) / 3, (left + 2*right) / 3} {
			box := chart.Rect{X0: x - 3, X1: x + w + 3, Y0: y - 3, Y1: y + 8}
			hit := 0
			if box.Y0 < p.area.Y0 {
				hit += 1000 // it would leave the panel
			}
			for _, curve := range p.curves {
				hit += p.crossings(curve, box)
			}
			if hit < best {
				best, at = hit, chart.Point{X: x, Y: y}
			}
		}
	}
	c.Text(chart.Note, at, chart.Left, text)
}

// crossings counts how much of a curve lies in a box, in quarters of its steps:
// where a curve is steep its points alone would jump over the box.
func (p *percentilePanel) crossings(curve percentileCurve, box chart.Rect) int {
	hits := 0
	for i := 1; i < len(curve.points); i++ {
		a, b := p.place(curve.points[i-1]), p.place(curve.points[i])
		for part := range 4 {
			f := float64(part) / 4
			if box.Contains(chart.Point{X: a.X + f*(b.X-a.X), Y: a.Y + f*(b.Y-a.Y)}) {
				hits++
			}
		}
	}
	return hits
}

func (p *percentilePanel) place(pt point) chart.Point {
	return chart.Point{X: p.x.At(pt.nines), Y: p.y.At(pt.ns)}
}

// drawCurves draws the engines' curves over white halos, the first engine on top.
func (p *percentilePanel) drawCurves(c *chart.Canvas, styles map[string]chart.Style) {
	for _, curve := range slices.Backward(p.curves) {
		style := styles[curve.row.engine.Name]
		var solid, dotted []chart.Point
		for _, pt := range curve.points {
			at := p.place(pt)
			if !pt.few {
				solid = append(solid, at)
				continue
			}
			if len(dotted) == 0 && len(solid) > 0 {
				dotted = append(dotted, solid[len(solid)-1])
			}
			dotted = append(dotted, at)
		}
		halo := chart.Stroke{Width: 3.2, Ink: chart.White}
		c.Line(halo, solid...)
		c.Line(halo, dotted...)
		c.Line(chart.Stroke{Width: 1.8, Ink: style.Ink}, solid...)
		c.Line(chart.Stroke{Width: 1.1, Ink: style.Ink, Dashes: []float64{1.4, 2.2}}, dotted...)
	}
	for _, curve := range slices.Backward(p.curves) {
		style := styles[curve.row.engine.Name]
		d := curve.row.latency(opWrite)
		for _, nines := range []float64{2, 10, 100, 1e3, 1e4, 1e5} {
			q := 1 - 1/nines
			if ns, ok := d.quantile(q); ok && !d.few(q) && nines < p.x.Hi {
				c.Glyph(style.Shape, style.Ink, p.place(point{nines: nines, ns: math.Max(1, float64(ns))}), 2.6)
			}
		}
	}
}

// drawLabels names the engines at the ends of their curves.
func (p *percentilePanel) drawLabels(c *chart.Canvas, styles map[string]chart.Style) {
	type end struct {
		row *row
		at  chart.Point
	}
	var ends []end
	for _, curve := range p.curves {
		if slices.Contains(p.labels, curve.row) {
			ends = append(ends, end{curve.row, p.place(curve.points[len(curve.points)-1])})
		}
	}
	slices.SortStableFunc(ends, func(a, b end) int { return cmp.Compare(a.at.Y, b.at.Y) })
	places := make([]float64, len(ends))
	for i, e := range ends {
		places[i] = e.at.Y
	}
	places = chart.Dodge(places, labelHeight, p.area.Y0+4, p.area.Y1-2)
	for i, e := range ends {
		style := styles[e.row.engine.Name]
		text := chart.Point{X: p.area.X1 + leader + 7, Y: places[i]}
		c.Line(chart.Stroke{Width: .7, Ink: style.Ink}, chart.Point{X: e.at.X + 1, Y: e.at.Y}, chart.Point{X: text.X - 10, Y: text.Y})
		c.Glyph(style.Shape, style.Ink, chart.Point{X: text.X - 5.5, Y: text.Y}, 2.4)
		c.Text(chart.Label.In(style.Dark()), chart.Point{X: text.X, Y: text.Y - 3.2}, chart.Left, e.row.label())
	}
}
