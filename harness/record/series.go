package record

import (
	"math"
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

// coarse counts one operation in one second. It remembers which pages of its
// buckets were written: merely reading the others would make them resident.
type coarse struct {
	bucket  []uint32
	touched uint // a bit for each 1<<pageShift buckets
}

const pageShift = 10 // 4 KiB of buckets

func newCoarse(ops int, m *offheap.Arena) []coarse {
	all := offheap.Take[uint32](m, ops*coarseBuckets)
	list := make([]coarse, ops)
	for i := range list {
		list[i] = coarse{bucket: all[i*coarseBuckets : (i+1)*coarseBuckets : (i+1)*coarseBuckets]}
	}
	return list
}

// add counts a value by its fine bucket; what is out of range has no second.
func (c *coarse) add(fine uint) {
	if i := fine >> coarseShift; i < uint(len(c.bucket)) {
		c.bucket[i]++
		c.touched |= 1 << (i >> pageShift)
	}
}

// moveTo adds c to sum and empties c.
func (c *coarse) moveTo(sum *coarse) {
	for page := range (coarseBuckets + 1<<pageShift - 1) >> pageShift {
		if c.touched&(1<<page) == 0 {
			continue
		}
		for i := page << pageShift; i < min((page+1)<<pageShift, coarseBuckets); i++ {
			if n := c.bucket[i]; n != 0 {
				sum.bucket[i] += n
				c.bucket[i] = 0
			}
		}
	}
	sum.touched |= c.touched
	c.touched = 0
}

func (c *coarse) total() (n uint64) {
	for _, have := range c.bucket {
		n += uint64(have)
	}
	return n
}

// at is the highest value of the bucket that holds the n-th smallest value, n from 1.
func (c *coarse) at(n uint64) int64 {
	for i, have := range c.bucket {
		if uint64(have) >= n {
			return highestOf((i+1)<<coarseShift - 1)
		}
		n -= uint64(have)
	}
	return 0
}

// bins counts the values by bins of the logarithm, each by the highest value of its bucket.
func (c *coarse) bins() []result.Bin {
	var list []result.Bin
	for i, have := range c.bucket {
		if have == 0 {
			continue
		}
		k := uint64(math.Log10(float64(max(highestOf((i+1)<<coarseShift-1), 1))) * result.BinsPerDecade)
		if last := len(list) - 1; last >= 0 && list[last][0] == k {
			list[last][1] += uint64(have)
		} else {
			list = append(list, result.Bin{k, uint64(have)})
		}
	}
	return list
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
	all := coarse{bucket: make([]uint32, coarseBuckets)}
	for _, c := range s.seconds[len(s.seconds)-2] {
		for i, have := range c.bucket {
			all.bucket[i] += have
		}
	}
	n := all.total()
	if n == 0 {
		return 0, 0
	}
	return float64(n), all.at(rank(99, n))
}

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
				P50Ns: c.at(rank(50, n)), P99Ns: c.at(rank(99, n)), MaxNs: c.at(n), Bins: c.bins(),
			})
		}
	}
	return list
}
