package bench

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"orbitbench/engines"
)

// DefaultRows are the targets judged where none are named, QuickRows those of a
// quick run. P15 is an open loop and P17 runs programs of others, which must be
// installed; ParityRows are these two and what the harness itself costs.
var (
	DefaultRows = []string{"P1", "P2", "P3", "P4", "P5", "P6", "P7", "P8", "P9", "P10", "P11", "P12", "P13", "P14", "P16", "P18"}
	QuickRows   = []string{"P1", "P2", "P3", "P5", "P6", "P7", "P8", "P9", "P16"}
	ParityRows  = []string{"P15", "P16", "P17"}
)

// notMeasured is said at the end of the table where the two were not asked for.
const notMeasured = "P15 (open loop) and P17 (the same engine through its authors' own benchmark) are measured on request: --rows P15,P17, or make parity"

// RowNames returns the targets that there are.
func RowNames() []string {
	names := make([]string, len(targetRows))
	for i, r := range targetRows {
		names[i] = r.id
	}
	return slices.Compact(names)
}

// criterion is one demand on a point of an engine that is judged (or of the harness).
type criterion struct {
	text   string
	atMost bool // else at least
	// target is the bound; 0 means that there is none for this point. It may
	// depend on what was measured: a delta has another bound than a full record.
	target func(p point, s sample) float64
	// value is the figure of point p in round r, or why there is none.
	value func(r round, p point) (float64, error)
	// applies, if not nil, restricts the criterion to some points.
	applies func(p point) bool
}

// judgement is one criterion at one point over the rounds.
type judgement struct {
	row, subject, text string
	atMost             bool
	target             float64
	values             []float64 // one a round that has what it takes
	rounds             int
	missing            string // why there is no value for a round, "" if there is one for each
}

// median of the values, which are at least one.
func (j judgement) median() float64 { return median(j.values) }

// reached reports whether the median keeps the bound.
func (j judgement) reached() bool {
	if j.atMost {
		return j.median() <= j.target
	}
	return j.median() >= j.target
}

// judge applies the named rows to the rounds of one section. Where only a grid
// was asked for, every row is applied to the points that it happens to have.
func judge(o Options, rounds []round) []judgement {
	var all []judgement
	for _, row := range targetRows {
		if !o.grid() && !slices.Contains(o.Rows, row.id) {
			continue
		}
		for _, p := range row.subjects(o, rounds) {
			for _, c := range row.criteria {
				if c.applies == nil || c.applies(p) {
					if j, ok := c.judge(row, p, rounds); ok {
						all = append(all, j)
					}
				}
			}
		}
	}
	return all
}

// sortByRow puts the judgements of several sections into the order of the rows.
func sortByRow(all []judgement) {
	names := RowNames()
	slices.SortStableFunc(all, func(a, b judgement) int {
		return cmp.Compare(slices.Index(names, a.row), slices.Index(names, b.row))
	})
}

// subjects are the measured points that the row judges.
func (row targetRow) subjects(o Options, rounds []round) []point {
	var out []point
	for _, r := range rounds {
		for p := range r {
			if row.concerns(o, p) && !slices.Contains(out, p) {
				out = append(out, p)
			}
		}
	}
	slices.SortFunc(out, func(a, b point) int {
		return cmp.Or(strings.Compare(a.engine, b.engine), cmp.Compare(a.actors, b.actors), strings.Compare(a.name(), b.name()))
	})
	return out
}

func (row targetRow) concerns(o Options, p point) bool {
	switch {
	case p.kind != row.kind || p.full != row.full || p.state != row.state || p.rate != row.rate:
		return false
	case row.workers != nil && !slices.Contains(row.workers, p.workers):
		return false
	case row.caches != nil && !slices.Contains(row.caches, p.cache):
		return false
	case p.kind == harnessKind:
		return true
	case p.dur != row.dur && p.kind != getKind: // a read is the same in every class
		return false
	}
	return slices.ContainsFunc(o.Drivers, func(d engines.Driver) bool {
		return d.Info().Name == p.engine && row.judges(d.Info())
	})
}

func (c criterion) judge(row targetRow, p point, rounds []round) (judgement, bool) {
	j := judgement{row: row.id, subject: strings.TrimPrefix(p.name(), "Benchmark"), text: c.text, atMost: c.atMost, rounds: len(rounds)}
	for _, r := range rounds {
		s, ok := r[p]
		if !ok {
			j.missing = "it was not measured"
			continue
		}
		bound := c.target(p, s)
		if bound == 0 {
			return j, false
		}
		j.target = math.Max(j.target, bound)
		v, err := c.value(r, p)
		if err != nil {
			j.missing = err.Error()
			continue
		}
		j.values = append(j.values, v)
	}
	return j, true
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	if n%2 == 1 {
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}

func missing(what string) error { return fmt.Errorf("%s was not measured", what) }
