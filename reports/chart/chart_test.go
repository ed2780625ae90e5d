package chart

import (
	"bytes"
	"image/color"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"orbitbench/harness/patience"
)

func TestLogScale(t *testing.T) {
	l := Log{Lo: 1, Hi: 1000, From: 100, To: 400}
	require.InDelta(t, 100, l.At(1), 1e-9)
	require.InDelta(t, 200, l.At(10), 1e-9)
	require.InDelta(t, 400, l.At(1000), 1e-9)
	require.InDelta(t, 400, l.At(1e9), 1e-9, "clamped")
	require.InDelta(t, 100, l.At(0), 1e-9, "no logarithm")
	require.InDelta(t, 100, l.At(-5), 1e-9)
	require.InDeltaSlice(t, []float64{1, 10, 100, 1000}, l.Decades(), 1e-9)
	require.InDeltaSlice(t, []float64{10, 100}, Log{Lo: 2, Hi: 150}.Decades(), 1e-9)
	for _, c := range [][4]float64{{5, 5, 1, 10}, {10, 10, 10, 100}, {3, 30, 1, 100}, {1, 1000, 1, 1000}} {
		lo, hi := WholeDecades(c[0], c[1])
		require.InDelta(t, c[2], lo, 1e-9)
		require.InDelta(t, c[3], hi, 1e-6)
	}
}

// TestDodge compares with the definition: order kept, gaps kept, within bounds
// where there is room, and untouched where nothing collides.
func TestDodge(t *testing.T) {
	seed := patience.Seed(t)
	rng := rand.New(rand.NewPCG(seed, 1))
	for range 2000 {
		places := make([]float64, rng.IntN(12))
		for i := range places {
			places[i] = 200 * rng.Float64()
		}
		slices.Sort(places)
		got := Dodge(places, 10, 0, 200)
		require.Len(t, got, len(places))
		collides := false
		for i := range got {
			if i > 0 {
				require.GreaterOrEqual(t, got[i]-got[i-1], 10-1e-9)
				collides = collides || places[i]-places[i-1] < 10
			}
			require.GreaterOrEqual(t, got[i], -1e-9)
			require.LessOrEqual(t, got[i], 200+1e-9)
		}
		if !collides {
			require.InDeltaSlice(t, places, got, 1e-9)
		}
	}
	require.Equal(t, []float64{95, 105}, Dodge([]float64{100, 100}, 10, 0, 200))
	require.Equal(t, []float64{0, 10, 20}, Dodge([]float64{1, 1, 1}, 10, 0, 15), "no room: from the lower end")
}

func TestTagsDoNotTouch(t *testing.T) {
	got := SpreadTags(Tick, []Tag{{0, "50"}, {5, "90"}, {60, "99"}, {66, "99.9"}, {120, "99.99"}}, 3)
	require.Equal(t, []Tag{{0, "50"}, {60, "99"}, {120, "99.99"}}, got)
}

func TestWrapKeepsToTheWidth(t *testing.T) {
	lines := Note.Wrap("one two three four five six seven", 50)
	require.Greater(t, len(lines), 2)
	for _, l := range lines {
		require.LessOrEqual(t, Note.Width(l), 50.0)
	}
	require.Equal(t, []string{"unbreakable-and-long"}, Note.Wrap("unbreakable-and-long", 5))
	require.Empty(t, Note.Wrap("", 5))
}

func luminance(c color.NRGBA) float64 {
	channel := func(v uint8) float64 {
		f := float64(v) / 255
		if f <= 0.04045 {
			return f / 12.92
		}
		return math.Pow((f+0.055)/1.055, 2.4)
	}
	return 0.2126*channel(c.R) + 0.7152*channel(c.G) + 0.0722*channel(c.B)
}

// TestStylesCanBeToldApart: no two engines share glyph and colour, and both
// lines and labels stand out from white (WCAG 2: 3:1 for graphics and bold text).
func TestStylesCanBeToldApart(t *testing.T) {
	names := []string{"cowbtree", "mmapwal", "appendlog", "actorstore", "rocksdb", "pebble", "bbolt", "memory", "etcd", "s3", "lmdb", "batched+bbolt"}
	seen := map[Shape]string{}
	for name, s := range Styles(names) {
		require.Empty(t, seen[s.Shape], "%s has the glyph of another", name)
		seen[s.Shape] = name
		contrast := 1.05 / (luminance(s.Ink) + .05)
		require.GreaterOrEqual(t, contrast, 3.0, "line of %s", name)
		require.GreaterOrEqual(t, 1.05/(luminance(s.Dark())+.05), 4.0, "label of %s", name)
	}
}

// TestDarkColoursStandOut: the same on the dark page, 4.5:1 for labels.
func TestDarkColoursStandOut(t *testing.T) {
	nrgba := func(c uint32) color.NRGBA { return color.NRGBA{uint8(c >> 16), uint8(c >> 8), uint8(c), 255} }
	page := luminance(nrgba(0x14181D)) + .05
	for _, e := range engineTones {
		require.GreaterOrEqual(t, (luminance(nrgba(e.dark))+.05)/page, 3.0, "line %06X", e.dark)
		require.GreaterOrEqual(t, (luminance(nrgba(e.label))+.05)/page, 4.5, "label %06X", e.label)
	}
}

func TestGlyphsLookDifferent(t *testing.T) {
	pictures := map[string]Shape{}
	for s := Disc; s <= OpenInverted; s++ {
		f := &Figure{Width: 20, Height: 20, Draw: func(c *Canvas) { c.Glyph(s, Ink, Point{10, 10}, 3) }}
		var b bytes.Buffer
		require.NoError(t, f.PNG(&b))
		require.NotContains(t, pictures, b.String(), "shape %d", s)
		pictures[b.String()] = s
	}
}

func TestLongHeadlineShrinksThenWraps(t *testing.T) {
	page := Page{Width: 300, Height: 200, Title: "Short", Note: "n"}
	room := func() (r Rect) {
		f := &Figure{Width: 300, Height: 200, Draw: func(c *Canvas) { r = page.Draw(c) }}
		require.NoError(t, f.SVG(&bytes.Buffer{}))
		return r
	}
	before := room()
	page.Title = "A headline that is much too long to stand in one line of a page as narrow as this one"
	page.Stamp = "PREVIEW"
	require.Less(t, room().Y1, before.Y1)
	require.Greater(t, before.Y0, Margin)
}
