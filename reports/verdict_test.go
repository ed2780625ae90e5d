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

// around are the nanoseconds of twelve trials about a level: spread is the share
// by which each differs, in an order that the shift turns.
func around(level int64, spread float64, shift int) (ns []int64) {
	for i := range 12 {
		x := float64((i*5+shift)%12)/5.5 - 1
		ns = append(ns, int64(float64(level)*(1+spread*x)))
	}
	return ns
}

func TestAWinnerDiffersFromEveryOther(t *testing.T) {
	got := verdictOf(t, map[string][]int64{"appendlog": around(100_000, .02, 0), "pebble": around(200_000, .02, 3), "bbolt": around(300_000, .02, 6)}, nil)
	require.Regexp(t, `^appendlog wins with the lowest p99 of renewals, median over the trials \S+ us \(CI 98\.7-101 us\); worse are pebble 2\.0x and bbolt 3\.0x \(p < 0\.0001 adjusted, by more than \d+\.\d% that count here\), at 2 k/s offered$`, got)
}

// ramp are twelve trials that climb or fall about a level: ranges are wide, and
// neighbours alike.
func ramp(level int64, spread float64, falling bool) (ns []int64) {
	for i := range 12 {
		x := float64(i)/5.5 - 1
		if falling {
			x = -x
		}
		ns = append(ns, int64(float64(level)*(1+spread*x)))
	}
	return ns
}

// The ranges overlap in a chain; the last is four times the first.
func TestAChainOfOverlapsMakesNobodyLevel(t *testing.T) {
	got := verdictOf(t, map[string][]int64{"appendlog": ramp(100_000, .2, false), "pebble": ramp(101_000, .2, true), "bbolt": ramp(200_000, .42, false), "rocksdb": ramp(400_000, .5, false)}, nil)
	require.Regexp(t, `^no single winner; by the p99 of renewals, median over the trials, appendlog [^;]* and pebble [^;]* are not told apart from the best \(pebble: not significant over the family\); worse than appendlog are bbolt 2\.00?x and rocksdb 4\.0x`, got)
}

func TestATrueTieNamesAllAndCallsNobodyWorse(t *testing.T) {
	got := verdictOf(t, map[string][]int64{"appendlog": around(100_000, .05, 0), "pebble": around(100_000, .05, 0)}, nil)
	require.Regexp(t, `^no single winner; .* are not told apart from the best \((pebble|appendlog): equal within 5%\), at 2 k/s offered$`, got)
}

// The trials of each differ from one to the next by more than the engines do.
func TestNoiseAboveTheDifferenceHidesIt(t *testing.T) {
	saw := func(level int64) (ns []int64) {
		for i := range 12 {
			ns = append(ns, int64(float64(level)*(1+.15*float64(i%2))))
		}
		return ns
	}
	got := verdictOf(t, map[string][]int64{"appendlog": saw(100_000), "pebble": saw(118_000)}, nil)
	require.Regexp(t, `^no single winner; .*pebble: below the \d\d\.\d% that count here`, got)
}

func TestFewTrialsOrSamplesDecideNothing(t *testing.T) {
	require.Equal(t, "one trial, no winner is declared; lowest p99 of renewals was appendlog 100 us, then pebble 200 us, at 2 k/s offered",
		verdictOf(t, map[string][]int64{"appendlog": {100_000}, "pebble": {200_000}}, nil))
	require.Equal(t, "6 trials of the 7 that it takes, no winner is declared; lowest p99 of renewals was appendlog 100 us, then pebble 200 us, at 2 k/s offered",
		verdictOf(t, map[string][]int64{"appendlog": repeat(6, 100_000), "pebble": repeat(6, 200_000)}, nil))
	require.Contains(t, verdictOf(t, map[string][]int64{"appendlog": repeat(7, 1), "pebble": repeat(7, 2)}, func(c *result.Cell) {
		if c.Measure != nil {
			c.Measure.Ops[0].Latency = values(repeat(300, 1000)...)
		}
	}), "300 samples in a trial, p99 takes 1000, no winner is declared")
	r := load(t, writeRun(t, []string{"appendlog"}, 1, nil, nil))
	require.Regexp(t, `^PREVIEW: process: appendlog is the only .* \(one trial, no winner is declared\)`, r.Verdict())
}

func TestMissedRateAndBaselineCannotWin(t *testing.T) {
	three := map[string][]int64{"appendlog": {100_000, 100_000, 100_000}, "pebble": {200_000, 200_000, 200_000}}
	require.Equal(t, "pebble is the only engine that can be ranked, p99 of renewals 200 us (trials 200-200 us) (3 trials of the 7 that it takes, no winner is declared), at 2 k/s offered; appendlog missed the offered rate",
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
