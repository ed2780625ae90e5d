package reports

import (
	"image"
	"image/color"
	"math"

	"orbitbench/harness/result"
	"orbitbench/reports/chart"
)

// heatInk is one blue, of which a cell has the more the more renewals fell into it.
// Being a share of what lies behind it, it needs no second colour in dark.
var heatInk = color.NRGBA{R: 0x2E, G: 0x7F, B: 0xC8, A: 0xFF}

// heatColumns bounds the pixels along a panel: of a longer trial several seconds share one.
const heatColumns, heatRow = 600, 6

// drawHeat colours how many renewals each second had at each latency.
func (p timelinePlot) drawHeat(c *chart.Canvas) {
	if !p.binned() {
		return
	}
	c.Image(p.area, heat(p.seconds, p.length, p.y.Lo, p.y.Hi))
}

// heat is a picture of the bins from lo to hi nanoseconds, whole decades, over the seconds.
func heat(seconds []result.Interval, length, lo, hi float64) image.Image {
	first := int(math.Round(math.Log10(lo) * result.BinsPerDecade))
	rows := int(math.Round(math.Log10(hi)*result.BinsPerDecade)) - first
	perSecond := max(1, int(heatColumns/length))
	width := min(heatColumns, int(math.Ceil(length*float64(perSecond))))
	img := image.NewNRGBA(image.Rect(0, 0, width, rows*heatRow))
	column := func(second float64) int { return min(int(second/length*float64(width)), width) }
	most := uint64(1)
	for _, s := range seconds {
		for _, b := range s.Bins {
			most = max(most, b[1])
		}
	}
	for _, s := range seconds {
		x0 := column(float64(s.Second))
		x1 := max(column(float64(s.Second)+1), x0+1)
		for _, b := range s.Bins {
			row := rows - 1 - (int(b[0]) - first)
			if row < 0 || row >= rows {
				continue
			}
			ink := heatInk
			ink.A = uint8(40 + 215*math.Log(float64(b[1]))/math.Max(math.Log(float64(most)), 1))
			fill(img, image.Rect(x0, row*heatRow, x1, (row+1)*heatRow), ink)
		}
	}
	return img
}

// fill colours a rectangle, where seconds share a column by the more of the two.
func fill(img *image.NRGBA, r image.Rectangle, ink color.NRGBA) {
	r = r.Intersect(img.Bounds())
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			if img.NRGBAAt(x, y).A < ink.A {
				img.SetNRGBA(x, y, ink)
			}
		}
	}
}
