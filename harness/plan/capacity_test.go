package plan

import (
	"testing"

	"github.com/stretchr/testify/require"

	"orbitbench/engines"
	"orbitbench/harness/capacity"
	"orbitbench/harness/result"
)

func TestCapacityPlan(t *testing.T) {
	for profile, searches := range map[string]int{"quick": 1, "ci": 3, "standard": 3, "full": 7} {
		p, err := ExpandCapacity(CapacityRequest{Profile: profile, Engines: []string{"logstore", "memory"}, Durability: []string{"sync"}}, testCatalog())
		require.NoError(t, err)
		cells := p.Cells()
		require.Len(t, cells, 2*searches)
		for _, c := range cells {
			require.Equal(t, result.KindCapacity, c.Workload.Kind)
			require.False(t, c.Confirm)
			if c.Engine == "memory" {
				require.Equal(t, "it has no log", c.Skip)
				continue
			}
			require.Positive(t, c.Estimate())
			require.Positive(t, c.DiskBytes())
			require.Greater(t, c.Workload.Params.LeaseSeconds, c.Workload.Params.RenewSeconds)
		}
		require.Greater(t, p.Estimate(), cells[0].Estimate(), "confirmations take time too")
		sameAfterTOML(t, p)
	}
}

// sameAfterTOML reads the printed plan back.
func sameAfterTOML(t *testing.T, p *Plan) {
	t.Helper()
	raw, err := p.TOML()
	require.NoError(t, err)
	again, err := Expand(Request{File: writePlan(t, string(raw))}, testCatalog())
	require.NoError(t, err)
	require.Equal(t, p.Workloads, again.Workloads)
	want, got := p.Cells(), again.Cells()
	for i := range want { // an empty table of options is none
		require.Equal(t, [2]any{want[i].PlanCell, want[i].Seed}, [2]any{got[i].PlanCell, got[i].Seed})
	}
}

// The knee of the pretended engine is where probes and confirmations miss.
func TestNextConfirmsWhatTheSearchesFound(t *testing.T) {
	p, err := ExpandCapacity(CapacityRequest{Profile: "standard", Engines: []string{"logstore", "treestore", "memory"}, Durability: []string{"sync"}, MaxLeases: 100_000}, testCatalog())
	require.NoError(t, err)
	done := map[string]*result.Cell{}
	require.Empty(t, p.Next(done), "no search is done")
	knee := map[string]float64{"logstore": 5000, "treestore": 0}
	for i, c := range p.Cells() {
		if c.Skip != "" {
			continue
		}
		if i%4 == 0 {
			require.Less(t, len(p.Next(done)), 3)
		}
		done[c.Key] = &result.Cell{PlanCell: c.PlanCell, Status: result.OK, Capacity: &result.Capacity{KeptPerS: 1.3 * knee[c.Engine]}}
	}
	ran := 0
	for next := p.Next(done); len(next) > 0; next = p.Next(done) {
		require.Equal(t, next, p.Next(done), "the same results, the same cells")
		for _, c := range next {
			require.True(t, c.Confirm)
			require.Equal(t, "logstore", c.Engine, "treestore's searches kept nothing")
			params := c.Workload.Params
			require.InEpsilon(t, params.RatePerS*params.RenewSeconds, float64(params.Actors), 1e-9, "as many leases as the rate renews")
			require.LessOrEqual(t, params.Actors, 100_000)
			require.GreaterOrEqual(t, params.Seconds, params.RenewSeconds)
			res := &result.Cell{PlanCell: c.PlanCell, Status: result.OK, Params: params, Capacity: &result.Capacity{
				Probes: []result.CapacityProbe{{Kept: params.RatePerS <= knee[c.Engine]}},
			}}
			if ran == 1 { // a trial that crashed did not keep the promise
				res.Status, res.Capacity = result.Failed, nil
			}
			done[c.Key] = res
			ran++
		}
	}
	w := p.Workloads[0]
	w.Name += confirmSuffix
	var trials []capacity.Trial
	for n := 1; done[key("logstore", w, engines.Durability{Class: engines.Sync}, n)] != nil; n++ {
		trials = append(trials, trialOf(done[key("logstore", w, engines.Durability{Class: engines.Sync}, n)]))
	}
	require.Len(t, trials, ran)
	confirmed, refuted := capacity.Ladder{StartPerS: 6500, BoundPerS: 10_000, Step: 0.1, Confirmations: 3, MaxTrials: 12}.Bracket(trials)
	require.LessOrEqual(t, confirmed, 5000.0)
	require.Greater(t, confirmed, 4400.0)
	require.Greater(t, refuted, 5000.0)
}

func TestConfirmationsRunForTheirSamples(t *testing.T) {
	c := &Capacity{Promise: "p99.9<=10ms", MaxLeases: 1e6, Precision: 0.1, Confirmations: 1, ConfirmTrials: 1}
	p := result.Params{RenewSeconds: 10}
	require.Equal(t, 10.0, c.confirmParams(p, 20_000).Seconds, "one interval")
	require.Equal(t, 25.0, c.confirmParams(p, 400).Seconds, "ten thousand renewals")
	require.Equal(t, maxConfirm, c.confirmParams(p, 5).Seconds, "and no longer than that")
}

func TestCapacityErrors(t *testing.T) {
	for want, r := range map[string]CapacityRequest{
		`promise "fast"`:              {Promise: "fast"},
		"longer than the interval":    {RenewSeconds: 10, LeaseSeconds: 5},
		"max_leases is -1":            {MaxLeases: -1},
		"--trials":                    {Trials: -1},
		"did you mean":                {Engines: []string{"logstor"}},
		"no engine of the plan can":   {Engines: []string{"memory"}, Durability: []string{"sync"}},
		"renew_seconds is -3":         {RenewSeconds: -3},
		"unknown profile \"quickly\"": {Profile: "quickly"},
	} {
		_, err := ExpandCapacity(r, testCatalog())
		require.ErrorContains(t, err, want)
	}
	_, err := Expand(Request{File: writePlan(t, "[[workload]]\npreset = \"k8s-node\"\nkind = \"capacity\"\npromise = \"p99\"\n")}, testCatalog())
	require.ErrorContains(t, err, "my.toml:4:1")
}

func TestCurvePlan(t *testing.T) {
	p, err := ExpandCurve(CurveRequest{Profile: "standard", Engines: []string{"logstore"}}, testCatalog())
	require.NoError(t, err)
	cells := p.Cells()
	require.Len(t, cells, 3*2, "a cell for each size and log")
	for _, c := range cells {
		require.Equal(t, 10, c.Workload.Repetitions)
		require.Positive(t, c.Estimate())
		require.Positive(t, c.DiskBytes())
	}
	require.Contains(t, cells[0].Key, "-recover-")
	sameAfterTOML(t, p)
	for want, r := range map[string]CurveRequest{
		"log_renewals is -1":    {Logs: []int{-1}},
		"actors is 0":           {Sizes: []int{0}},
		"repetitions is -1":     {Repetitions: -1},
		"nothing survives":      {Engines: []string{"memory"}, Durability: []string{"none"}},
		"two cells of the plan": {Sizes: []int{10, 10}},
	} {
		_, err := ExpandCurve(r, testCatalog())
		require.ErrorContains(t, err, want)
	}
}
