package chart

import (
	"bytes"
	"fmt"
	"html"
	"image"
	"image/color"
	"io"

	xfont "golang.org/x/image/font"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/font/liberation"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// dpi is the resolution of a PNG.
const dpi = 150

// Figure is one picture. Draw must be deterministic: it runs once per format.
type Figure struct {
	Width, Height float64 // points
	Title         string  // the headline, also for those who do not see the picture
	Description   string  // what is shown, in a sentence
	Draw          func(*Canvas)
}

// PNG writes the figure at 150 dpi.
func (f *Figure) PNG(w io.Writer) error {
	c := vgimg.NewWith(vgimg.UseWH(vg.Length(f.Width), vg.Length(f.Height)), vgimg.UseDPI(dpi), vgimg.UseBackgroundColor(color.White))
	f.Draw(newCanvas(c))
	_, err := vgimg.PngCanvas{Canvas: c}.WriteTo(w)
	return err
}

// SVG writes the figure with a title and a description. Its text stays text, in
// Liberation Sans or a typeface of the same metrics.
func (f *Figure) SVG(w io.Writer) error {
	c := vgsvg.New(vg.Length(f.Width), vg.Length(f.Height))
	f.Draw(newCanvas(c))
	var buf bytes.Buffer
	if _, err := c.WriteTo(&buf); err != nil {
		return err
	}
	_, err := w.Write(f.accessible(buf.Bytes()))
	return err
}

// accessible names typefaces that a reader has where Liberation is missing
// (Arial and Helvetica have its metrics), and puts the figure's title and
// description where screen readers look for them.
func (f *Figure) accessible(svg []byte) []byte {
	svg = bytes.ReplaceAll(svg, []byte("font-family:Liberation Sans;font-variant:normal;"), []byte("font-family:'Liberation Sans',Arial,Helvetica,sans-serif;"))
	// A picture fills its rectangle: without this it would keep its own proportions.
	svg = bytes.ReplaceAll(svg, []byte("<image "), []byte(`<image preserveAspectRatio="none" `))
	open := []byte("xmlns:xlink=\"http://www.w3.org/1999/xlink\">\n")
	head := fmt.Sprintf("xmlns:xlink=\"http://www.w3.org/1999/xlink\" role=\"img\">\n<title>%s</title>\n<desc>%s</desc>\n<rect width=\"100%%\" height=\"100%%\" fill=\"#FFFFFF\"/>\n",
		html.EscapeString(f.Title), html.EscapeString(f.Description))
	return bytes.Replace(svg, open, []byte(head), 1)
}

// Canvas is what a figure is drawn on.
type Canvas struct{ c draw.Canvas }

func newCanvas(c vg.CanvasSizer) *Canvas { return &Canvas{draw.New(c)} }

// fonts is shared by all canvases; a cache locks itself.
var fonts = font.NewCache(liberation.Collection())

// Font is a size of Liberation Sans and an ink.
type Font struct {
	Size float64 // points
	Bold bool
	Ink  color.Color
}

// The fonts of the figures.
var (
	Headline  = Font{13, true, Ink}
	Subtitle  = Font{9, false, Secondary}
	PanelHead = Font{9.5, true, Ink}
	AxisLabel = Font{9, false, Secondary}
	Tick      = Font{8.5, false, Ink}
	Label     = Font{9, true, Ink}
	Note      = Font{7.5, false, Secondary}
)

// In returns the font with another ink.
func (f Font) In(ink color.Color) Font {
	f.Ink = ink
	return f
}

func (f Font) face() font.Face {
	what := font.Font{Typeface: "Liberation", Variant: "Sans"}
	if f.Bold {
		what.Weight = xfont.WeightBold
	}
	return fonts.Lookup(what, vg.Length(f.Size))
}

// Width is the width of text in points.
func (f Font) Width(text string) float64 {
	face := f.face()
	return float64(face.Width(text))
}

// Wrap breaks text at blanks into lines of at most width points.
func (f Font) Wrap(text string, width float64) []string {
	var lines []string
	line := ""
	for _, word := range bytes.Fields([]byte(text)) {
		longer := string(word)
		if line != "" {
			longer = line + " " + longer
		}
		if line != "" && f.Width(longer) > width {
			lines = append(lines, line)
			longer = string(word)
		}
		line = longer
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// Point is a place on the page.
type Point struct{ X, Y float64 }

func (p Point) vg() vg.Point { return vg.Point{X: vg.Length(p.X), Y: vg.Length(p.Y)} }

// Align says which part of a text its position is.
type Align float64

// The alignments.
const (
	Left   Align = 0
	Center Align = 0.5
	Right  Align = 1
)

// Text writes text with its baseline at p.
func (c *Canvas) Text(f Font, p Point, a Align, text string) {
	if text == "" {
		return
	}
	p.X -= float64(a) * f.Width(text)
	c.c.SetColor(f.Ink)
	c.c.FillString(f.face(), p.vg(), text)
}

// Stroke is how a line is drawn.
type Stroke struct {
	Width  float64
	Ink    color.Color
	Dashes []float64
}

// Line draws a polyline.
func (c *Canvas) Line(s Stroke, points ...Point) {
	if len(points) < 2 {
		return
	}
	style := draw.LineStyle{Color: s.Ink, Width: vg.Length(s.Width)}
	for _, d := range s.Dashes {
		style.Dashes = append(style.Dashes, vg.Length(d))
	}
	line := make([]vg.Point, len(points))
	for i, p := range points {
		line[i] = p.vg()
	}
	c.c.StrokeLines(style, line)
}

// Rect is a rectangle on the page.
type Rect struct{ X0, Y0, X1, Y1 float64 }

// Contains reports whether p lies in r.
func (r Rect) Contains(p Point) bool {
	return p.X >= r.X0 && p.X <= r.X1 && p.Y >= r.Y0 && p.Y <= r.Y1
}

// Fill fills a rectangle.
func (c *Canvas) Fill(ink color.Color, r Rect) {
	c.polygon(ink, Point{r.X0, r.Y0}, Point{r.X1, r.Y0}, Point{r.X1, r.Y1}, Point{r.X0, r.Y1})
}

// Image draws a picture into a rectangle. Its pixels should be many to a point: viewers smooth them.
func (c *Canvas) Image(r Rect, img image.Image) {
	c.c.DrawImage(vg.Rectangle{Min: Point{r.X0, r.Y0}.vg(), Max: Point{r.X1, r.Y1}.vg()}, img)
}

func (c *Canvas) polygon(ink color.Color, points ...Point) {
	var path vg.Path
	for i, p := range points {
		if i == 0 {
			path.Move(p.vg())
		} else {
			path.Line(p.vg())
		}
	}
	path.Close()
	c.c.SetColor(ink)
	c.c.Fill(path)
}
