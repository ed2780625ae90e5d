package floor

import (
	"context"
	"errors"
	"time"

	"orbitbench/harness/record"
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
	h := record.NewHistogram()
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
	return record.ToLatency(h, outOfRange)
}
