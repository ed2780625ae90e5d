package reports

import (
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/stretchr/testify/require"

	"orbitbench/harness/result"
)

// values makes the latency of these samples.
func values(ns ...int64) result.Latency {
	h := hdrhistogram.New(1, int64(time.Minute), 3)
	lo, hi := ns[0], ns[0]
	for _, v := range ns {
		if err := h.RecordValue(v); err != nil {
			panic(err)
		}
		lo, hi = min(lo, v), max(hi, v)
	}
	return latencyOf(h, lo, hi)
}

func repeat(n int, ns int64) []int64 {
	out := make([]int64, n)
	for i := range out {
		out[i] = ns
	}
	return out
}

func merged(t testing.TB, trials ...result.Latency) *dist {
	var d *dist
	var err error
	for _, l := range trials {
		d, err = d.add(l)
		require.NoError(t, err)
	}
	return d
}

func TestPercentilesAreMergedAndNotAveraged(t *testing.T) {
	// 985 fast and 15 slow operations, then 1000 fast ones: the mean of the two
	// p99s would be far from that of all 2000.
	d := merged(t, values(append(repeat(985, 100), repeat(15, 1000)...)...), values(repeat(1000, 100)...))
	require.EqualValues(t, 2000, d.count())
	ns, ok := d.quantile(.99)
	require.True(t, ok)
	require.EqualValues(t, 100, ns, "an average would be 550")
	ns, _ = d.quantile(.995)
	require.EqualValues(t, 1000, ns)
	lo, hi, ok := d.trialRange(.99)
	require.True(t, ok)
	require.EqualValues(t, 100, lo)
	require.EqualValues(t, 1000, hi)
	require.EqualValues(t, 100, d.min)
	require.EqualValues(t, 1000, d.max)
}

func TestFewSamplesAbove(t *testing.T) {
	for _, c := range []struct {
		n    int
		q    float64
		want bool
	}{{1000, .99, false}, {999, .99, true}, {10_000, .999, false}, {9_999, .999, true}, {20, .5, false}, {19, .5, true}} {
		require.Equal(t, c.want, merged(t, values(repeat(c.n, 5)...)).few(c.q), "%d samples at %v", c.n, c.q)
	}
	var none *dist
	require.True(t, none.few(.5))
	_, ok := none.quantile(.5)
	require.False(t, ok)
}

func TestSamplesOutOfRangeLieAboveEveryQuantile(t *testing.T) {
	l := values(repeat(90, 100)...)
	l.OutOfRange = 10
	d := merged(t, l)
	require.EqualValues(t, 100, d.count())
	ns, ok := d.quantile(.9)
	require.True(t, ok)
	require.EqualValues(t, 100, ns)
	_, ok = d.quantile(.95)
	require.False(t, ok, "p95 is one of the ten that were not measured")
	require.Equal(t, ">100 ns", quantileText(d, .95))
	only := result.Latency{OutOfRange: 3}
	require.EqualValues(t, 3, merged(t, only).count())
}

func TestDamagedHistogramsAreRefused(t *testing.T) {
	good := values(1, 2, 3)
	for name, damage := range map[string]func(*result.Latency){
		"without their histogram":               func(l *result.Latency) { l.Histogram = "" },
		"damaged histogram":                     func(l *result.Latency) { l.Histogram = "not base64" },
		"damaged histogram: ":                   func(l *result.Latency) { l.Histogram = l.Histogram[:len(l.Histogram)/2&^3] },
		"it holds 3 samples, the result says 4": func(l *result.Latency) { l.Count = 4 },
	} {
		l := good
		damage(&l)
		_, err := (*dist)(nil).add(l)
		require.ErrorContains(t, err, name)
	}
	wide := hdrhistogram.New(1, 1000, 1)
	require.NoError(t, wide.RecordValue(7))
	d := merged(t, latencyOf(wide, 7, 7))
	_, err := d.add(values(5_000_000))
	require.ErrorContains(t, err, "different ranges")
}

func TestCurveEndsWithTheLargestSample(t *testing.T) {
	var ns []int64
	for i := range 5000 {
		ns = append(ns, int64(1000+i))
	}
	points := merged(t, values(ns...)).curve(2, 1e6, 20)
	require.EqualValues(t, 2, points[0].nines)
	last := points[len(points)-1]
	require.EqualValues(t, 5000, last.nines)
	require.True(t, last.few)
	for i := 1; i < len(points); i++ {
		require.GreaterOrEqual(t, points[i].ns, points[i-1].ns)
		require.Equal(t, points[i].nines > 500, points[i].few, "at %v", points[i].nines)
	}
	require.Empty(t, merged(t, values(1)).curve(2, 1e6, 20))
}

// FuzzDecodeHistogram: any text in a result's histogram gives an error or a
// histogram that holds as many samples as the result says.
func FuzzDecodeHistogram(f *testing.F) {
	good := values(1, 500, 70_000)
	f.Add(good.Histogram, good.Count)
	f.Add("", uint64(1))
	f.Add("HISTFAAAAAB4nA==", uint64(2))
	f.Fuzz(func(t *testing.T, text string, count uint64) {
		d, err := (*dist)(nil).add(result.Latency{Count: count, Histogram: text, MaxNs: 1 << 40})
		if err != nil || d == nil {
			return
		}
		require.Equal(t, count, d.count())
		for _, q := range []float64{0, .5, .999, 1} {
			ns, ok := d.quantile(q)
			require.True(t, ok)
			require.GreaterOrEqual(t, ns, int64(0))
		}
		d.curve(firstNines, lastNines, 10)
	})
}
