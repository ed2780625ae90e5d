package reports

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
)

// unit is a step of a scale: values from size up are shown in it.
type unit struct {
	size float64
	name string
}

var (
	timeUnits = []unit{{1, "ns"}, {1e3, "us"}, {1e6, "ms"}, {1e9, "s"}}
	byteUnits = []unit{{1, "B"}, {1e3, "kB"}, {1e6, "MB"}, {1e9, "GB"}, {1e12, "TB"}}
	numUnits  = []unit{{1, ""}, {1e3, " k"}, {1e6, " M"}, {1e9, " G"}}
)

// significant formats v >= 0 with three significant digits and without an
// exponent: 0.0456, 1.23, 12.3, 123.
func significant(v float64) string {
	if v == 0 {
		return "0"
	}
	// Round first: 9.996 has two digits before the point once it is 10.0.
	e := int(math.Floor(math.Log10(v)))
	scale := math.Pow(10, float64(2-e))
	if r := math.Round(v*scale) / scale; math.Floor(math.Log10(r)) > float64(e) {
		e++
	}
	if e > 2 { // digits after the third carry nothing
		v = math.Round(v*scale) / scale
	}
	return strconv.FormatFloat(v, 'f', max(0, 2-e), 64)
}

// scaled formats v in the largest unit of which it has at least one.
func scaled(v float64, units []unit, gap string) string {
	if v < 0 {
		return "-" + scaled(-v, units, gap)
	}
	u := units[0]
	for _, next := range units[1:] {
		// 999.6 ns is shown as 1.00 us, not as 1000 ns.
		if v/u.size >= 999.5 {
			u = next
		}
	}
	if u.size == 1 && v == math.Trunc(v) {
		return strconv.FormatFloat(v, 'f', 0, 64) + gap + u.name
	}
	return significant(v/u.size) + gap + u.name
}

// duration formats nanoseconds: "95.2 us".
func duration(ns float64) string { return scaled(ns, timeUnits, " ") }

// size formats bytes in powers of 1000: "212 MB".
func size(bytes float64) string { return scaled(bytes, byteUnits, " ") }

// sizeChosen formats bytes that people chose: "4 KiB", "256 B".
func sizeChosen(bytes int) string {
	switch {
	case bytes > 0 && bytes%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", bytes>>20)
	case bytes > 0 && bytes%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", bytes>>10)
	}
	return fmt.Sprintf("%d B", bytes)
}

// number formats a count: "60.1 k".
func number(n float64) string { return scaled(n, numUnits, "") }

// round formats a count that people chose, without needless digits: "100 k".
func round(n float64) string {
	text := number(n)
	digits, suffix, _ := strings.Cut(text, " ")
	if strings.Contains(digits, ".") {
		digits = strings.TrimRight(strings.TrimRight(digits, "0"), ".")
	}
	if suffix == "" {
		return digits
	}
	return digits + " " + suffix
}

// factor formats a ratio for a sentence: three digits where it is near 1,
// two elsewhere: "1.07x", "2.3x", "20x".
func factor(f float64) string {
	switch {
	case f >= 1000:
		return number(f) + "x"
	case f >= 10:
		return strconv.FormatFloat(f, 'f', 0, 64) + "x"
	case f >= 2:
		return strconv.FormatFloat(f, 'f', 1, 64) + "x"
	}
	return significant(f) + "x"
}

// seconds formats a length of time that people chose: "30 s", "0.5 s".
func seconds(s float64) string { return strconv.FormatFloat(s, 'g', 6, 64) + " s" }

// plural puts a noun behind its number.
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// list joins words as a sentence does: "a, b and c".
func list(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

// oneLine makes text from outside (an error, a reason) fit for a table: control
// characters, line breaks included, become spaces and runs of spaces one.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}

// shorten cuts text to at most n runes, visibly.
func shorten(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-3]) + "..."
}
