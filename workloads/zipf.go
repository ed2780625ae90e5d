package workloads

import (
	"math"
	"math/bits"
)

// zipf draws ranks 0..n-1, rank k with probability in proportion to (k+1)^-s,
// in constant time, without floating point and from one small table.
//
// The ranks are cut into ranges: the first zipfExact stand alone, and beyond
// them a range spans 1/zipfSlices of its first rank. Walker's alias method
// chooses the range, with its exact probability; within a range ranks are
// uniform, where true densities differ by at most s/zipfSlices from the mean
// (1.5% at s = 1). Rejected: rejection-inversion (two logarithms a draw), the
// generator of Gray et al. that YCSB uses (a power a draw), and an alias table
// over all ranks (a cache miss a draw).
type zipf struct {
	entries []zipfEntry // a power of two
	shift   uint        // 64 - log2(len(entries))
}

const (
	zipfExact  = 1024
	zipfSlices = 64
)

// zipfEntry is a column of the alias table and the range of the same number.
type zipfEntry struct {
	keep  uint32 // of 2^32: the share of the column that is its own
	alias uint32
	first uint32 // rank
	width uint32 // ranks; 0 pads the table
}

// newZipf panics if n < 1 or s <= 0: Params.Validate has checked them.
func newZipf(n int, s float64) *zipf {
	if n < 1 || !(s > 0) {
		panic("workloads: zipf over no ranks or with no exponent")
	}
	var entries []zipfEntry
	var weights []float64
	for first := 0; first < n; {
		width := 1
		if first >= zipfExact {
			width = min(max(1, first/zipfSlices), n-first)
		}
		entries = append(entries, zipfEntry{first: uint32(first), width: uint32(width)})
		weights = append(weights, zipfMass(first, width, s))
		first += width
	}
	log2 := bits.Len(uint(len(entries) - 1))
	for len(entries) < 1<<log2 {
		entries, weights = append(entries, zipfEntry{}), append(weights, 0)
	}
	fillAlias(entries, weights)
	return &zipf{entries: entries, shift: uint(64 - log2)}
}

// zipfMass is the sum of (k+1)^-s over the ranks of a range: exact for one
// rank, else by the Euler-Maclaurin formula, whose next term is below 1e-9 of
// the sum where ranges are wider than one.
func zipfMass(first, width int, s float64) float64 {
	a, b := float64(first+1), float64(first+width)
	if width == 1 {
		return math.Pow(a, -s)
	}
	integral := math.Log(b / a)
	if s != 1 {
		integral = (math.Pow(b, 1-s) - math.Pow(a, 1-s)) / (1 - s)
	}
	fa, fb := math.Pow(a, -s), math.Pow(b, -s)
	return integral + (fa+fb)/2 + s*(fa/a-fb/b)/12
}

// fillAlias builds Walker's table by Vose's method.
func fillAlias(entries []zipfEntry, weights []float64) {
	total := 0.0
	for _, w := range weights {
		total += w
	}
	scaled := make([]float64, len(weights))
	var small, large []int
	for i, w := range weights {
		scaled[i] = w / total * float64(len(weights))
		if scaled[i] < 1 {
			small = append(small, i)
		} else {
			large = append(large, i)
		}
	}
	for len(small) > 0 && len(large) > 0 {
		s, l := small[len(small)-1], large[len(large)-1]
		small = small[:len(small)-1]
		entries[s].keep = uint32(min(scaled[s]*(1<<32), math.MaxUint32))
		entries[s].alias = uint32(l)
		scaled[l] -= 1 - scaled[s]
		if scaled[l] < 1 {
			large = large[:len(large)-1]
			small = append(small, l)
		}
	}
	for _, i := range append(small, large...) { // 1 but for rounding
		entries[i].keep, entries[i].alias = math.MaxUint32, uint32(i)
	}
}

// next draws a rank.
func (z *zipf) next(r *random) int {
	x := r.next()
	i := x >> (z.shift & 63) // shift is 64 for one entry: then i is 0 by the mask below
	i &= uint64(len(z.entries) - 1)
	e := &z.entries[i]
	if uint32(x) >= e.keep {
		e = &z.entries[e.alias]
	}
	if e.width <= 1 {
		return int(e.first)
	}
	return int(e.first) + int(scale(r.next(), uint64(e.width)))
}
