package chart

import (
	"image/color"
	"math"

	"gonum.org/v1/plot/vg"
)

// The inks of everything that is no engine.
var (
	Ink       = rgb(0x222222)
	Secondary = rgb(0x666666)
	Axis      = rgb(0x9A9A9A)
	Grid      = rgb(0xE4E4E4)
	Band      = rgb(0xF0F0F0) // a claimed range behind curves
	DarkBand  = rgb(0xD6D6D6) // a claimed range on its own
	FloorInk  = rgb(0x555555)
	White     = rgb(0xFFFFFF)
)

func rgb(v uint32) color.NRGBA {
	return color.NRGBA{R: uint8(v >> 16), G: uint8(v >> 8), B: uint8(v), A: 255}
}

// Shape is a glyph.
type Shape int

// The shapes. Colour never stands alone: every engine has a shape of its own.
const (
	Disc Shape = iota
	Square
	OpenSquare
	Triangle
	OpenTriangle
	Circle
	Diamond
	OpenDiamond
	Cross
	Plus
	Inverted
	OpenInverted
)

// Style is how an engine looks in every figure.
type Style struct {
	Ink   color.NRGBA
	Shape Shape
}

// Dark is the engine's ink for text, which needs more contrast than a line.
func (s Style) Dark() color.NRGBA {
	d := func(v uint8) uint8 { return uint8(float64(v) * 0.8) }
	return color.NRGBA{d(s.Ink.R), d(s.Ink.G), d(s.Ink.B), 255}
}

// styles are the engines that the design note names. Any two of these colours
// can be told apart under simulated deuteranopia and protanopia, and each has a
// contrast of at least 3:1 with white.
var styles = map[string]Style{
	"cowbtree":   {rgb(0x332288), Disc},
	"mmapwal":    {rgb(0xC98500), OpenSquare},
	"appendlog":  {rgb(0x117733), OpenTriangle},
	"actorstore": {rgb(0xAA3377), Triangle},
	"rocksdb":    {rgb(0xEE6677), Square},
	"pebble":     {rgb(0x2E9BD6), Circle},
	"bbolt":      {rgb(0x5E5E5E), Diamond},
	"memory":     {rgb(0x8C8C8C), Cross},
}

// spare are the looks of engines without one of their own: greys, told apart
// by their glyphs.
var spare = []Style{
	{rgb(0x747474), OpenDiamond}, {rgb(0x8C8C8C), Plus}, {rgb(0x3C3C3C), Inverted}, {rgb(0x747474), OpenInverted},
}

// Styles assigns a style to each of the engines, in their order.
func Styles(names []string) map[string]Style {
	out := map[string]Style{}
	next := 0
	for _, n := range names {
		s, ok := styles[n]
		if !ok {
			s = spare[next%len(spare)]
			next++
		}
		out[n] = s
	}
	return out
}

// Glyph draws a shape of that radius around p, over a white disc that parts it
// from the lines below.
func (c *Canvas) Glyph(s Shape, ink color.Color, p Point, radius float64) {
	c.disc(White, p, radius+1.1)
	line := Stroke{Width: 1, Ink: ink}
	at := func(x, y float64) Point { return Point{p.X + x*radius, p.Y + y*radius} }
	corners := map[Shape][]Point{}
	square := []Point{at(-.85, -.85), at(.85, -.85), at(.85, .85), at(-.85, .85)}
	up := []Point{at(0, 1.2), at(-1.04, -.65), at(1.04, -.65)}
	down := []Point{at(0, -1.2), at(-1.04, .65), at(1.04, .65)}
	diamond := []Point{at(0, 1.2), at(-1.1, 0), at(0, -1.2), at(1.1, 0)}
	corners[Square], corners[OpenSquare] = square, square
	corners[Triangle], corners[OpenTriangle] = up, up
	corners[Inverted], corners[OpenInverted] = down, down
	corners[Diamond], corners[OpenDiamond] = diamond, diamond
	switch s {
	case Disc:
		c.disc(ink, p, radius)
	case Circle:
		c.disc(ink, p, radius+.3)
		c.disc(White, p, radius-.8)
	case Cross:
		c.Line(Stroke{Width: 1.3, Ink: ink}, at(-.8, -.8), at(.8, .8))
		c.Line(Stroke{Width: 1.3, Ink: ink}, at(-.8, .8), at(.8, -.8))
	case Plus:
		c.Line(Stroke{Width: 1.3, Ink: ink}, at(-1, 0), at(1, 0))
		c.Line(Stroke{Width: 1.3, Ink: ink}, at(0, -1), at(0, 1))
	case OpenSquare, OpenTriangle, OpenInverted, OpenDiamond:
		c.polygon(White, corners[s]...)
		outline := corners[s]
		c.Line(line, append(append([]Point{}, outline...), outline[0], outline[1])...)
	default:
		c.polygon(ink, corners[s]...)
	}
}

func (c *Canvas) disc(ink color.Color, p Point, radius float64) {
	var path vg.Path
	path.Move(vg.Point{X: vg.Length(p.X + radius), Y: vg.Length(p.Y)})
	path.Arc(p.vg(), vg.Length(radius), 0, 2*math.Pi)
	path.Close()
	c.c.SetColor(ink)
	c.c.Fill(path)
}

// Marker draws the dot of a measured value: filled, or hollow for the harder
// of two conditions.
func (c *Canvas) Marker(ink color.Color, p Point, radius float64, hollow bool) {
	c.disc(ink, p, radius)
	if hollow {
		c.disc(White, p, radius-1.3)
	}
}
