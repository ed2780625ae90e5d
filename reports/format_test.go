package reports

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFiguresHaveThreeSignificantDigits(t *testing.T) {
	for ns, want := range map[float64]string{
		0: "0 ns", 7: "7 ns", 999: "999 ns", 999.4: "999 ns", 999.6: "1.00 us", 1000: "1.00 us", 9996: "10.0 us", 12_345: "12.3 us", 95_231: "95.2 us",
		999_499: "999 us", 999_500: "1.00 ms", 1_940_000: "1.94 ms", 59.6e9: "59.6 s", 33.14: "33.1 ns", 0.5: "0.500 ns",
	} {
		require.Equal(t, want, duration(ns), "%v ns", ns)
	}
	require.Equal(t, "212 MB", size(212.4e6))
	require.Equal(t, "-2.10 MB", size(-2.1e6))
	require.Equal(t, "60.1 k", number(60_100))
	require.Equal(t, "17", number(17))
	require.Equal(t, "100 k", round(100_000))
	require.Equal(t, "1.5 k", round(1500))
	require.Equal(t, "4 KiB", sizeChosen(4096))
	require.Equal(t, "256 B", sizeChosen(256))
	require.Equal(t, "1 MiB", sizeChosen(1<<20))
}

func TestFactors(t *testing.T) {
	for f, want := range map[float64]string{1.074: "1.07x", 2.34: "2.3x", 19.6: "20x", 0.0456: "0.0456x", 1234: "1.23 kx", 0.5: "0.500x"} {
		require.Equal(t, want, factor(f))
	}
	require.Equal(t, "0.0105x", ratioField(.01052, true))
	require.Equal(t, "3840x", ratioField(3843, true))
	require.Equal(t, noFigure, ratioField(0, false))
}

func TestTextFromOutsideStaysOnItsLine(t *testing.T) {
	require.Equal(t, "a b c", oneLine("a\nb\t\x1b c\r\n"))
	require.Equal(t, "abcd...", shorten("abcdefghij", 7))
	require.Equal(t, "äbcd...", shorten("äbcdefghij", 7))
	require.Equal(t, "a, b and c", list([]string{"a", "b", "c"}))
	require.Equal(t, "a", list([]string{"a"}))
	require.Equal(t, []string{"at", "2 k/s,", "from", "95.2 us"}, wrapWords("at 2 k/s, from 95.2 us"))
	require.Equal(t, `'a b'`, quoteWord("a b"))
	require.Equal(t, `'it'\''s'`, quoteWord("it's"))
	require.Equal(t, "--out=x/y", quoteWord("--out=x/y"))
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		in   []float64
		want float64
	}{{[]float64{3}, 3}, {[]float64{5, 1, 3}, 3}, {[]float64{4, 1, 3, 2}, 2.5}} {
		m, ok := median(c.in)
		require.True(t, ok)
		require.Equal(t, c.want, m)
	}
	_, ok := median(nil)
	require.False(t, ok)
}
