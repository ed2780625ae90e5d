package reports

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/HdrHistogram/hdrhistogram-go"

	"orbitbench/harness/result"
)

// fewSamples is the number of samples that must lie above a quantile for it to
// be shown without a mark: below that, one stall more or less moves it.
const fewSamples = 10

// dist is the distribution of one operation's latency over all trials of a
// row, merged. A nil dist is a figure that was not taken.
type dist struct {
	hist       *hdrhistogram.Histogram // of all trials, in nanoseconds
	trials     []trialQuantiles
	counts     []uint64 // samples of each of trials
	outOfRange uint64   // samples beyond the histogram's range: they lie above every quantile
	min, max   int64    // nanoseconds, exact; max knows nothing of out-of-range samples
}

// quantiles are those of which the trials' own values are kept. The histograms
// of the trials are not: those of a long run would fill the memory.
var quantiles = [...]float64{.5, .9, .99, .999, .9999}

// trialQuantiles holds one trial's nanoseconds at each of quantiles.
type trialQuantiles [len(quantiles)]int64

// decodeHistogram decodes the histogram of l. A latency without samples has
// none (nil, nil); one with samples must hold as many as it says.
func decodeHistogram(l result.Latency) (*hdrhistogram.Histogram, error) {
	if l.Count == 0 {
		return nil, nil
	}
	if l.Histogram == "" {
		return nil, fmt.Errorf("%d samples without their histogram", l.Count)
	}
	h, err := hdrhistogram.Decode([]byte(l.Histogram))
	if err != nil {
		return nil, fmt.Errorf("damaged histogram: %w", err)
	}
	if n := uint64(h.TotalCount()); n != l.Count {
		return nil, fmt.Errorf("damaged histogram: it holds %d samples, the result says %d", n, l.Count)
	}
	return h, nil
}

// add merges one trial into d, which may be nil, and returns the result.
func (d *dist) add(l result.Latency) (*dist, error) {
	h, err := decodeHistogram(l)
	if err != nil {
		return nil, err
	}
	if h == nil && l.OutOfRange == 0 {
		return d, nil
	}
	if d == nil {
		d = &dist{min: math.MaxInt64}
	}
	d.outOfRange += l.OutOfRange
	if h == nil {
		return d, nil
	}
	one := &dist{hist: h, outOfRange: l.OutOfRange, max: l.MaxNs}
	var own trialQuantiles
	for i, q := range quantiles {
		ns, ok := one.quantile(q)
		if !ok {
			ns = l.MaxNs // it was longer still
		}
		own[i] = ns
	}
	d.trials, d.counts = append(d.trials, own), append(d.counts, one.count())
	d.min, d.max = min(d.min, l.MinNs), max(d.max, l.MaxNs)
	if d.hist == nil {
		d.hist = h.Clone()
		return d, nil
	}
	if dropped := d.hist.Merge(h); dropped != 0 {
		return nil, errors.New("histograms of two trials have different ranges and cannot be merged")
	}
	return d, nil
}

// count is the number of samples, those out of range included.
func (d *dist) count() uint64 {
	if d == nil {
		return 0
	}
	n := d.outOfRange
	if d.hist != nil {
		n += uint64(d.hist.TotalCount())
	}
	return n
}

// quantile returns the latency in nanoseconds at q (0 to 1) of the merged
// trials. It is not ok where there is no sample, or where the quantile falls
// among the samples that were out of the histogram's range.
func (d *dist) quantile(q float64) (ns int64, ok bool) {
	if d == nil || d.hist == nil {
		return 0, false
	}
	within := d.hist.TotalCount()
	if d.outOfRange > 0 { // the rank counts them, and they come last
		q *= float64(d.count()) / float64(within)
	}
	if q > 1 {
		return 0, false
	}
	// The highest value equivalent to the largest sample may lie above it.
	return min(d.hist.ValueAtQuantile(100*q), d.max), true
}

// few reports whether fewer than ten samples lie above quantile q.
func (d *dist) few(q float64) bool {
	// 1-q is inexact in floating point: 10,000 samples have ten above 0.999.
	return float64(d.count())*(1-q) < fewSamples-1e-6
}

// trialRange returns the lowest and the highest of the trials' own values in
// nanoseconds at q, one of quantiles: the spread that the merged figure hides.
// Not ok without samples.
func (d *dist) trialRange(q float64) (lo, hi int64, ok bool) {
	i := slices.Index(quantiles[:], q)
	if d == nil || len(d.trials) == 0 || i < 0 {
		return 0, 0, false
	}
	lo = math.MaxInt64
	for _, own := range d.trials {
		lo, hi = min(lo, own[i]), max(hi, own[i])
	}
	return lo, hi, true
}

// point is one point of a percentile curve.
type point struct {
	nines float64 // 1/(1-q): 2 is the median, 1000 is p99.9
	ns    float64 // latency in nanoseconds, > 0
	few   bool    // fewer than ten samples above
}

// curve returns the percentile curve from 1/(1-q) = from to the largest sample
// or to, whichever comes first, at steps points a decade.
func (d *dist) curve(from, to float64, steps int) []point {
	if d == nil || d.hist == nil {
		return nil
	}
	last := math.Min(to, float64(d.count()))
	if last < from {
		return nil
	}
	n := int(math.Ceil(math.Log10(last/from)*float64(steps))) + 1
	points := make([]point, 0, n)
	for i := range n {
		x := last
		if i < n-1 {
			x = from * math.Pow(10, float64(i)/float64(steps))
		}
		ns, ok := d.quantile(1 - 1/x)
		if !ok {
			break
		}
		points = append(points, point{x, float64(max(ns, 1)), d.few(1 - 1/x)})
	}
	return points
}
