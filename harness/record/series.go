package record

import (
	"sync"

	"orbitbench/harness/offheap"
	"orbitbench/harness/result"
)

// A coarse histogram has a bucket for each eight fine ones: values
// within 0.8%, an eighth of the memory. Seconds are counted in these.
const (
	coarseShift   = 3
	coarseBuckets = buckets >> coarseShift
)

// coarse counts one operation in one second. Only buckets low to high can be
// other than 0, so that adding and clearing is short.
type coarse struct {
	bucket    []uint32
	low, high uint32
}

func newCoarse(ops int, m *offheap.Arena) []coarse {
	all := offheap.Take[uint32](m, ops*coarseBuckets)
	list := make([]coarse, ops)
	for i := range list {
		list[i] = coarse{bucket: all[i*coarseBuckets : (i+1)*coarseBuckets : (i+1)*coarseBuckets], low: coarseBuckets}
	}
	return list
}

// add counts a value by its fine bucket; what is out of range has no second.
func (c *coarse) add(fine uint) {
	i := fine >> coarseShift
	if i >= uint(len(c.bucket)) {
		return
	}
	c.bucket[i]++
	if uint32(i) < c.low {
		c.low = uint32(i)
	}
	if uint32(i) >= c.high {
		c.high = uint32(i) + 1
	}
}

// moveTo adds c to sum and empties c.
func (c *coarse) moveTo(sum *coarse) {
	for i := c.low; i < c.high; i++ {
		sum.bucket[i] += c.bucket[i]
		c.bucket[i] = 0
	}
	if c.low < c.high {
		sum.low, sum.high = min(sum.low, c.low), max(sum.high, c.high)
	}
	c.low, c.high = coarseBuckets, 0
}

func (c *coarse) total() (n uint64) {
	for i := c.low; i < c.high; i++ {
		n += uint64(c.bucket[i])
	}
	return n
}

// at is the highest value of the bucket that holds the n-th smallest value, n from 1.
func (c *coarse) at(n uint64) int64 {
	for i := c.low; i < c.high; i++ {
		if have := uint64(c.bucket[i]); have >= n {
			return highestOf(int(i+1)<<coarseShift - 1)
		} else {
			n -= have
		}
	}
	return 0
}

// rank is the position of percentile p among n values, as HdrHistogram has it.
func rank(p float64, n uint64) uint64 {
	return min(max(uint64(p/100*float64(n)+0.5), 1), n)
}

// series collects the seconds of a phase from all workers.
type series struct {
	ops     int
	memory  *offheap.Arena
	mu      sync.Mutex
	seconds [][]coarse // by second and operation; guarded by mu
}

// add moves a worker's second into the series.
func (s *series) add(no int, list []coarse) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.seconds) <= no {
		s.seconds = append(s.seconds, newCoarse(s.ops, s.memory))
	}
	for op := range list {
		list[op].moveTo(&s.seconds[no][op])
	}
}

func (s *series) last() (perSecond float64, p99 int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.seconds) < 2 { // workers hand a second over in the course of the next
		return 0, 0
	}
	all := newCoarseHeap()
	for _, c := range s.seconds[len(s.seconds)-2] {
		for i := c.low; i < c.high; i++ {
			all.bucket[i] += c.bucket[i]
		}
	}
	all.low, all.high = 0, coarseBuckets
	n := all.total()
	if n == 0 {
		return 0, 0
	}
	return float64(n), all.at(rank(99, n))
}

func newCoarseHeap() coarse { return coarse{bucket: make([]uint32, coarseBuckets)} }

func (s *series) intervals(ops []string) []result.Interval {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []result.Interval
	for no, second := range s.seconds {
		for op, name := range ops {
			c := &second[op]
			n := c.total()
			if n == 0 {
				continue
			}
			list = append(list, result.Interval{
				Second: no, Op: name, Count: n,
				P50Ns: c.at(rank(50, n)), P99Ns: c.at(rank(99, n)), MaxNs: c.at(n),
			})
		}
	}
	return list
}
