package reports

import (
	"slices"

	"orbitbench/reports/stats"
)

// middle is the 95% interval of the median where there are values enough, else
// from the lowest to the highest. It takes one value at least.
func middle(values []float64) (lo, hi float64) {
	if lo, hi, ok := stats.MedianInterval(values); ok {
		return lo, hi
	}
	return slices.Min(values), slices.Max(values)
}
