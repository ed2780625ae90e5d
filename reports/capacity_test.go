package reports

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orbitbench/harness/result"
)

// kneeLatency is what a pretended engine with this knee takes at a rate.
func kneeLatency(rate, knee float64) float64 { return 4e5 * (1 + 30*math.Pow(rate/knee, 12)) }

func capacityCell(engine, role string, trial int, probes ...result.CapacityProbe) *result.Cell {
	workload := result.KindCapacity
	if role == result.CapacityConfirm {
		workload += confirmSuffix
	}
	c := &result.Cell{
		PlanCell: result.PlanCell{Key: fmt.Sprintf("%s-best-%s-sync-%d", engine, workload, trial), Engine: engine, Workload: workload, Durability: "sync", Trial: trial},
		Class:    "sync", Path: "native", Kind: result.KindCapacity, Status: result.OK, Started: epoch, Finished: epoch.Add(time.Minute),
		Check: &result.Check{Records: 1000, Verdict: "ok"},
		Capacity: &result.Capacity{
			Role: role, Promise: "p99.9<=10ms", Quantile: .999, LimitNs: 1e7, RenewSeconds: 10, LeaseSeconds: 30, Probes: probes, BoundPerS: 100_000,
		},
	}
	for _, p := range probes {
		if p.Kept {
			c.Capacity.KeptPerS = max(c.Capacity.KeptPerS, p.RatePerS)
		}
	}
	return c
}

func probeAt(rate, knee float64, noise float64) result.CapacityProbe {
	ns := int64(kneeLatency(rate, knee) * noise)
	p := result.CapacityProbe{
		RatePerS: rate, AchievedPerS: math.Min(rate, knee*1.1), Leases: int(10 * rate), Seconds: 10, Offered: uint64(10 * rate), PromisedNs: ns, Allowed: uint64(rate / 100),
		Renewals: result.Latency{Count: uint64(10 * rate), MinNs: 1e5, P50Ns: 2e5, P99Ns: ns / 2, P999Ns: ns, MaxNs: 2 * ns},
		Lease:    result.LeaseOutcomes{SlackNs: 20e9, LongestStallNs: 2 * ns},
		Kept:     ns <= 1e7,
	}
	if !p.Kept {
		p.Over, p.Reason = 1000, "1000 renewals took longer than 10ms"
	}
	return p
}

// capacityRun writes a run in which each engine has the knee given.
func capacityRun(t *testing.T, knees map[string]float64, edit func(*result.Cell) bool) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "run")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, result.CellDir), 0o755))
	run := syntheticRun()
	add := func(c *result.Cell) {
		run.Plan = append(run.Plan, c.PlanCell)
		if edit == nil || edit(c) {
			require.NoError(t, result.WriteCell(dir, c))
		}
	}
	for _, e := range syntheticEngines {
		knee, ok := knees[e.info.Name]
		if !ok {
			continue
		}
		run.Engines = append(run.Engines, e.info)
		for trial := 1; trial <= 3; trial++ {
			var probes []result.CapacityProbe
			for rate := 1000.0; rate < 3*knee; rate *= 2 {
				probes = append(probes, probeAt(rate, knee, 1+.1*float64(trial)))
			}
			add(capacityCell(e.info.Name, result.CapacitySearch, trial, probes...))
		}
		for i, share := range []float64{.8, .9, 1} {
			add(capacityCell(e.info.Name, result.CapacityConfirm, i+1, probeAt(knee*share, knee, 1)))
		}
	}
	writeFile(t, filepath.Join(dir, result.RunFile), run)
	return dir
}

func loadCapacity(t *testing.T, dir string) (*Report, *capacityBlock) {
	t.Helper()
	r, err := Load(dir)
	require.NoError(t, err)
	require.Len(t, r.capacityBlocks, 1)
	require.Empty(t, r.blocks, "nothing of a capacity is a comparison of renewals")
	return r, r.capacityBlocks[0]
}

var twoKnees = map[string]float64{"appendlog": 40_000, "bbolt": 3000}

func TestCapacityIsBracketed(t *testing.T) {
	r, b := loadCapacity(t, capacityRun(t, twoKnees, nil))
	row := b.rows[0]
	require.Equal(t, "appendlog", row.engine.Name)
	require.Equal(t, 36_000.0, row.confirmedPerS)
	require.Equal(t, 40_000.0, row.refutedPerS)
	require.Contains(t, r.Verdict(), "appendlog holds 360 k leases (refuted at 400 k) at p99.9 <= 10ms, leases renewed every 10 s; runner-up bbolt holds 27.0 k leases")
	var text, md, raw bytes.Buffer
	require.NoError(t, r.Text(&text, TextOptions{}))
	require.NoError(t, r.Markdown(&md))
	require.NoError(t, r.capacityCSV(&raw))
	require.Contains(t, text.String(), "CAPACITY, sync")
	require.NotContains(t, text.String(), "Write is renew", "what no table shows needs no legend")
	require.Contains(t, md.String(), "![Latency against throughput under sync](knee.svg)")
	lines, err := csv.NewReader(&raw).ReadAll()
	require.NoError(t, err)
	probes := 0
	for _, row := range b.rows {
		probes += len(row.probes) + len(row.trials)
	}
	require.Len(t, lines, 1+probes)
	files, err := Write(r.Dir)
	require.NoError(t, err)
	require.Contains(t, files, filepath.Join(r.Dir, Dir, "knee.png"))
	require.Contains(t, files, filepath.Join(r.Dir, Dir, "capacity.csv"))
}

func TestCapacityTiesAreNoWins(t *testing.T) {
	r, _ := loadCapacity(t, capacityRun(t, map[string]float64{"appendlog": 40_000, "mmapwal": 41_000}, nil))
	require.Contains(t, r.Verdict(), "no single winner: the brackets of mmapwal and appendlog overlap")
}

// Each way in which a capacity is less than it looks reaches the reader.
func TestCapacityDoubtsAreShown(t *testing.T) {
	for name, c := range map[string]struct {
		edit func(*result.Cell) bool
		want []string
	}{
		"a lost lease": {func(c *result.Cell) bool {
			if c.Engine == "appendlog" && c.Trial == 2 {
				c.Check.Lost, c.Check.Verdict = 3, "3 lost"
				c.Status, c.Reason = result.Failed, "check after reopen: 3 lost"
			}
			return true
		}, []string{"DATA LOSS: appendlog under sync lost 3 of 1000", "bbolt holds"}},
		"a failed confirmation": {func(c *result.Cell) bool {
			if c.Engine == "appendlog" && c.Workload == "capacity-confirm" && c.Trial == 2 {
				c.Status, c.Reason, c.Capacity, c.Params.RatePerS = result.Failed, "write: no space", nil, 36_000
			}
			return true
		}, []string{"appendlog holds 320 k leases (refuted at 360 k)", "1 trial failed and counts as a promise missed: write: no space"}},
		"a lagging generator": {func(c *result.Cell) bool {
			for i := range c.Capacity.Probes {
				p := &c.Capacity.Probes[i]
				p.Kept, p.GeneratorBound, p.Reason = false, true, "too slow"
			}
			return true
		}, []string{"not a valid measurement: the load generator's own lag", "the engine's own limit is not shown"}},
		"a run cut short": {func(c *result.Cell) bool { return c.Workload == "capacity" }, []string{"not confirmed yet", "3 of 6 cells have no result", "no engine was confirmed"}},
		"no rate kept": {func(c *result.Cell) bool {
			c.Capacity.KeptPerS = 0
			for i := range c.Capacity.Probes {
				c.Capacity.Probes[i].Kept = false
			}
			return c.Workload == "capacity"
		}, []string{"the promise was kept at no rate, down to 1.00 k/s"}},
		"skipped": {func(c *result.Cell) bool {
			if c.Engine == "bbolt" {
				c.Status, c.Reason, c.Capacity = result.Skipped, "it has no log", nil
			}
			return true
		}, []string{"skipped: it has no log", "it is the only one confirmed"}},
	} {
		r, _ := loadCapacity(t, capacityRun(t, twoKnees, c.edit))
		var text bytes.Buffer
		require.NoError(t, r.Text(&text, TextOptions{Width: 400}))
		for _, want := range c.want {
			require.Contains(t, text.String(), want, name)
		}
		_, err := r.Write()
		require.NoError(t, err, name)
	}
}

func TestCapacityAtTheBoundIsALowerLimit(t *testing.T) {
	r, _ := loadCapacity(t, capacityRun(t, map[string]float64{"appendlog": 40_000}, func(c *result.Cell) bool {
		c.Capacity.BoundPerS = 36_000
		return c.Workload == "capacity" || c.Trial < 3
	}))
	require.Contains(t, r.Verdict(), "360 k leases at least")
}

func TestLogInterval(t *testing.T) {
	_, _, ok := logInterval([]float64{1, 2})
	require.False(t, ok)
	_, _, ok = logInterval([]float64{0, 1, 2})
	require.False(t, ok)
	lo, hi, ok := logInterval([]float64{90, 100, 100 * 100 / 90.0})
	require.True(t, ok)
	require.InEpsilon(t, 100.0, math.Sqrt(lo*hi), 1e-9, "around the geometric mean")
	// By hand: the logarithms deviate by 0.10536, so that s is 0.10536 and the half width 4.303*0.10536/sqrt(3).
	require.InEpsilon(t, math.Exp(4.303*0.10536/math.Sqrt(3)), hi/100, 1e-3)
}

// A confirmation is judged like any cell: a promise missed while the hypervisor
// had the processors is the machine's, and the reader is told.
func TestConfirmationsHaveAValidity(t *testing.T) {
	steal := &result.Validity{Verdict: result.Invalid, Reasons: []result.Reason{{Check: "steal", Verdict: result.Invalid, Text: "the hypervisor took 40%"}}}
	r, b := loadCapacity(t, capacityRun(t, twoKnees, func(c *result.Cell) bool {
		if c.Engine == "appendlog" && c.Capacity.Role == result.CapacityConfirm && c.Trial == 3 {
			c.Validity = steal
		}
		return true
	}))
	require.True(t, b.rows[0].generatorBound)
	var text bytes.Buffer
	require.NoError(t, r.Text(&text, TextOptions{Width: 400}))
	require.Contains(t, text.String(), "1 of 3 confirmations not valid; confirmation 3 is invalid: the hypervisor took 40%")
	require.Contains(t, text.String(), "the machine voided the trial")
	_, b = loadCapacity(t, capacityRun(t, twoKnees, nil))
	require.False(t, b.rows[0].generatorBound)
}

// Offered against achieved: below the knee what was offered was done, above it
// the engine is saturated, and a rate that was kept but not held is told.
func TestLadderShowsOfferedAgainstAchieved(t *testing.T) {
	r, b := loadCapacity(t, capacityRun(t, twoKnees, nil))
	states := map[string]int{}
	for _, row := range b.rows {
		for _, g := range row.ladder() {
			states[g.state()]++
			switch {
			case g.below():
				require.True(t, g.held(), "%+v", g)
			case g.offered > 1.2*twoKnees[g.engine]:
				require.Equal(t, "saturated", g.state(), "%+v", g)
			}
		}
	}
	require.Positive(t, states["kept"])
	require.Positive(t, states["saturated"])
	require.Contains(t, b.ladderText(), "the least achieved share is 1.0000")
	require.NotContains(t, b.ladderText(), "offered less than it says")
	var text, md bytes.Buffer
	require.NoError(t, r.Text(&text, TextOptions{}))
	require.NoError(t, r.Markdown(&md))
	for _, want := range []string{"achieved/s", "ratio", "saturated"} {
		require.Contains(t, text.String(), want)
		require.Contains(t, md.String(), want)
	}
}

func TestLadderSeesAGeneratorThatOffersLess(t *testing.T) {
	_, b := loadCapacity(t, capacityRun(t, twoKnees, func(c *result.Cell) bool {
		for i := range c.Capacity.Probes {
			if p := &c.Capacity.Probes[i]; c.Engine == "appendlog" && p.RatePerS == 4000 {
				p.AchievedPerS = 3900
			}
		}
		return true
	}))
	var odd []string
	for _, g := range b.rows[0].ladder() {
		if g.below() && !g.held() {
			odd = append(odd, g.state())
		}
	}
	require.Equal(t, []string{"kept, rate not held"}, odd)
	require.Contains(t, b.ladderText(), "the least achieved share is 0.9750 (appendlog at 4.00 k/s)")
	require.Contains(t, b.ladderText(), "offered less than it says")
	_, b = loadCapacity(t, capacityRun(t, twoKnees, func(c *result.Cell) bool {
		for i := range c.Capacity.Probes {
			c.Capacity.Probes[i].Dropped = 7
		}
		return true
	}))
	require.False(t, b.rows[0].ladder()[0].held(), "an operation that was dropped was not achieved")
}

func TestNearTheKnee(t *testing.T) {
	var rungs []*rung
	for i := range 20 {
		g := &rung{offered: float64(i), n: 1}
		if i < 12 {
			g.kept = 1
		}
		rungs = append(rungs, g)
	}
	shown := near(rungs, 6)
	require.Len(t, shown, 6)
	require.Equal(t, 8.0, shown[0].offered)
	require.True(t, shown[3].below())
	require.False(t, shown[4].below())
	require.Len(t, near(rungs[:3], 6), 3)
	require.Equal(t, 14.0, near(rungs[:20], 6)[0].offered+6, "the knee inside")
}
