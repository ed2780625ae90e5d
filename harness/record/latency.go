package record

import (
	"fmt"

	"github.com/HdrHistogram/hdrhistogram-go"

	"orbitbench/harness/result"
)

// ToLatency writes h down, with its percentiles and its V2-compressed form.
// outOfRange values are counted beside it. h keeps its contents.
func ToLatency(h *hdrhistogram.Histogram, outOfRange uint64) (result.Latency, error) {
	l := result.Latency{Count: uint64(h.TotalCount()), OutOfRange: outOfRange}
	if h.TotalCount() == 0 {
		return l, nil
	}
	raw, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		return l, fmt.Errorf("record: encode histogram: %w", err)
	}
	l.Histogram = string(raw)
	q := h.ValueAtPercentilesSlice([]float64{50, 90, 99, 99.9, 99.99})
	l.MinNs, l.P50Ns, l.P90Ns, l.P99Ns, l.P999Ns, l.P9999Ns, l.MaxNs = h.Min(), q[0], q[1], q[2], q[3], q[4], h.Max()
	return l, nil
}

// FromLatency reads the histogram of l, which may have any geometry. It fails
// if the histogram does not hold as many values as l says.
func FromLatency(l result.Latency) (*hdrhistogram.Histogram, error) {
	if l.Histogram == "" {
		if l.Count != 0 {
			return nil, fmt.Errorf("record: %d values without a histogram", l.Count)
		}
		return NewHistogram(), nil
	}
	h, err := hdrhistogram.Decode([]byte(l.Histogram))
	if err != nil {
		return nil, fmt.Errorf("record: decode histogram: %w", err)
	}
	if n := uint64(h.TotalCount()); n != l.Count {
		return nil, fmt.Errorf("record: histogram of %d values where the result says %d", n, l.Count)
	}
	return h, nil
}
