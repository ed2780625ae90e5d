package bench

import (
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"orbitbench/engines"
	"orbitbench/engines/lease"
)

func mustRenewal(a *actors) lease.Renewal { return lease.Renewal{ExpiresAt: a.now + 1, Now: a.now} }

func renewPoint(engine string, writers int) point {
	return point{kind: renewKind, engine: engine, dur: defaultSync, workers: writers, actors: smallStore}
}

// goodRound keeps every bound of P1 and P2 for engine "ours".
func goodRound() round {
	return round{
		floorPoint:                   {nsPerOp: 100, p50: 100, p99: 200},
		idealPoint(8):                {nsPerOp: 12.5, p50: 100, p99: 200},
		renewPoint("ours", 1):        {nsPerOp: 102, p50: 101, p99: 210, flushes: 1},
		renewPoint("pebble", 1):      {nsPerOp: 190, p50: 190, p99: 400},
		renewPoint("bbolt", 1):       {nsPerOp: 300, p50: 300, p99: 600},
		renewPoint("ours", 8):        {nsPerOp: 14, p50: 120, p99: 240, flushes: 0.127},
		renewPoint("pebble", 8):      {nsPerOp: 36, p50: 300, p99: 500},
		renewPoint("bbolt+batch", 8): {nsPerOp: 22, p50: 300, p99: 500},
	}
}

func judgeRounds(rows []string, rounds ...round) map[string]judgement {
	o := Options{Rows: rows, Drivers: []engines.Driver{slowDriver{name: "ours", role: engines.Candidate}}}
	out := map[string]judgement{}
	for _, j := range judge(o, rounds) {
		out[j.row+" "+j.text] = j
	}
	return out
}

func TestJudgeReaches(t *testing.T) {
	all := judgeRounds([]string{"P1", "P2"}, goodRound())
	require.Len(t, all, 8)
	for name, j := range all {
		require.Empty(t, j.missing, name)
		require.True(t, j.reached(), "%s: %v", name, j.values)
	}
}

// Each row spoils one figure and must turn exactly the criteria that rest on it.
func TestJudgeCatches(t *testing.T) {
	tests := []struct {
		spoil func(round)
		want  []string
	}{
		{func(r round) { r.set("ours", 1, func(s *sample) { s.p50 = 106 }) }, []string{"P1 p50 / floor p50"}},
		{func(r round) { r.set("ours", 1, func(s *sample) { s.p99 = 231 }) }, []string{"P1 p99 / floor p99"}},
		{func(r round) { r.set("pebble", 1, func(s *sample) { s.nsPerOp = 170 }) }, []string{"P1 throughput / pebble"}},
		{func(r round) { r.set("bbolt", 1, func(s *sample) { s.nsPerOp = 280 }) }, []string{"P1 throughput / bbolt"}},
		{func(r round) { r.set("ours", 8, func(s *sample) { s.p50 = 131 }) }, []string{"P2 p50 / floor p50"}},
		{func(r round) { r[idealPoint(8)] = sample{nsPerOp: 11} }, []string{"P2 throughput / ideal"}},
		{func(r round) { r.set("bbolt+batch", 8, func(s *sample) { s.nsPerOp = 20 }) }, []string{"P2 throughput / best batching peer"}},
		{func(r round) { r.set("ours", 8, func(s *sample) { s.flushes = 0.14 }) }, []string{"P5 flushes by commit, times writers"}},
	}
	for _, tt := range tests {
		r := goodRound()
		tt.spoil(r)
		var missed []string
		for name, j := range judgeRounds([]string{"P1", "P2", "P5"}, r) {
			if !j.reached() {
				missed = append(missed, name)
			}
		}
		slices.Sort(missed)
		require.Equal(t, tt.want, missed)
	}
}

func (r round) set(engine string, writers int, change func(*sample)) {
	p := renewPoint(engine, writers)
	s := r[p]
	change(&s)
	r[p] = s
}

func TestJudgeSaysWhatIsMissing(t *testing.T) {
	r := goodRound()
	delete(r, floorPoint)
	delete(r, renewPoint("bbolt", 1))
	delete(r, renewPoint("bbolt+batch", 8))
	all := judgeRounds([]string{"P1", "P2"}, r)
	require.Contains(t, all["P1 p50 / floor p50"].missing, "floor")
	require.Contains(t, all["P1 throughput / bbolt"].missing, "bbolt")
	require.Contains(t, all["P2 throughput / best batching peer"].missing, "batcher")
	require.True(t, all["P1 throughput / pebble"].reached())
}

func TestJudgeTakesTheMedianOfRatios(t *testing.T) {
	slow, slower := goodRound(), goodRound()
	slow.set("ours", 1, func(s *sample) { s.p50 = 104 })
	slower[floorPoint] = sample{nsPerOp: 200, p50: 200, p99: 400} // the device drifts: both double
	slower.set("ours", 1, func(s *sample) { s.p50 = 240 })
	j := judgeRounds([]string{"P1"}, goodRound(), slow, slower)["P1 p50 / floor p50"]
	require.Equal(t, []float64{1.01, 1.04, 1.2}, j.values)
	require.Equal(t, 1.04, j.median())
	require.True(t, j.reached())
	require.Equal(t, 1.025, median([]float64{1.04, 1.01}))
}

func TestJudgeLeavesAStalledRoundOut(t *testing.T) {
	r := goodRound()
	delete(r, renewPoint("ours", 1))
	half := judgeRounds([]string{"P1"}, r, goodRound())["P1 p50 / floor p50"]
	require.Equal(t, []float64{1.01}, half.values)
	require.NotEmpty(t, half.missing)
	noPeer := goodRound()
	delete(noPeer, renewPoint("pebble", 1))
	half = judgeRounds([]string{"P1"}, goodRound(), noPeer)["P1 throughput / pebble"]
	require.Len(t, half.values, 1)
	require.Contains(t, half.missing, "pebble")
	require.NotPanics(t, func() {
		s := sectionDone{section: section{points: []point{renewPoint("ours", 1)}}, done: []round{{}}}
		require.NoError(t, printTables(io.Discard, Options{}, []sectionDone{s}, &others{}))
	})
}

func TestRenewalBoundFollowsTheLog(t *testing.T) {
	p := point{kind: renewKind, engine: "ours", dur: onProcess, workers: 1, actors: smallStore}
	require.InDelta(t, 200.0/158, renewalBound(p, sample{logBytes: 32}), 1e-9, "a delta")
	require.InDelta(t, 300.0/158, renewalBound(p, sample{logBytes: 230}), 1e-9, "a full record")
	p.actors = largeStore
	require.InDelta(t, 380.0/451, renewalBound(p, sample{logBytes: 32}), 1e-9)
	p.actors = 5
	require.Zero(t, renewalBound(p, sample{}), "no bound is known for other sizes")
}

// apartRound keeps every bound of the rows below for the engines named.
func apartRound() (round, Options) {
	process := func(engine string, n int) point {
		return point{kind: renewKind, engine: engine, dur: onProcess, workers: 1, actors: n}
	}
	full := process("ours", smallStore)
	full.full = true
	interval := func(engine string) point {
		return point{kind: renewKind, engine: engine, dur: window, workers: 1, actors: smallStore}
	}
	read := func(engine string, threads int, d engines.Durability) point {
		return point{kind: getKind, engine: engine, dur: d, workers: threads, actors: smallStore}
	}
	recover := func(engine string, n int, s state, cache string) point {
		return point{kind: recoverKind, engine: engine, dur: onProcess, actors: n, state: s, cache: cache}
	}
	times := func(first, ready, replayed float64) sample {
		return sample{recovery: recovery{OpenNs: first, FirstNs: first, ReadyNs: ready, Replayed: replayed}}
	}
	writes := renewPoint("ours", 8)
	r := round{
		mapPoint(smallStore): {nsPerOp: 158}, mapPoint(largeStore): {nsPerOp: 451},
		process("ours", smallStore):     {nsPerOp: 190, logBytes: 48},
		full:                            {nsPerOp: 290, logBytes: 250},
		interval("actorstore"):          {nsPerOp: 90},
		interval("pebble"):              {nsPerOp: 1500},
		process("cowbtree", smallStore): {nsPerOp: 590},
		renewPoint("cowbtree", 64):      {nsPerOp: 3},
		renewPoint("pebble", 64):        {nsPerOp: 9},
		read("ours", 1, onProcess):      {nsPerOp: 100},
		read("ours", 2, onProcess):      {nsPerOp: 60},
		read("cowbtree", 1, onProcess):  {nsPerOp: 240},
		read("lmdb", 1, defaultSync):    {nsPerOp: 1000},
		writes:                          {nsPerOp: 14, flushes: 0.13, device: deviceShare{writes: 0.26}},
		{kind: collectorKind, engine: "ours", dur: onProcess, actors: hugeStore}:             {collector: collector{Share: 0.009, PauseNs: 199e3}},
		recover("ours", largeStore, afterKill, cold):                                         times(129e6, 140e6, 2e6),
		recover("pebble", largeStore, afterKill, cold):                                       times(500e6, 600e6, 0),
		recover("ours", hugeStore, atSnapshot, cold):                                         times(1.2e9, 1.3e9, 0),
		{kind: checksumKind, engine: "ours", dur: onProcess, actors: hugeStore, cache: cold}: {nsPerOp: 1e9},
		recover("ours", largeStore, atSnapshot, warm):                                        times(50e6, 60e6, 0),
		recover("ours", largeStore, afterDeltas, warm):                                       times(170e6, 180e6, 4e6),
		recover("ours", hugeStore, afterClose, cold):                                         times(9e6, 2e9, 0),
		{kind: checkpointKind, engine: "ours", dur: defaultSync, workers: 64, actors: largeStore}: {
			nsPerOp: 110, p99: 190, p999: 240, steady: &sample{nsPerOp: 100, p99: 100, p999: 100}},
		{kind: memoryKind, engine: "ours", dur: onProcess, actors: largeStore}: {memory: memoryUse{Anonymous: 259e6, Mapped: 9e9}},
	}
	o := Options{Rows: DefaultRows}
	for _, name := range []string{"ours", "actorstore", "cowbtree"} {
		o.Drivers = append(o.Drivers, slowDriver{name: name, role: engines.Candidate})
	}
	return r, o
}

// Each row spoils one figure and must turn exactly the criteria that rest on it.
func TestJudgeCatchesInEveryRow(t *testing.T) {
	spoil := func(name string, change func(*sample)) func(round) {
		return func(r round) {
			for p, s := range r {
				if strings.TrimPrefix(p.name(), "Benchmark") == name {
					change(&s)
					r[p] = s
				}
			}
		}
	}
	ns := func(v float64) func(*sample) { return func(s *sample) { s.nsPerOp = v } }
	first := func(v float64) func(*sample) { return func(s *sample) { s.recovery.FirstNs = v } }
	tests := []struct {
		spoil func(round)
		want  []string
	}{
		{func(round) {}, nil},
		{spoil("Renew/engine=ours/class=process/writers=1/actors=100k", ns(201)), []string{"P6 time / sharded map"}},
		{spoil("Renew/engine=ours/class=process/writers=1/actors=100k", func(s *sample) { s.allocs = 1 }),
			[]string{"P10 allocations by renewal", "P6 allocations by renewal"}},
		{spoil("Renew/engine=ours/class=process/writers=1/actors=100k/record=full", ns(301)), []string{"P6 time of a full record / sharded map"}},
		{spoil("Renew/engine=actorstore/class=interval:10ms/writers=1/actors=100k", ns(101)), []string{"P7 throughput / pebble", "P7 time / sharded map"}},
		{spoil("Renew/engine=pebble/class=interval:10ms/writers=1/actors=100k", ns(1300)), []string{"P7 throughput / pebble"}},
		{spoil("Renew/engine=cowbtree/class=process/writers=1/actors=100k", ns(601)), []string{"P8 time / sharded map"}},
		{spoil("Renew/engine=cowbtree/class=sync/writers=64/actors=100k", ns(3.7)), []string{"P8 throughput / pebble"}},
		{spoil("Get/engine=ours/threads=1/actors=100k", ns(112)), []string{"P9 time / sharded map"}},
		{spoil("Get/engine=ours/threads=2/actors=100k", ns(70)), []string{"P9 two threads / one"}},
		{spoil("Get/engine=lmdb/threads=1/actors=100k", ns(399)), []string{"P9 throughput / lmdb"}},
		{spoil("Get/engine=cowbtree/threads=1/actors=100k", ns(251)), []string{"P9 throughput / lmdb", "P9 time / sharded map"}},
		{spoil("Renew/engine=ours/class=sync/writers=8/actors=100k", func(s *sample) { s.device.writes = 0.28 }), []string{"P5 writes of the device by flush"}},
		{spoil("Collector/engine=ours/leases=10M", func(s *sample) { s.collector.Share = 0.011 }), []string{"P10 collector's share of the processors, %"}},
		{spoil("Collector/engine=ours/leases=10M", func(s *sample) { s.collector.PauseNs = 201e3 }), []string{"P10 longest pause of the collector, us"}},
		{spoil("Recover/engine=ours/leases=1M/cache=cold", first(131e6)), []string{"P11 time by lease / sharded map"}},
		{spoil("Recover/engine=pebble/leases=1M/cache=cold", first(400e6)), []string{"P11 time / pebble's"}},
		{spoil("Recover/engine=ours/leases=10M/cache=cold/state=snapshot", first(1.31e9)), []string{"P12 first read / reading and checksumming the files"}},
		{spoil("Recover/engine=ours/leases=10M/cache=cold/state=snapshot", func(s *sample) { s.recovery.ReadyNs = 1.31e9 }),
			[]string{"P12 1 read in 1000 / reading and checksumming the files"}},
		{spoil("Recover/engine=ours/leases=1M/cache=warm/state=deltas", func(s *sample) { s.recovery.ReadyNs = 194e6 }),
			[]string{"P12 million renewals replayed by second"}},
		{spoil("Recover/engine=ours/leases=10M/cache=cold/state=closed", first(10.1e6)), []string{"P13 first read, ms"}},
		{spoil("Checkpoint/engine=ours", ns(118)), []string{"P14 throughput / steady"}},
		{spoil("Checkpoint/engine=ours", func(s *sample) { s.p99 = 201 }), []string{"P14 p99 / steady"}},
		{spoil("Checkpoint/engine=ours", func(s *sample) { s.p999 = 251 }), []string{"P14 p99.9 / steady"}},
		{spoil("Memory/engine=ours/leases=1M", func(s *sample) { s.memory.Anonymous = 261e6 }), []string{"P18 anonymous memory by million leases, MB"}},
	}
	for i, tt := range tests {
		r, o := apartRound()
		tt.spoil(r)
		var missed []string
		judged := 0
		for _, j := range judge(o, []round{r}) {
			if len(j.values) == 0 {
				continue
			}
			judged++
			if !j.reached() {
				missed = append(missed, j.row+" "+j.text)
			}
		}
		require.Greater(t, judged, 25, "the round has what the rows take")
		slices.Sort(missed)
		require.Equal(t, tt.want, slices.Compact(missed), "test %d", i)
	}
}

func TestJudgeSaysWhyThereIsNoFigure(t *testing.T) {
	r, o := apartRound()
	for p, s := range r {
		switch {
		case p.state == afterDeltas:
			s.recovery.ReadyNs = 1
			r[p] = s
		case p.kind == checksumKind, p.engine == "lmdb":
			delete(r, p)
		case p.kind == renewKind && s.device.writes > 0:
			s.device = deviceShare{why: "others wrote"}
			r[p] = s
		}
	}
	why := map[string]string{}
	for _, j := range judge(o, []round{r}) {
		why[j.row+" "+j.text] = j.missing
	}
	require.Contains(t, why["P12 million renewals replayed by second"], "took")
	require.Contains(t, why["P12 first read / reading and checksumming the files"], "was not measured")
	require.Contains(t, why["P9 throughput / lmdb"], "lmdb was not measured")
	require.Equal(t, "others wrote", why["P5 writes of the device by flush"])
}

func TestPlanOfAllRows(t *testing.T) {
	var drivers []engines.Driver
	for _, name := range []string{"appendlog", "actorstore", "cowbtree"} {
		drivers = append(drivers, slowDriver{name: name, role: engines.Candidate})
	}
	drivers = append(drivers, slowDriver{name: "pebble", role: engines.Yardstick}, slowDriver{name: "bbolt", role: engines.Yardstick})
	names := func(o Options) (all []string) {
		o.Drivers, o.Rounds = drivers, 7
		p := makePlan(o)
		for i, s := range p.sections {
			for _, pt := range s.points {
				require.Equal(t, i == 1 && pt.kind != mapKind, pt.kind.apart())
				require.NotContains(t, all, strconv.Itoa(i)+pt.name(), "a name stands for one point of a section")
				all = append(all, strconv.Itoa(i)+pt.name())
			}
		}
		require.NotEmpty(t, p.estimate(o))
		return all
	}
	all := names(Options{Rows: DefaultRows})
	require.Contains(t, all, "1BenchmarkCollector/engine=cowbtree/leases=10M")
	require.Contains(t, all, "1BenchmarkRecover/engine=pebble/leases=1M/cache=cold")
	require.NotContains(t, all, "1BenchmarkRecover/engine=pebble/leases=10M/cache=cold/state=snapshot")
	require.NotContains(t, all, "1BenchmarkRecover/engine=bbolt/leases=1M/cache=cold")
	require.Contains(t, all, "0BenchmarkCheckpoint/engine=appendlog")
	quick := names(Options{Rows: QuickRows, Quick: true})
	for _, name := range quick {
		require.NotContains(t, name, "1M")
		require.Equal(t, "0", name[:1], "nothing long in a quick run")
	}
	named := names(Options{Rows: DefaultRows, Engines: []string{"bbolt", "appendlog"}})
	require.NotContains(t, named, "1BenchmarkRecover/engine=bbolt/leases=1M/cache=cold", "P11 does not compare with it")
	require.Equal(t, []int{7, 3}, func() []int {
		p := makePlan(Options{Drivers: drivers, Rows: DefaultRows, Rounds: 7})
		return []int{p.sections[0].rounds, p.sections[1].rounds}
	}())
	require.Contains(t, strings.Join(makePlan(Options{Drivers: drivers[:1], Rows: DefaultRows}).notes, ";"), "P7: this program has no engine actorstore")
}

func TestSizesHaveShortNames(t *testing.T) {
	for n, want := range map[int]string{100_000: "100k", 1_000_000: "1M", 10_000_000: "10M", 2500: "2500", 0: "0", 7: "7", 1_500_000: "1500k"} {
		require.Equal(t, want, size(n))
	}
}

func TestPlanSharesPointsAndKeepsOthersOut(t *testing.T) {
	drivers := []engines.Driver{
		slowDriver{name: "ours", role: engines.Candidate},
		slowDriver{name: "pebble", role: engines.Yardstick},
		slowDriver{name: "bbolt", role: engines.Yardstick},
		slowDriver{name: "bbolt+batch", role: engines.Yardstick},
		slowDriver{name: "noop", role: engines.Baseline},
	}
	p := makePlan(Options{Drivers: drivers, Rows: []string{"P1", "P2", "P5"}})
	names := map[string]bool{}
	for _, pt := range p.sections[0].points {
		require.False(t, names[pt.name()], "each point once: %s", pt.name())
		names[pt.name()] = true
		require.NotEqual(t, "noop", pt.engine)
	}
	require.True(t, names["BenchmarkRenew/engine=bbolt/class=sync/writers=1/actors=100k"])
	require.False(t, names["BenchmarkRenew/engine=bbolt/class=sync/writers=8/actors=100k"], "P2 does not ask for it")
	require.True(t, names["BenchmarkRenew/engine=bbolt+batch/class=sync/writers=8/actors=100k"])
	require.True(t, names["BenchmarkIdeal/writers=64"])
	require.Empty(t, p.notes)
}
