package floor

import (
	"context"
	"errors"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"orbitbench/harness/result"
)

// warmWrites are made before the clock starts: the first writes to a fresh file
// pay for its metadata.
const warmWrites = 32

// Probe writes in dir for d, one durable write after the other, and returns
// their latencies. Nothing is left in dir. What went wrong, a context that
// ended before the first write included, is in Error, and there is no figure then.
func Probe(ctx context.Context, dir, kind string, writeBytes int, d time.Duration) result.Floor {
	f := result.Floor{Kind: kind, When: time.Now(), Bytes: writeBytes}
	w, err := Open(Options{Dir: dir, Kind: kind, WriteBytes: writeBytes})
	if err != nil {
		f.Error = err.Error()
		return f
	}
	f.Bytes = len(w.block)
	latency, err := measure(ctx, w, d)
	if err = errors.Join(err, w.Close()); err != nil {
		f.Error = err.Error()
		return f
	}
	f.Latency = latency
	return f
}

func measure(ctx context.Context, w *Writer, d time.Duration) (result.Latency, error) {
	for range warmWrites {
		if err := w.Write(); err != nil {
			return result.Latency{}, err
		}
	}
	h := hdrhistogram.New(lowestNs, highestNs, significantDigits)
	var outOfRange uint64
	begin := time.Now()
	for last := time.Duration(0); last < d || h.TotalCount() == 0; {
		if err := ctx.Err(); err != nil {
			return result.Latency{}, err
		}
		if err := w.Write(); err != nil {
			return result.Latency{}, err
		}
		now := time.Since(begin) // chained: the end of one write is the start of the next
		if h.RecordValue(int64(now-last)) != nil {
			outOfRange++
		}
		last = now
	}
	return toLatency(h, outOfRange)
}

// The range and precision of a probe's histogram.
const (
	lowestNs          = 1
	highestNs         = int64(time.Minute)
	significantDigits = 3
)

func toLatency(h *hdrhistogram.Histogram, outOfRange uint64) (result.Latency, error) {
	encoded, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		return result.Latency{}, err
	}
	return result.Latency{
		Count:      uint64(h.TotalCount()),
		OutOfRange: outOfRange,
		MinNs:      h.Min(),
		P50Ns:      h.ValueAtQuantile(50),
		P90Ns:      h.ValueAtQuantile(90),
		P99Ns:      h.ValueAtQuantile(99),
		P999Ns:     h.ValueAtQuantile(99.9),
		P9999Ns:    h.ValueAtQuantile(99.99),
		MaxNs:      h.Max(),
		Histogram:  string(encoded),
	}, nil
}
