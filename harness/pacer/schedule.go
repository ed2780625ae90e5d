package pacer

import (
	"fmt"
	"math/rand/v2"
	"sort"
)

// Schedule gives the operations of a phase their due times.
type Schedule struct {
	gapNs float64 // fixed gaps; 0 with times
	times []int64 // ascending, ns since the start; nil with fixed gaps
	n     int64
}

// maxOperations keeps numbers of operations exact as float64 and far from overflow.
const maxOperations = 1 << 50

// Fixed returns a schedule of one operation each 1/ratePerS seconds for
// durationNs nanoseconds. Due times are exact to the nanosecond and do not drift.
func Fixed(ratePerS float64, durationNs int64) (Schedule, error) {
	if !(ratePerS > 0 && ratePerS <= 1e9) || durationNs <= 0 {
		return Schedule{}, fmt.Errorf("pacer: %v operations/s for %d ns, want a rate above 0 and at most 1e9, and a time above 0", ratePerS, durationNs)
	}
	gap := 1e9 / ratePerS
	n := float64(durationNs) / gap
	if n > maxOperations {
		return Schedule{}, fmt.Errorf("pacer: %v operations/s for %d ns are more than %d operations", ratePerS, durationNs, int64(maxOperations))
	}
	return Schedule{gapNs: gap, n: max(1, int64(n+1e-9))}, nil
}

// Poisson returns a schedule of independent arrivals at ratePerS for durationNs
// nanoseconds, the same for the same seed. It holds 8 bytes for each operation.
func Poisson(ratePerS float64, durationNs int64, seed uint64) (Schedule, error) {
	fixed, err := Fixed(ratePerS, durationNs)
	if err != nil {
		return Schedule{}, err
	}
	rng := rand.New(rand.NewPCG(seed, 0x70616365))
	times := make([]int64, 0, fixed.n+fixed.n/16+16)
	for at := rng.ExpFloat64() * fixed.gapNs; at < float64(durationNs); at += rng.ExpFloat64() * fixed.gapNs {
		times = append(times, int64(at))
	}
	if len(times) == 0 {
		times = append(times, durationNs/2)
	}
	return Schedule{times: times, n: int64(len(times))}, nil
}

// Len is the number of operations.
func (s *Schedule) Len() int64 { return s.n }

// Due is the due time of operation i, 0 <= i < Len(), in ns since the start.
func (s *Schedule) Due(i int64) int64 {
	if s.times != nil {
		return s.times[i]
	}
	return int64(float64(i) * s.gapNs)
}

// dueBy is how many operations are due at time now.
func (s *Schedule) dueBy(now int64) int64 {
	if now < 0 {
		return 0
	}
	if s.times != nil {
		return int64(sort.Search(len(s.times), func(i int) bool { return s.times[i] > now }))
	}
	i := min(int64(float64(now)/s.gapNs), s.n-1)
	for i > 0 && s.Due(i) > now { // rounding may be off by one either way
		i--
	}
	for i < s.n && s.Due(i) <= now {
		i++
	}
	return i
}
