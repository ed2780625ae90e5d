package bench

import (
	"io"
	"slices"
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
		require.NoError(t, printTables(io.Discard, Options{}, &plan{points: []point{renewPoint("ours", 1)}}, []round{{}}, &others{}))
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
	for _, pt := range p.points {
		require.False(t, names[pt.name()], "each point once: %s", pt.name())
		names[pt.name()] = true
		require.NotEqual(t, "noop", pt.engine)
	}
	require.True(t, names["BenchmarkRenew/engine=bbolt/class=sync/writers=1/actors=100000"])
	require.False(t, names["BenchmarkRenew/engine=bbolt/class=sync/writers=8/actors=100000"], "P2 does not ask for it")
	require.True(t, names["BenchmarkRenew/engine=bbolt+batch/class=sync/writers=8/actors=100000"])
	require.True(t, names["BenchmarkIdeal/writers=64"])
	require.Empty(t, p.notes)
}
