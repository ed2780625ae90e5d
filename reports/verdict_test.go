package reports

import (
	"testing"

	"github.com/stretchr/testify/require"

	"orbitbench/harness/result"
)

// at gives every renewal of a cell that latency, so that a test knows the p99.
func at(c *result.Cell, ns int64) {
	c.Measure.Ops = []result.OpResult{{Op: "renew", Outcome: "ok", Latency: values(repeat(5000, ns)...)}}
}

// verdictOf is the clause about class sync in a run whose renewals take, by
// engine and trial, so many nanoseconds.
func verdictOf(t *testing.T, ns map[string][]int64, edit func(*result.Cell)) string {
	t.Helper()
	var names []string
	trials := 0
	for name, n := range ns {
		names, trials = append(names, name), len(n)
	}
	r := load(t, writeRun(t, names, trials, func(c *result.Cell) bool {
		if c.Measure != nil {
			at(c, ns[c.Engine][c.Trial-1])
		}
		if edit != nil {
			edit(c)
		}
		return true
	}, nil))
	for _, b := range r.blocks {
		if b.durability == "sync" {
			return b.verdict()
		}
	}
	t.Fatal("no class sync")
	return ""
}

func TestWinnerHasTheLowestP99AndNoOverlap(t *testing.T) {
	require.Equal(t, "appendlog wins with the lowest p99 of renewals, 120 us (trials 100-120 us), 1.67x below pebble 200 us, at 2 k/s offered",
		verdictOf(t, map[string][]int64{"appendlog": {100_000, 110_000, 120_000}, "pebble": {190_000, 200_000, 180_000}, "bbolt": {300_000, 300_000, 300_000}}, nil))
}

func TestOverlappingTrialsHaveNoWinner(t *testing.T) {
	require.Equal(t, "no single winner; the p99 of renewals overlaps between trials of appendlog 125 us (trials 100-125 us) and pebble 130 us (trials 120-130 us), at 2 k/s offered",
		verdictOf(t, map[string][]int64{"appendlog": {100_000, 110_000, 125_000}, "pebble": {120_000, 128_000, 130_000}, "bbolt": {300_000, 300_000, 300_000}}, nil))
}

func TestFewTrialsOrSamplesDecideNothing(t *testing.T) {
	require.Equal(t, "one trial, no winner is declared; lowest p99 of renewals was appendlog 100 us, then pebble 200 us, at 2 k/s offered",
		verdictOf(t, map[string][]int64{"appendlog": {100_000}, "pebble": {200_000}}, nil))
	require.Equal(t, "2 trials of the 3 that it takes, no winner is declared; lowest p99 of renewals was appendlog 100 us, then pebble 200 us, at 2 k/s offered",
		verdictOf(t, map[string][]int64{"appendlog": {100_000, 100_000}, "pebble": {200_000, 200_000}}, nil))
	require.Contains(t, verdictOf(t, map[string][]int64{"appendlog": {1, 1, 1}, "pebble": {2, 2, 2}}, func(c *result.Cell) {
		if c.Measure != nil {
			c.Measure.Ops[0].Latency = values(repeat(300, 1000)...)
		}
	}), "fewer than 1000 renewals behind a p99, no winner is declared")
	r := load(t, writeRun(t, []string{"appendlog"}, 1, nil, nil))
	require.Regexp(t, `^PREVIEW: process: one trial, no winner is declared`, r.Verdict())
}

func TestMissedRateAndBaselineCannotWin(t *testing.T) {
	three := map[string][]int64{"appendlog": {100_000, 100_000, 100_000}, "pebble": {200_000, 200_000, 200_000}}
	require.Equal(t, "pebble is the only engine that can be ranked, p99 of renewals 200 us (trials 200-200 us), at 2 k/s offered; appendlog missed the offered rate",
		verdictOf(t, three, func(c *result.Cell) {
			if c.Engine == "appendlog" && c.Measure != nil && c.Trial == 2 {
				c.Measure.AchievedPerS = c.Measure.OfferedPerS * .97
			}
		}))
	require.Equal(t, "no valid cell to rank (1 lost data, 1 missed the rate)", verdictOf(t, three, func(c *result.Cell) {
		if c.Engine == "appendlog" && c.Measure != nil {
			c.Measure.AchievedPerS = 1
		}
		if c.Engine == "pebble" && c.Check != nil {
			c.Check.Lost, c.Check.Verdict = 1, "lost"
		}
	}))
	r := load(t, writeRun(t, []string{"bbolt", "memory"}, 3, nil, func(run *result.Run) { run.Engines[0].Role = "baseline" }))
	require.Contains(t, r.Verdict(), "process: no valid cell to rank (2 skipped)")
	require.Contains(t, r.Verdict(), "sync: no valid cell to rank (1 baseline, never ranked, 1 skipped)")
}

func TestLossIsSaidFirstAndDisqualifies(t *testing.T) {
	for name, c := range map[string]struct {
		durability string
		damage     func(*result.Cell)
		want       string
	}{
		"clean close":   {"process", func(c *result.Cell) { c.Check.Lost, c.Check.Verdict = 3, "lost 3" }, "appendlog under process lost 3 of 100000 acknowledged leases over a clean close"},
		"verdict alone": {"process", func(c *result.Cell) { c.Check.Verdict = "scan\nfailed" }, "appendlog under process failed the check after a clean close: scan failed"},
		"count alone":   {"sync", func(c *result.Cell) { c.Check.Lost = 1 }, "appendlog under sync lost 1 of 100000 acknowledged leases over a clean close"},
		"phantom":       {"process", func(c *result.Cell) { c.Check.Phantom, c.Check.Verdict = 1, "phantom" }, "appendlog under process holds 1 lease never written after a clean close"},
	} {
		t.Run(name, func(t *testing.T) {
			r := load(t, writeRun(t, []string{"appendlog", "pebble"}, 3, func(cell *result.Cell) bool {
				if cell.Engine == "appendlog" && cell.Durability == c.durability && cell.Check != nil {
					c.damage(cell)
				}
				return true
			}, nil))
			require.Equal(t, []string{c.want}, r.DataLoss())
			require.Regexp(t, "^DATA LOSS: "+c.want, r.Verdict())
			require.Contains(t, r.Verdict(), c.durability+": pebble is the only engine that can be ranked")
		})
	}
	require.Empty(t, load(t, writeRun(t, []string{"appendlog"}, 1, nil, nil)).DataLoss())
}

func TestLossOverKillIsJudgedByClass(t *testing.T) {
	for durability, breach := range map[string]bool{"none": false, "process": true, "interval:10ms": true, "sync": true} {
		c := &result.Cell{PlanCell: result.PlanCell{Durability: durability}, Recovery: &result.Recovery{
			Repetitions: []result.RecoveryTrial{{Acknowledged: 10, Lost: 2}, {Acknowledged: 10}},
		}, Check: &result.Check{Records: 10, Lost: 2, Verdict: "2 lost"}}
		require.Equal(t, breach, len(lossesOf(c)) > 0, durability)
		if breach {
			require.Equal(t, []string{"lost 2 of 20 acknowledged leases over kill -9"}, lossesOf(c))
		}
	}
	// A store in memory is gone after a clean close, as class none says; what is
	// there must be what was written, even so.
	none := &result.Cell{PlanCell: result.PlanCell{Durability: "none"}, Check: &result.Check{Records: 5, Verdict: "5 leases are gone, as class none allows"}}
	require.Empty(t, lossesOf(none))
	none.Check.Lost = 1
	require.NotEmpty(t, lossesOf(none))
	none.Check.Lost, none.Check.Phantom = 0, 1
	require.NotEmpty(t, lossesOf(none))
}

// A trial whose latencies the load generator decided voids the engine's row.
func TestInvalidTrialsAreNotRankedNorJudged(t *testing.T) {
	three := map[string][]int64{"appendlog": {100_000, 100_000, 100_000}, "pebble": {200_000, 200_000, 200_000}}
	void := func(c *result.Cell) {
		if c.Engine == "appendlog" && c.Trial == 2 {
			c.Warnings = append(c.Warnings, "invalid: generator lag p50 200us against a renew p50 of 100us")
		}
	}
	verdict := verdictOf(t, three, void)
	require.Contains(t, verdict, "pebble is the only engine that can be ranked")
	require.Contains(t, verdict, "appendlog has no valid measurement")
	row := &row{engine: &result.Engine{Claim: "Append log"}, invalid: true}
	require.NotEqual(t, inside, writeAspect.verdict(row).word)
}

// A recovery that failed shows beside those of its row that did not.
func TestAFailedRecoveryShowsBesideOthers(t *testing.T) {
	r := &row{trials: 1, planned: 1, recovery: recovery{firstRead: []float64{1e6}}}
	r.settle([]item{{kind: result.KindRecovery, cell: &result.Cell{Status: result.Failed, Reason: "open: corrupt"}}})
	require.Contains(t, r.flags, "a recovery is left out: failed: open: corrupt")
}
