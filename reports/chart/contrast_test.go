package chart

import (
	"math"
	"testing"
)

// luminance is the relative luminance of WCAG 2.2.
func luminance(c uint32) float64 {
	channel := func(shift uint) float64 {
		v := float64(c>>shift&0xff) / 255
		if v <= 0.04045 {
			return v / 12.92
		}
		return math.Pow((v+0.055)/1.055, 2.4)
	}
	return 0.2126*channel(16) + 0.7152*channel(8) + 0.0722*channel(0)
}

func contrast(a, b uint32) float64 {
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// Inks of engines stand out 3:1 from the page, and their labels 4.5:1, in light and in dark.
func TestContrast(t *testing.T) {
	if got := contrast(0, 0xFFFFFF); math.Abs(got-21) > 1e-9 {
		t.Fatalf("black on white has a contrast of %v, want 21", got)
	}
	const dark = 0x14181D
	for _, e := range engineTones {
		if got := contrast(e.dark, dark); got < 3 {
			t.Errorf("%06X on the dark page: %.2f", e.dark, got)
		}
		if got := contrast(e.label, dark); got < 4.5 {
			t.Errorf("label %06X on the dark page: %.2f", e.label, got)
		}
	}
}
