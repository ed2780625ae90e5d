package bench

import (
	"slices"
	"time"

	"orbitbench/engines"
)

// targetRow is one target, or a part of one: the points that it needs and what
// is asked of them.
type targetRow struct {
	id      string
	kind    kind
	dur     engines.Durability
	workers []int    // of a closed loop
	sizes   []int    // of the store, smallest first
	full    bool     // renewKind: write the whole record
	state   state    // recoverKind
	caches  []string // recoverKind
	rate    int      // openKind
	pacing  bool     // judges the generator of an open loop, on a baseline
	// only is the one engine that the row judges, all means every engine that is
	// written here; without both it is those of judged.
	only string
	all  bool
	// peers are compared with, and so is what a batcher stands before if batchers is set.
	peers    []string
	batchers bool
	// needs are engines without which a part of the row is not judged.
	needs    []string
	criteria []criterion
}

// judges reports whether the row's demands are made of an engine.
func (row targetRow) judges(i engines.Info) bool {
	switch {
	case row.only != "":
		return i.Name == row.only
	case row.all:
		return ours(i)
	}
	return judged(i)
}

// compares reports whether an engine takes part in the row.
func (row targetRow) compares(i engines.Info) bool {
	return row.judges(i) || slices.Contains(row.peers, i.Name) || row.batchers && batching(i)
}

// The store sizes that the targets name.
const (
	smallStore = 100_000
	largeStore = 1_000_000
	hugeStore  = 10_000_000
)

var (
	both      = []int{smallStore, largeStore}
	bothCache = []string{cold, warm}
	window    = engines.Durability{Class: engines.Interval, Window: 10 * time.Millisecond}
)

// noAllocation allows for what the runtime allocates beside thousands of operations.
var noAllocation = fixed(0.005)

// Stores that are opened again were filled under class process: what lies in
// their files is what the other classes leave, and a million renewals take a
// peer seconds instead of minutes.
var targetRows = []targetRow{
	{id: "P1", kind: renewKind, dur: defaultSync, workers: []int{1}, sizes: []int{smallStore}, peers: []string{"pebble", "bbolt"},
		criteria: []criterion{
			{text: "p50 / floor p50", atMost: true, target: fixed(1.05), value: p50OverFloor},
			{text: "p99 / floor p99", atMost: true, target: fixed(1.15), value: p99OverFloor},
			{text: "throughput / pebble", target: fixed(1.7), value: speedOver("pebble")},
			{text: "throughput / bbolt", target: fixed(2.8), value: speedOver("bbolt")},
		}},
	{id: "P2", kind: renewKind, dur: defaultSync, workers: []int{8}, sizes: []int{smallStore}, peers: []string{"pebble", "rocksdb"}, batchers: true,
		criteria: []criterion{
			{text: "throughput / ideal", target: fixed(0.85), value: shareOfIdeal},
			{text: "p50 / floor p50", atMost: true, target: fixed(1.3), value: p50OverFloor},
			{text: "throughput / pebble", target: fixed(2.5), value: speedOver("pebble")},
			{text: "throughput / best batching peer", target: fixed(1.5), value: speedOverBestPeer},
		}},
	{id: "P3", kind: renewKind, dur: defaultSync, workers: []int{64}, sizes: []int{smallStore}, peers: []string{"pebble", "rocksdb"},
		criteria: []criterion{
			{text: "throughput / ideal", target: fixed(0.65), value: shareOfIdeal},
			{text: "throughput / pebble", target: fixed(3.5), value: speedOver("pebble")},
			{text: "throughput / rocksdb", target: fixed(10), value: speedOver("rocksdb")},
			{text: "p99 / pebble p99", atMost: true, target: fixed(0.3), value: p99Over("pebble")},
		}},
	{id: "P4", kind: renewKind, dur: defaultSync, workers: []int{256}, sizes: []int{smallStore}, peers: []string{"pebble"},
		criteria: []criterion{
			{text: "throughput / pebble", target: fixed(4.5), value: speedOver("pebble")},
		}},
	{id: "P5", all: true, kind: renewKind, dur: defaultSync, workers: []int{1, 8, 64}, sizes: []int{smallStore},
		criteria: []criterion{
			{text: "flushes by commit, times writers", atMost: true, target: fixed(1.1), value: flushesTimesWriters},
			{text: "writes of the device by flush", atMost: true, target: fixed(2.1), value: deviceWritesByFlush},
		}},
	{id: "P6", kind: renewKind, dur: onProcess, workers: []int{1}, sizes: both,
		criteria: []criterion{
			{text: "time / sharded map", atMost: true, target: renewalBound, value: timeOverMap},
			{text: "allocations by renewal", atMost: true, target: noAllocation, value: allocations},
		}},
	{id: "P6", kind: renewKind, dur: onProcess, workers: []int{1}, sizes: both, full: true,
		criteria: []criterion{
			{text: "time of a full record / sharded map", atMost: true, target: byMap(300, 450), value: timeOverMap},
		}},
	{id: "P7", kind: renewKind, dur: window, workers: []int{1}, sizes: both, only: "actorstore", peers: []string{"pebble"}, needs: []string{"actorstore"},
		criteria: []criterion{
			{text: "time / sharded map", atMost: true, target: byMap(100, 220), value: timeOverMap},
			{text: "throughput / pebble", target: fixed(15), value: speedOver("pebble")},
		}},
	{id: "P8", kind: renewKind, dur: onProcess, workers: []int{1}, sizes: both, only: "cowbtree", needs: []string{"cowbtree"},
		criteria: []criterion{
			{text: "time / sharded map", atMost: true, target: byMap(600, 1000), value: timeOverMap},
		}},
	{id: "P8", kind: renewKind, dur: defaultSync, workers: []int{64}, sizes: []int{smallStore}, only: "cowbtree", peers: []string{"pebble"},
		criteria: []criterion{
			{text: "throughput / pebble", target: fixed(2.5), value: speedOver("pebble")},
		}},
	{id: "P9", kind: getKind, dur: onProcess, workers: []int{1, 2}, sizes: both, peers: []string{"lmdb"}, needs: []string{"lmdb"},
		criteria: readCriteria(byMap(110, 330))},
	{id: "P9", kind: getKind, dur: onProcess, workers: []int{1, 2}, sizes: both, only: "cowbtree", peers: []string{"lmdb"},
		criteria: readCriteria(byMap(250, 600))},
	{id: "P10", all: true, kind: renewKind, dur: onProcess, workers: []int{1}, sizes: []int{smallStore},
		criteria: []criterion{
			{text: "allocations by renewal", atMost: true, target: noAllocation, value: allocations},
		}},
	{id: "P10", all: true, kind: getKind, dur: onProcess, workers: []int{1}, sizes: []int{smallStore},
		criteria: []criterion{
			{text: "allocations by read", atMost: true, target: noAllocation, value: allocations},
		}},
	{id: "P10", all: true, kind: collectorKind, dur: onProcess, sizes: []int{hugeStore},
		criteria: []criterion{
			{text: "collector's share of the processors, %", atMost: true, target: fixed(1), value: collectorPercent},
			{text: "longest pause of the collector, us", atMost: true, target: fixed(200), value: collectorPause},
		}},
	{id: "P11", kind: recoverKind, dur: onProcess, sizes: []int{largeStore}, caches: bothCache, peers: []string{"pebble"},
		criteria: []criterion{
			{text: "time by lease / sharded map", atMost: true, target: recoveryBound, value: recoveryOverMap},
			{text: "time / pebble's", atMost: true, target: fixed(0.3), value: recoveryOver("pebble")},
		}},
	{id: "P12", kind: recoverKind, dur: onProcess, sizes: []int{hugeStore}, caches: bothCache, state: atSnapshot,
		criteria: []criterion{
			{text: "first read / reading and checksumming the files", atMost: true, target: snapshotBound, value: firstOverChecksum},
			{text: "1 read in 1000 / reading and checksumming the files", atMost: true, target: snapshotBound, value: readyOverChecksum},
		}},
	{id: "P12", kind: recoverKind, dur: onProcess, sizes: []int{largeStore}, caches: []string{warm}, state: atSnapshot},
	{id: "P12", kind: recoverKind, dur: onProcess, sizes: []int{largeStore}, caches: []string{warm}, state: afterDeltas,
		criteria: []criterion{
			{text: "million renewals replayed by second", target: fixed(30), value: replayRate},
		}},
	{id: "P13", kind: recoverKind, dur: onProcess, sizes: []int{largeStore, hugeStore}, caches: bothCache, state: afterClose,
		criteria: []criterion{
			{text: "first read, ms", atMost: true, target: fixed(10), value: firstReadMs},
		}},
	{id: "P14", kind: checkpointKind, dur: defaultSync, workers: []int{64}, sizes: []int{largeStore}, criteria: checkpointCriteria},
	{id: "P14", kind: checkpointKind, dur: onProcess, workers: []int{1}, sizes: []int{largeStore}, criteria: checkpointCriteria},
	{id: "P15", all: true, kind: openKind, dur: defaultSync, workers: []int{openWorkers}, rate: openRate, sizes: []int{smallStore}, peers: []string{"pebble", "rocksdb"},
		criteria: []criterion{
			{text: "p50 / floor p50", atMost: true, target: fixed(4), value: p50OverFloor},
			{text: "p99, ms", atMost: true, target: fixed(3), value: p99Ms},
			{text: "achieved / offered rate", target: fixed(0.99), value: achievedOverOffered},
		}},
	pacingRow(20_000), pacingRow(50_000), pacingRow(100_000),
	{id: "P16", kind: harnessKind, workers: []int{1, 2}, sizes: []int{smallStore},
		criteria: []criterion{
			{text: "time by operation and thread / sharded map", atMost: true, target: harnessBound, value: timeOverMap},
			{text: "allocations by operation", atMost: true, target: noAllocation, value: allocations},
			{text: "two threads / one", target: fixed(1.9), value: speedOfTwo,
				applies: func(p point) bool { return p.workers == 2 && !p.sampled }},
		}},
	{id: "P17", kind: putKind, dur: defaultSync, workers: []int{1, 64}, sizes: []int{smallStore}, only: "pebble", needs: []string{"pebble"},
		criteria: []criterion{
			{text: "throughput / pebble bench sync", target: fixed(1), value: speedOverTool},
		}},
	{id: "P17", kind: putKind, dur: defaultSync, workers: []int{1, 64}, sizes: []int{smallStore}, only: "rocksdb", needs: []string{"rocksdb"},
		criteria: []criterion{
			{text: "throughput / db_bench fillsync", target: fixed(0.9), value: speedOverTool},
		}},
	{id: "P18", all: true, kind: memoryKind, dur: onProcess, sizes: []int{largeStore},
		criteria: []criterion{
			{text: "anonymous memory by million leases, MB", atMost: true, target: fixed(260), value: memoryByMillion},
		}},
}

// pacingRow judges whether the generator offers what it should, on time, with an
// engine behind it that waits for nothing.
func pacingRow(rate int) targetRow {
	return targetRow{id: "P15", kind: openKind, dur: engines.Durability{Class: engines.None}, workers: []int{paceWorkers}, rate: rate, pacing: true,
		sizes: []int{smallStore}, only: "memory", criteria: []criterion{
			{text: "achieved / offered rate", target: fixed(0.99), value: achievedOverOffered},
			{text: "lag of the generator p99, us", atMost: true, target: fixed(50), value: lagP99Us},
		}}
}

var checkpointCriteria = []criterion{
	{text: "throughput / steady", target: fixed(0.85), value: checkpointThroughput},
	{text: "p99 / steady", atMost: true, target: fixed(2), value: checkpointP99},
	{text: "p99.9 / steady", atMost: true, target: fixed(2.5), value: checkpointP999},
}

func readCriteria(bound func(point, sample) float64) []criterion {
	return []criterion{
		{text: "time / sharded map", atMost: true, target: bound, value: timeOverMap, applies: oneWorker},
		{text: "throughput / lmdb", target: fixed(4), value: speedOver("lmdb"), applies: oneWorker},
		{text: "two threads / one", target: fixed(1.6), value: speedOfTwo, applies: twoWorkers},
		{text: "allocations by read", atMost: true, target: noAllocation, value: allocations},
	}
}

func oneWorker(p point) bool  { return p.workers == 1 }
func twoWorkers(p point) bool { return p.workers == 2 }

func fixed(bound float64) func(point, sample) float64 {
	return func(point, sample) float64 { return bound }
}

// Nanoseconds in a target hold on the machine where it was set; the gate is the
// ratio to the sharded map, which took this long there.
var mapNs = map[int]float64{smallStore: 158, largeStore: 451}

// byMap is the bound for nanoseconds given at the small and the large store.
func byMap(small, large float64) func(point, sample) float64 {
	return func(p point, _ sample) float64 {
		switch p.actors {
		case smallStore:
			return small / mapNs[smallStore]
		case largeStore:
			return large / mapNs[largeStore]
		}
		return 0
	}
}

// renewalBound is the bound of P6: a log record shorter than the lease is a delta.
func renewalBound(p point, s sample) float64 {
	if s.logBytes < recordBytes {
		return byMap(200, 380)(p, s)
	}
	return byMap(300, 450)(p, s)
}

// recoveryBound: 130 and 80 ms for a million leases are that many ns for one.
func recoveryBound(p point, _ sample) float64 {
	switch {
	case p.actors != largeStore:
		return 0
	case p.cache == cold:
		return 130 / mapNs[largeStore]
	}
	return 80 / mapNs[largeStore]
}

func snapshotBound(p point, _ sample) float64 {
	if p.cache == cold {
		return 1.3
	}
	return 3
}

func harnessBound(p point, _ sample) float64 {
	if p.sampled {
		return 10 / mapNs[smallStore]
	}
	return 36 / mapNs[smallStore]
}
