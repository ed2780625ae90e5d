package cell

import (
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"orbitbench/harness/result"
)

// windows count latencies by the time at which they ended, in windows of 20 ms
// that are told apart as steady or under a checkpoint only at the end, when the
// engine has said when its background work ran.
//
// The latest windows are dense and shared by all writers, with one atomic
// addition a renewal; older ones are folded to the buckets that hold something.
type windows struct {
	length int64 // of a window, ns
	dense  [denseWindows]denseWindow

	mu     sync.Mutex
	folded [][]bucketCount // by window; guarded by mu
}

const (
	soakWindow   = 20 * time.Millisecond
	denseWindows = 64
	foldBehind   = denseWindows / 2 // windows that late additions still find dense
	subBits      = 5                // 32 buckets for each power of two: 3%
	soakBuckets  = (64 - subBits) << subBits
)

type denseWindow [soakBuckets]atomic.Uint32

type bucketCount struct{ bucket, count uint32 }

func newWindows() *windows { return &windows{length: int64(soakWindow)} }

// add counts a latency that ended at now, both in ns, now since the start. An
// addition later than half a second would land in another window.
func (w *windows) add(now, latency int64) {
	w.dense[now/w.length%denseWindows][bucketOf(latency)].Add(1)
}

// fold takes the windows that are over out of the dense ones. It is called for
// every few windows, by one goroutine, with the time since the start.
func (w *windows) fold(now int64, all bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	last := int(now/w.length) - foldBehind
	if all {
		last = int(now / w.length)
	}
	for i := len(w.folded); i <= last; i++ {
		var list []bucketCount
		d := &w.dense[i%denseWindows]
		for b := range d {
			if d[b].Load() != 0 {
				list = append(list, bucketCount{uint32(b), d[b].Swap(0)})
			}
		}
		w.folded = append(w.folded, list)
	}
}

// busy is a piece of background work, in ns since the start.
type busy struct{ begin, end int64 }

// parts merges the windows: those that a piece of work touches, the window
// after its end included, because what it held up ends then, and the others.
func (w *windows) parts(work []busy) (steady, during result.SoakPart) {
	w.mu.Lock()
	defer w.mu.Unlock()
	touched := make([]bool, len(w.folded))
	for _, b := range work {
		if b.end < 0 {
			continue // before the start
		}
		for i := max(b.begin/w.length, 0); i <= b.end/w.length+1 && int(i) < len(touched); i++ {
			touched[i] = true
		}
	}
	var counts [2][soakBuckets]uint64
	var number [2]int
	for i, list := range w.folded {
		part := 0
		if touched[i] {
			part = 1
		}
		number[part]++
		for _, c := range list {
			counts[part][c.bucket] += uint64(c.count)
		}
	}
	seconds := func(n int) float64 { return float64(n) * float64(w.length) / 1e9 }
	return summarize(&counts[0], seconds(number[0])), summarize(&counts[1], seconds(number[1]))
}

func summarize(counts *[soakBuckets]uint64, seconds float64) result.SoakPart {
	p := result.SoakPart{Seconds: seconds}
	for b, n := range counts {
		if n > 0 {
			p.Renewals += n
			p.MaxNs = bucketTop(b)
		}
	}
	if p.Renewals == 0 {
		return p
	}
	p.PerS = float64(p.Renewals) / seconds
	p.P50Ns, p.P99Ns, p.P999Ns = quantile(counts, p.Renewals, 0.5), quantile(counts, p.Renewals, 0.99), quantile(counts, p.Renewals, 0.999)
	return p
}

// quantile is the upper end of the bucket in which the q-th of n values lies.
func quantile(counts *[soakBuckets]uint64, n uint64, q float64) int64 {
	rank := uint64(q * float64(n))
	var seen uint64
	for b, c := range counts {
		if seen += c; seen > rank {
			return bucketTop(b)
		}
	}
	return 0
}

// bucketOf returns the bucket of a latency in ns: linear below 64, then 32 for
// each power of two.
func bucketOf(ns int64) int {
	v := uint64(max(ns, 0))
	if v < 2<<subBits {
		return int(v)
	}
	shift := bits.Len64(v) - subBits - 1
	return shift<<subBits + int(v>>shift)
}

// bucketTop is the highest value of a bucket.
func bucketTop(b int) int64 {
	if b < 2<<subBits {
		return int64(b)
	}
	shift := b>>subBits - 1
	return int64(b-shift<<subBits+1)<<shift - 1
}
