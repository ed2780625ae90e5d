package record

import (
	"fmt"
	"math/bits"

	"github.com/HdrHistogram/hdrhistogram-go"

	"orbitbench/harness/offheap"
)

// The range and the resolution of every histogram of a result.
const (
	LowestNs  = 1
	HighestNs = 600_000_000_000 // ten minutes: longer than any phase waits for one operation
	Digits    = 3               // significant digits: values are within 0.1%
)

// The geometry that follows (Tene, HdrHistogram): values below subBuckets have
// a bucket each; above, every power of two is cut into halfBuckets.
const (
	subBuckets  = 2048 // the power of two at or above 2 * 10^Digits
	halfBuckets = subBuckets / 2
	subBits     = 11 // log2(subBuckets)
	octaves     = 30 // subBuckets << (octaves-1) > HighestNs
	buckets     = (octaves + 1) * halfBuckets
)

// bucketOf is the index of v's bucket. An index of buckets or more means that v is out of range;
// a negative v gives one.
func bucketOf(v int64) uint {
	octave := uint(bits.Len64(uint64(v)|(subBuckets-1))) - subBits
	return octave*halfBuckets + uint(uint64(v)>>(octave&63))
}

// lowestOf is the lowest value of a bucket.
func lowestOf(bucket int) int64 {
	if bucket < subBuckets {
		return int64(bucket)
	}
	octave := bucket/halfBuckets - 1
	return int64(bucket-octave*halfBuckets) << octave
}

// highestOf is the highest value of a bucket.
func highestOf(bucket int) int64 { return lowestOf(bucket+1) - 1 }

// counts is a histogram in the making, of one worker.
type counts struct {
	bucket     []uint32 // nil until the first value, then of length buckets
	outOfRange uint64
	wraps      map[int]uint64 // times that a bucket's 32 bits ran over; nil in all but very long phases
	memory     *offheap.Arena // where bucket comes from; nil for the Go heap
}

// record counts v and returns its bucket.
func (c *counts) record(v int64) uint {
	i := bucketOf(v)
	if i >= uint(len(c.bucket)) {
		return c.outlier(v, i)
	}
	n := c.bucket[i] + 1
	c.bucket[i] = n
	if n == 0 {
		c.wrapped(int(i))
	}
	return i
}

// outlier takes the first value of all and the values out of range.
//
//go:noinline
func (c *counts) outlier(v int64, i uint) uint {
	if i >= buckets {
		c.outOfRange++
		return i
	}
	if c.memory != nil {
		c.bucket = offheap.Take[uint32](c.memory, buckets)
	} else {
		c.bucket = make([]uint32, buckets)
	}
	return c.record(v)
}

//go:noinline
func (c *counts) wrapped(i int) {
	if c.wraps == nil {
		c.wraps = make(map[int]uint64)
	}
	c.wraps[i]++
}

// addTo adds the counts to h, which has this package's geometry.
func (c *counts) addTo(h *hdrhistogram.Histogram) error {
	for i, n := range c.bucket {
		total := uint64(n) + c.wraps[i]<<32
		if total == 0 {
			continue
		}
		if err := h.RecordValues(lowestOf(i), int64(total)); err != nil {
			return fmt.Errorf("record: merge: %w", err)
		}
	}
	return nil
}

// NewHistogram returns an empty HdrHistogram of this package's geometry.
func NewHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(LowestNs, HighestNs, Digits)
}

// Histogram is a single histogram of one goroutine, for figures that have
// neither operation nor outcome. The zero value is empty.
type Histogram struct{ c counts }

// Record counts v, in nanoseconds.
func (h *Histogram) Record(v int64) { h.c.record(v) }

// Merged returns the sum of the histograms and the number of values out of range.
func Merged(list ...*Histogram) (*hdrhistogram.Histogram, uint64, error) {
	sum := NewHistogram()
	var out uint64
	for _, h := range list {
		out += h.c.outOfRange
		if err := h.c.addTo(sum); err != nil {
			return nil, 0, err
		}
	}
	return sum, out, nil
}
