package history

import (
	"fmt"
	"math"

	"orbitbench/reports/chart"
	"orbitbench/reports/compare"
)

// Chart draws one series: a dot a run, a whisker over its trials, the level
// between changes, and a line at each change.
func (r *Result) Chart(s Series) *chart.Figure {
	page := chart.Page{
		Width: 640, Height: 320, Title: s.headline(r), Subtitle: []string{
			fmt.Sprintf("%s, %d runs. Dot: median over the trials of a run; whisker: their range; grey line: median between changes. Log scale.", s.Name(), len(s.Points)),
		},
		Note: fmt.Sprintf("Changes by E-divisive with a permutation test, p < %g.", Alpha),
	}
	return &chart.Figure{Width: page.Width, Height: page.Height, Title: page.Title, Description: page.Subtitle[0], Draw: func(c *chart.Canvas) {
		area := page.Draw(c)
		area.X0 += 52
		area.Y0 += 26
		s.draw(c, area, r)
	}}
}

// headline is the finding.
func (s Series) headline(r *Result) string {
	if len(s.Changes) == 0 {
		return fmt.Sprintf("%s %s: no change in %d runs", s.Engine, s.Figure, len(s.Points))
	}
	c := s.Changes[len(s.Changes)-1]
	return fmt.Sprintf("%s %s changed by %+.0f%% at %s, from %s to %s", s.Engine, s.Figure, 100*c.Share, r.Runs[c.Run].Name(), compare.Show(c.Before, s.Unit), compare.Show(c.After, s.Unit))
}

func (s Series) draw(c *chart.Canvas, area chart.Rect, r *Result) {
	lo, hi := math.Inf(1), 0.0
	for _, p := range s.Points {
		if p.Low > 0 {
			lo = min(lo, p.Low)
		}
		hi = max(hi, p.High)
	}
	if hi <= 0 {
		return
	}
	y := chart.Log{Lo: lo / 1.15, Hi: hi * 1.15, From: area.Y0, To: area.Y1}
	x := func(run float64) float64 {
		return area.X0 + 10 + (area.X1-area.X0-20)*run/max(1, float64(len(r.Runs)-1))
	}
	for _, v := range ticks(y.Lo, y.Hi) {
		c.GridY(area, y.At(v))
		c.Text(chart.Tick, chart.Point{X: area.X0 - 5, Y: y.At(v) - 3}, chart.Right, compare.Show(v, s.Unit))
	}
	c.XAxis(area)
	var tags []chart.Tag
	for i, run := range r.Runs {
		c.XTick(area, x(float64(i)), 4)
		tags = append(tags, chart.Tag{At: x(float64(i)), Text: run.Name()})
	}
	for _, t := range chart.SpreadTags(chart.Note, tags, 8) {
		c.Text(chart.Note, chart.Point{X: t.At, Y: area.Y0 - 13}, chart.Center, t.Text)
	}
	s.levels(c, area, x, y, len(r.Runs))
	style := chart.Styles([]string{s.Engine})[s.Engine]
	for _, p := range s.Points {
		at := x(float64(p.Run))
		if p.Low > 0 && p.High > p.Low {
			c.Line(chart.Stroke{Width: 1, Ink: style.Ink}, chart.Point{X: at, Y: y.At(p.Low)}, chart.Point{X: at, Y: y.At(p.High)})
		}
		c.Glyph(style.Shape, style.Ink, chart.Point{X: at, Y: y.At(p.Median)}, 2.8)
	}
}

// levels draws the median between changes, and a dashed line at each.
func (s Series) levels(c *chart.Canvas, area chart.Rect, x func(float64) float64, y chart.Log, runs int) {
	from := 0.0
	line := func(to, v float64) {
		if v > 0 {
			c.Line(chart.Stroke{Width: 1.7, Ink: chart.Axis}, chart.Point{X: x(from), Y: y.At(v)}, chart.Point{X: x(to), Y: y.At(v)})
		}
	}
	for i, ch := range s.Changes {
		at := float64(ch.Run) - 0.5
		line(at, ch.Before)
		c.Line(chart.Stroke{Width: .9, Ink: chart.Secondary, Dashes: []float64{3, 2}}, chart.Point{X: x(at), Y: area.Y0}, chart.Point{X: x(at), Y: area.Y1})
		c.Text(chart.Note, chart.Point{X: x(at) + 3, Y: area.Y1 - 8}, chart.Left, fmt.Sprintf("%+.0f%%", 100*ch.Share))
		from = at
		if i == len(s.Changes)-1 {
			line(float64(runs-1), ch.After)
		}
	}
}

// ticks are one, two and five times the powers of ten within a range; of a range
// that holds fewer than two, its ends.
func ticks(lo, hi float64) []float64 {
	var all []float64
	for e := math.Floor(math.Log10(lo)); e <= math.Log10(hi); e++ {
		for _, m := range []float64{1, 2, 5} {
			if v := m * math.Pow(10, e); v >= lo && v <= hi {
				all = append(all, v)
			}
		}
	}
	if len(all) < 2 {
		return []float64{lo * 1.05, math.Sqrt(lo * hi), hi / 1.05}
	}
	return all
}
