package chart

import "math"

// Log is a logarithmic scale from values to places on the page.
type Log struct {
	Lo, Hi float64 // values, 0 < Lo < Hi
	From   float64 // place of Lo, points
	To     float64 // place of Hi
}

// At returns the place of v. Values outside the scale are clamped to its ends;
// a value of 0 or less, which has no logarithm, counts as the lowest.
func (l Log) At(v float64) float64 {
	v = math.Min(math.Max(v, l.Lo), l.Hi)
	return l.From + (l.To-l.From)*math.Log(v/l.Lo)/math.Log(l.Hi/l.Lo)
}

// Decades returns the powers of ten within the scale.
func (l Log) Decades() []float64 {
	var out []float64
	for e := math.Ceil(math.Log10(l.Lo) - 1e-9); e <= math.Log10(l.Hi)+1e-9; e++ {
		out = append(out, math.Pow(10, e))
	}
	return out
}

// WholeDecades widens a range to powers of ten, at least one decade.
func WholeDecades(lo, hi float64) (float64, float64) {
	lo = math.Pow(10, math.Floor(math.Log10(lo)+1e-9))
	hi = math.Pow(10, math.Ceil(math.Log10(hi)-1e-9))
	if hi <= lo {
		hi = lo * 10
	}
	return lo, hi
}

// GridX draws a vertical grid line at x over the height of area.
func (c *Canvas) GridX(area Rect, x float64) {
	c.Line(Stroke{Width: .6, Ink: Grid}, Point{x, area.Y0}, Point{x, area.Y1})
}

// GridY draws a horizontal grid line at y over the width of area.
func (c *Canvas) GridY(area Rect, y float64) {
	c.Line(Stroke{Width: .6, Ink: Grid}, Point{area.X0, y}, Point{area.X1, y})
}

// XAxis draws the line of the horizontal axis.
func (c *Canvas) XAxis(area Rect) {
	c.Line(Stroke{Width: .75, Ink: Axis}, Point{area.X0, area.Y0}, Point{area.X1, area.Y0})
}

// XTick draws a tick below the axis, length 4 for a major one.
func (c *Canvas) XTick(area Rect, x, length float64) {
	c.Line(Stroke{Width: .6, Ink: Axis}, Point{x, area.Y0}, Point{x, area.Y0 - length})
}

// Tag is a text with its place on a line, such as the label of a tick.
type Tag struct {
	At   float64
	Text string
}

// SpreadTags returns the tags that can be written centred on their places
// without touching: the first, and then each that leaves gap points to the one
// before it.
func SpreadTags(f Font, tags []Tag, gap float64) []Tag {
	var out []Tag
	edge := math.Inf(-1)
	for _, t := range tags {
		half := f.Width(t.Text) / 2
		if t.At-half < edge+gap {
			continue
		}
		out = append(out, t)
		edge = t.At + half
	}
	return out
}

// Dodge moves places apart until neighbours are at least gap from each other
// and all lie within lo and hi where there is room, moving them as little as
// it can in sum of squares. The order of places is kept; places must ascend.
func Dodge(places []float64, gap, lo, hi float64) []float64 {
	// Subtracting i*gap turns "at least gap apart" into "not descending",
	// which pooling adjacent violators solves.
	type pool struct {
		sum float64
		n   int
	}
	var pools []pool
	for i, p := range places {
		pools = append(pools, pool{p - float64(i)*gap, 1})
		for len(pools) > 1 {
			a, b := pools[len(pools)-2], pools[len(pools)-1]
			if a.sum/float64(a.n) <= b.sum/float64(b.n) {
				break
			}
			pools = append(pools[:len(pools)-2], pool{a.sum + b.sum, a.n + b.n})
		}
	}
	out := make([]float64, 0, len(places))
	top := hi - float64(len(places)-1)*gap
	for _, p := range pools {
		at := math.Max(lo, math.Min(top, p.sum/float64(p.n)))
		for range p.n {
			out = append(out, at+float64(len(out))*gap)
		}
	}
	return out
}
