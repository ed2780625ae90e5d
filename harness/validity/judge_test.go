package validity

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"orbitbench/harness/result"
	"orbitbench/workloads"
)

// clean is a cell with nothing wrong: ten seconds of an open loop under sync.
func clean() *result.Cell {
	c := &result.Cell{Status: result.OK, Kind: result.KindRenewal, Class: "sync", Params: result.Params{Loop: workloads.Open, Seconds: 10}}
	c.Measure = &result.Measure{
		Seconds: 10.02, OfferedPerS: 1000, AchievedPerS: 998,
		Ops: []result.OpResult{{Op: "renew", Outcome: "ok", Latency: result.Latency{Count: 10_000, P50Ns: 100_000, P99Ns: 1_000_000}}},
		Lag: &result.Latency{Count: 10_000, P50Ns: 500, P99Ns: 20_000},
	}
	for s, p50 := range []int64{101, 99, 100, 98, 102, 100, 99, 101, 100, 100, 900} { // the last one is not whole
		c.Measure.Intervals = append(c.Measure.Intervals, result.Interval{Second: s, Op: "renew", Count: 1000, P50Ns: 1000 * p50})
	}
	throttled := 0.0
	c.Resources = &result.Resources{Machine: &result.Machine{
		OthersCPUShare: 0.05, StealShare: 0.001, ThrottledShare: &throttled, Pressure: map[string]float64{"cpu": 0.9, "io": 0.9, "memory": 0.001},
	}}
	return c
}

// series replaces the seconds.
func series(c *result.Cell, values ...int64) {
	c.Measure.Intervals = nil
	for s, v := range values {
		c.Measure.Intervals = append(c.Measure.Intervals, result.Interval{Second: s, Op: "renew", Count: uint64(v), P50Ns: v})
	}
}

func TestJudge(t *testing.T) {
	level := Floors{BeforeNs: 100_000, AfterNs: 110_000}
	tests := []struct {
		name          string
		change        func(*result.Cell)
		floors        Floors
		verdict, text string
		engine        bool
	}{
		{"nothing wrong", func(*result.Cell) {}, level, result.Valid, "", false},
		{"no floor", func(*result.Cell) {}, Floors{}, result.Valid, "", false},
		{"no look at the machine", func(c *result.Cell) { c.Resources = nil }, level, result.Valid, "", false},
		{"lag at the median", func(c *result.Cell) { c.Measure.Lag.P50Ns = 6000 }, level, result.Invalid, "generator lag p50 6µs against a renew p50 of 100µs", false},
		{"lag below 2 us is never held against a cell", func(c *result.Cell) { c.Measure.Ops[0].Latency.P50Ns, c.Measure.Lag.P50Ns = 3000, 1900 }, level, result.Valid, "", false},
		{"lag in the tail", func(c *result.Cell) { c.Measure.Lag.P99Ns = 60_000 }, level, result.Noisy, "generator lag p99 60µs", false},
		{"rate missed a little", func(c *result.Cell) { c.Measure.AchievedPerS = 985 }, level, result.Noisy, "985 of 1000 operations/s (-1.5%)", true},
		{"rate missed", func(c *result.Cell) { c.Measure.AchievedPerS = 970 }, level, result.Invalid, "offered rate missed", true},
		{"one dropped", func(c *result.Cell) { c.Measure.Dropped = 1 }, level, result.Noisy, "1 due operations were never started", true},
		{"many dropped", func(c *result.Cell) { c.Measure.Dropped = 11 }, level, result.Invalid, "never started", true},
		{"throttled", func(c *result.Cell) { *c.Resources.Machine.ThrottledShare = 0.02 }, level, result.Noisy, "control group stopped it for 2.0%", false},
		{"throttled hard", func(c *result.Cell) { *c.Resources.Machine.ThrottledShare = 0.2 }, level, result.Invalid, "control group", false},
		{"steal", func(c *result.Cell) { c.Resources.Machine.StealShare = 0.1 }, level, result.Noisy, "hypervisor took 10.0%", false},
		{"steal of a quarter", func(c *result.Cell) { c.Resources.Machine.StealShare = 0.3 }, level, result.Invalid, "hypervisor", false},
		{"others", func(c *result.Cell) { c.Resources.Machine.OthersCPUShare = 0.4 }, level, result.Noisy, "other processes took 40%", false},
		{"others had more", func(c *result.Cell) { c.Resources.Machine.OthersCPUShare = 0.8 }, level, result.Invalid, "other processes", false},
		{"memory", func(c *result.Cell) { c.Resources.Machine.Pressure["memory"] = 0.9 }, level, result.Noisy, "waited for memory 90.0%", false},
		{"floor rose", func(*result.Cell) {}, Floors{100_000, 130_000}, result.Noisy, "went from 100µs before to 130µs", false},
		{"floor fell", func(*result.Cell) {}, Floors{130_000, 100_000}, result.Noisy, "went from 130µs", false},
		{"floor doubled", func(*result.Cell) {}, Floors{100_000, 201_000}, result.Invalid, "device's own p50", false},
		{"floor under process", func(c *result.Cell) { c.Class = "process" }, Floors{100_000, 201_000}, result.Valid, "", false},
		{"a trend", func(c *result.Cell) { series(c, 100, 104, 108, 112, 116, 120, 124, 128, 132, 136) }, level, result.Noisy, "p50 of a second moved by +27%", true},
		{"a steep trend", func(c *result.Cell) { series(c, 100, 150, 200, 250, 300, 350, 400, 450, 500, 550) }, level, result.Invalid, "not steady", true},
		{"a trend that does not matter", func(c *result.Cell) { series(c, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008, 1009) }, level, result.Valid, "", false},
		{"a stall is no trend", func(c *result.Cell) { series(c, 100, 101, 100, 900, 100, 99, 100, 101, 99, 100) }, level, result.Valid, "", false},
		{"operations of a closed loop fall", func(c *result.Cell) {
			c.Params.Loop, c.Measure.Lag, c.Measure.OfferedPerS = workloads.Closed, nil, 0
			series(c, 1000, 980, 960, 940, 920, 900, 880, 860, 840, 820)
		}, level, result.Noisy, "operations of a second moved by -14%", true},
		{"a store is judged by its own operation", func(c *result.Cell) {
			c.Kind, c.Params.Store = result.KindTimeSeries, workloads.StoreTimeSeries
			c.Measure.Ops[0].Op, c.Measure.Lag.P50Ns = workloads.OpNamesOf(workloads.StoreTimeSeries)[0], 6000
		}, level, result.Invalid, "generator lag", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := clean()
			tt.change(c)
			v := Judge(c, tt.floors)
			require.NotNil(t, v)
			require.Equal(t, tt.verdict, v.Verdict, "%+v", v)
			require.Contains(t, v.Text(), tt.text)
			if tt.verdict == result.Valid {
				require.Empty(t, v.Reasons)
				return
			}
			require.Len(t, v.Reasons, 1, "one thing was wrong")
			require.Equal(t, tt.engine, v.Reasons[0].Engine)
			require.Equal(t, tt.verdict == result.Invalid && !tt.engine, v.Voided())
		})
	}
}

func TestTheWorstReasonDecides(t *testing.T) {
	c := clean()
	c.Measure.Lag.P50Ns, c.Resources.Machine.StealShare, c.Measure.AchievedPerS = 50_000, 0.1, 985
	v := Judge(c, Floors{})
	require.Equal(t, result.Invalid, v.Verdict)
	require.Len(t, v.Reasons, 3)
}

func TestOnlyLatencyUnderLoadIsJudged(t *testing.T) {
	for _, change := range []func(*result.Cell){
		func(c *result.Cell) { c.Status = result.Failed },
		func(c *result.Cell) { c.Kind = result.KindRecovery },
		func(c *result.Cell) { c.Measure = nil },
	} {
		c := clean()
		change(c)
		require.Nil(t, Judge(c, Floors{}))
	}
}

func TestAShortPhaseHasNoTrend(t *testing.T) {
	c := clean()
	series(c, 100, 200, 300, 400, 500)
	v := Judge(c, Floors{})
	require.Equal(t, result.Valid, v.Verdict)
	require.Nil(t, v.Steady, "five seconds cannot tell")
}

// A soak is a closed loop: the machine, the device and a trend are held against it.
func TestJudgeSoak(t *testing.T) {
	soak := func() *result.Soak {
		s := &result.Soak{Durability: "sync", Machine: clean().Resources.Machine}
		for i := range 60 {
			s.PerSecond = append(s.PerSecond, uint64(1000+7*(i*37%11)))
		}
		return s
	}
	level := Floors{BeforeNs: 100_000, AfterNs: 110_000}
	for name, tt := range map[string]struct {
		change        func(*result.Soak)
		floors        Floors
		verdict, text string
	}{
		"nothing wrong":   {func(*result.Soak) {}, level, result.Valid, ""},
		"no machine":      {func(s *result.Soak) { s.Machine = nil }, level, result.Valid, ""},
		"steal":           {func(s *result.Soak) { s.Machine.StealShare = 0.3 }, level, result.Invalid, "hypervisor"},
		"others":          {func(s *result.Soak) { s.Machine.OthersCPUShare = 0.4 }, level, result.Noisy, "other processes"},
		"floor":           {func(*result.Soak) {}, Floors{100_000, 250_000}, result.Invalid, "device's own p50"},
		"floor, interval": {func(s *result.Soak) { s.Durability = "interval:10ms" }, Floors{100_000, 250_000}, result.Invalid, "device's own p50"},
		"floor, process":  {func(s *result.Soak) { s.Durability = "process" }, Floors{100_000, 250_000}, result.Valid, ""},
		"it slows down": {func(s *result.Soak) {
			for i := range s.PerSecond {
				s.PerSecond[i] -= uint64(6 * i)
			}
		}, level, result.Noisy, "operations of a second moved by -"},
	} {
		s := soak()
		tt.change(s)
		v := JudgeSoak(s, tt.floors)
		require.Equal(t, tt.verdict, v.Verdict, "%s: %+v", name, v)
		require.Contains(t, v.Text(), tt.text, name)
	}
}

// Figures that only wander are called a trend as rarely as the level says.
func TestChanceIsRarelyATrend(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const runs = 2000
	for _, n := range []int{6, 9, 30} {
		found := 0
		for range runs {
			v := make([]float64, n)
			for i := range v {
				v[i] = rng.NormFloat64()
			}
			if mannKendall(v) < trendP {
				found++
			}
		}
		require.LessOrEqual(t, found, int(1.6*trendP*runs), "of %d seconds", n)
	}
	require.Equal(t, 1.0, mannKendall([]float64{5, 5, 5, 5, 5, 5}))
	require.Less(t, mannKendall([]float64{1, 2, 3, 4, 5, 6}), trendP, "six seconds that only rise")
}
