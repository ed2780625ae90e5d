package bench

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"orbitbench/engines"
)

// DefaultRows are the targets judged where none are named.
var DefaultRows = []string{"P1", "P2", "P3", "P5", "P6", "P16"}

// RowNames returns the targets that there are.
func RowNames() []string {
	names := make([]string, len(targetRows))
	for i, r := range targetRows {
		names[i] = r.id
	}
	return names
}

// targetRow is one target: the points that it needs and what is asked of them.
type targetRow struct {
	id       string
	kind     kind
	dur      engines.Durability
	workers  []int
	sizes    []int
	compares func(engines.Info) bool // the engines that take part
	criteria []criterion
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

func fixed(bound float64) func(point, sample) float64 {
	return func(point, sample) float64 { return bound }
}

func named(names ...string) func(engines.Info) bool {
	return func(i engines.Info) bool { return judged(i) || slices.Contains(names, i.Name) }
}

// Nanoseconds in a target hold on the machine where it was set; the gate is the
// ratio to the sharded map, which took this long there.
var mapNs = map[int]float64{smallStore: 158, largeStore: 451}

var targetRows = []targetRow{
	{id: "P1", kind: renewKind, dur: defaultSync, workers: []int{1}, sizes: []int{smallStore}, compares: named("pebble", "bbolt"),
		criteria: []criterion{
			{text: "p50 / floor p50", atMost: true, target: fixed(1.05), value: p50OverFloor},
			{text: "p99 / floor p99", atMost: true, target: fixed(1.15), value: p99OverFloor},
			{text: "throughput / pebble", target: fixed(1.7), value: speedOver("pebble")},
			{text: "throughput / bbolt", target: fixed(2.8), value: speedOver("bbolt")},
		}},
	{id: "P2", kind: renewKind, dur: defaultSync, workers: []int{8}, sizes: []int{smallStore},
		compares: func(i engines.Info) bool { return named("pebble", "rocksdb")(i) || batching(i) },
		criteria: []criterion{
			{text: "throughput / ideal", target: fixed(0.85), value: shareOfIdeal},
			{text: "p50 / floor p50", atMost: true, target: fixed(1.3), value: p50OverFloor},
			{text: "throughput / pebble", target: fixed(2.5), value: speedOver("pebble")},
			{text: "throughput / best batching peer", target: fixed(1.5), value: speedOverBestPeer},
		}},
	{id: "P3", kind: renewKind, dur: defaultSync, workers: []int{64}, sizes: []int{smallStore}, compares: named("pebble", "rocksdb"),
		criteria: []criterion{
			{text: "throughput / ideal", target: fixed(0.65), value: shareOfIdeal},
			{text: "throughput / pebble", target: fixed(3.5), value: speedOver("pebble")},
			{text: "throughput / rocksdb", target: fixed(10), value: speedOver("rocksdb")},
			{text: "p99 / pebble p99", atMost: true, target: fixed(0.3), value: p99Over("pebble")},
		}},
	{id: "P4", kind: renewKind, dur: defaultSync, workers: []int{256}, sizes: []int{smallStore}, compares: named("pebble"),
		criteria: []criterion{
			{text: "throughput / pebble", target: fixed(4.5), value: speedOver("pebble")},
		}},
	{id: "P5", kind: renewKind, dur: defaultSync, workers: []int{1, 8, 64}, sizes: []int{smallStore}, compares: judged,
		criteria: []criterion{
			{text: "flushes by commit, times writers", atMost: true, target: fixed(1.1), value: flushesTimesWriters},
		}},
	{id: "P6", kind: renewKind, dur: onProcess, workers: []int{1}, sizes: []int{smallStore, largeStore}, compares: judged,
		criteria: []criterion{
			{text: "time / sharded map", atMost: true, target: renewalBound, value: timeOverMap},
			{text: "allocations by renewal", atMost: true, target: fixed(0.005), value: allocations},
		}},
	{id: "P9", kind: getKind, dur: onProcess, workers: []int{1, 2}, sizes: []int{smallStore, largeStore}, compares: judged,
		criteria: []criterion{
			{text: "time / sharded map", atMost: true, target: readBound, value: timeOverMap, applies: oneWorker},
			{text: "two threads / one", target: fixed(1.6), value: speedOfTwo, applies: twoWorkers},
			{text: "allocations by read", atMost: true, target: fixed(0.005), value: allocations},
		}},
	{id: "P16", kind: harnessKind, workers: []int{1, 2}, sizes: []int{smallStore},
		criteria: []criterion{
			{text: "time by operation and thread / sharded map", atMost: true, target: harnessBound, value: timeOverMap},
			{text: "allocations by operation", atMost: true, target: fixed(0.005), value: allocations},
			{text: "two threads / one", target: fixed(1.9), value: speedOfTwo,
				applies: func(p point) bool { return p.workers == 2 && !p.sampled }},
		}},
}

func oneWorker(p point) bool  { return p.workers == 1 }
func twoWorkers(p point) bool { return p.workers == 2 }

// stores returns the store sizes at which the row is measured.
func (row targetRow) stores(o Options) []int {
	switch {
	case row.kind == harnessKind:
		return row.sizes
	case o.Actors != nil:
		return o.Actors
	case o.Quick:
		return row.sizes[:1]
	}
	return row.sizes
}

// renewalBound is the bound of P6: a log record shorter than the lease is a delta.
func renewalBound(p point, s sample) float64 {
	bounds := map[int]float64{smallStore: 300, largeStore: 450}
	if s.logBytes < recordBytes {
		bounds = map[int]float64{smallStore: 200, largeStore: 380}
	}
	if bounds[p.actors] == 0 {
		return 0
	}
	return bounds[p.actors] / mapNs[p.actors]
}

func readBound(p point, _ sample) float64 {
	bounds := map[int]float64{smallStore: 110, largeStore: 330}
	if bounds[p.actors] == 0 {
		return 0
	}
	return bounds[p.actors] / mapNs[p.actors]
}

func harnessBound(p point, _ sample) float64 {
	if p.sampled {
		return 10 / mapNs[smallStore]
	}
	return 36 / mapNs[smallStore]
}

// judgement is one criterion at one point over the rounds.
type judgement struct {
	row, subject, text string
	atMost             bool
	target             float64
	values             []float64 // one a round that has what it takes
	missing            string    // why there is no value for a round, "" if there is one for each
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

// judge applies the named rows to the rounds. Where only a grid was asked for,
// every row is applied to the points that it happens to have.
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

// subjects are the measured points that the row judges.
func (row targetRow) subjects(o Options, rounds []round) []point {
	var out []point
	seen := map[point]bool{}
	for _, r := range rounds {
		for p := range r {
			seen[p] = true
		}
	}
	for p := range seen {
		if p.kind != row.kind || p.dur != row.dur || !slices.Contains(row.workers, p.workers) {
			continue
		}
		if p.kind == harnessKind || o.isJudged(p.engine) {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b point) int { return strings.Compare(a.name(), b.name()) })
	return out
}

func (o Options) isJudged(name string) bool {
	return slices.ContainsFunc(o.Drivers, func(d engines.Driver) bool {
		return d.Info().Name == name && judged(d.Info())
	})
}

func (c criterion) judge(row targetRow, p point, rounds []round) (judgement, bool) {
	j := judgement{row: row.id, subject: strings.TrimPrefix(p.name(), "Benchmark"), text: c.text, atMost: c.atMost}
	for _, r := range rounds {
		s, ok := r[p]
		if !ok {
			j.missing = "it stood still"
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
