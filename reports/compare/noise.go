package compare

import (
	"slices"

	"orbitbench/harness/result"
	"orbitbench/reports/stats"
)

// noiseOf looks for A/A controls of the same workload and durability in both
// runs. Without enough of them the trials of the row itself stand in: each with
// the next one of the same run.
func noiseOf(base, head side, c *result.Cell, f figure) stats.Floor {
	var ratios []float64
	engine := ""
	for _, s := range []side{base, head} {
		byKey := map[string]*result.Cell{}
		for _, x := range s.Cells {
			byKey[x.Key] = x
		}
		for _, twin := range s.Cells {
			x := byKey[twin.ControlOf]
			if x == nil || x.Workload != c.Workload || x.Durability != c.Durability || !usable(x) || !usable(twin) {
				continue
			}
			engine = x.Engine
			ratios = append(ratios, stats.LogRatios(f.values(x), f.values(twin))...)
		}
	}
	return stats.NoiseFloor(ratios, engine, plain(samples(base, place(c), f)), plain(samples(head, place(c), f)))
}

// usable reports whether a cell's figures may be used: it ended well, and the
// machine has not voided it.
func usable(c *result.Cell) bool { return c.Status == result.OK && !c.Validity.Voided() }

// samples are the values of a figure at a place, in the order of the trials.
func samples(s side, at string, f figure) []sample {
	var all []sample
	for _, c := range s.Cells {
		if place(c) != at || c.ControlOf != "" || c.Status != result.OK || !usable(c) && (f.count == nil || f.count.timed) {
			continue
		}
		for i, v := range f.values(c) {
			all = append(all, sample{c.Trial*10_000 + i, v})
		}
	}
	slices.SortFunc(all, func(a, b sample) int { return a.key - b.key })
	return all
}

func plain(all []sample) []float64 {
	out := make([]float64, len(all))
	for i, s := range all {
		out[i] = s.value
	}
	return out
}

// pairs returns the values of both that share a key.
func pairs(a, b []sample) (x, y []float64) {
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case a[i].key < b[j].key:
			i++
		case a[i].key > b[j].key:
			j++
		default:
			x, y = append(x, a[i].value), append(y, b[j].value)
			i, j = i+1, j+1
		}
	}
	return x, y
}
