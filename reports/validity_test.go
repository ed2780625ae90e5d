package reports

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"orbitbench/harness/result"
)

// judged gives a cell a judgement with one reason; verdict valid has none.
func judged(c *result.Cell, verdict, check string, engine bool) {
	c.Validity = &result.Validity{Verdict: verdict}
	if verdict != result.Valid {
		c.Validity.Reasons = []result.Reason{{Check: check, Verdict: verdict, Engine: engine, Text: "because of " + check}}
	}
}

// judgedRun is a run of two engines with that many trials, judged by edit.
func judgedRun(t *testing.T, trials int, edit func(*result.Cell)) *Report {
	return load(t, writeRun(t, []string{"appendlog", "pebble"}, trials, func(c *result.Cell) bool {
		if c.Measure != nil {
			at(c, map[string]int64{"appendlog": 100_000, "pebble": 200_000}[c.Engine])
			judged(c, result.Valid, "", false)
			edit(c)
		}
		return true
	}, nil))
}

func rowOf(t *testing.T, r *Report, durability, engine string) *row {
	t.Helper()
	for _, b := range r.blocks {
		for _, row := range b.rows {
			if b.durability == durability && row.engine.Name == engine {
				return row
			}
		}
	}
	t.Fatal("no such row")
	return nil
}

func TestTrialsThatTheMachineVoidedAreLeftOut(t *testing.T) {
	r := judgedRun(t, 9, func(c *result.Cell) {
		if c.Engine == "appendlog" && c.Durability == "sync" && c.Trial == 2 {
			at(c, 9e9)
			judged(c, result.Invalid, "throttled", false)
		}
		if c.Engine == "appendlog" && c.Durability == "sync" && c.Trial == 3 {
			judged(c, result.Noisy, "steal", false)
		}
	})
	row := rowOf(t, r, "sync", "appendlog")
	require.Equal(t, 8, row.trials)
	require.Equal(t, "noisy 1/8 -1", row.validity.String())
	require.Contains(t, row.flags, "1 trial left out, which the machine has voided: trial 2: because of throttled")
	ns, _ := row.latency(opWrite).quantile(1)
	require.Less(t, ns, int64(1e6), "its latencies are not merged")
	require.Contains(t, r.Verdict(), "sync: appendlog wins")
	require.Contains(t, row.warnings, "steal in 1 of 8 trials, first in trial 3: because of steal")
}

func TestAllVoidedIsShownAndNotRanked(t *testing.T) {
	r := judgedRun(t, 3, func(c *result.Cell) {
		if c.Engine == "appendlog" {
			judged(c, result.Invalid, "lag", false)
		}
	})
	row := rowOf(t, r, "sync", "appendlog")
	require.Equal(t, 3, row.trials, "there is nothing else to show")
	require.Equal(t, "invalid 3/3", row.validity.String())
	require.Contains(t, r.Verdict(), "pebble is the only engine that can be ranked")
	require.Contains(t, r.Verdict(), "appendlog has no valid measurement")
	require.Contains(t, row.flags, "not a valid measurement: trial 1: because of lag")
}

// Leaving out a trial in which an engine stalled would reward it.
func TestWhatAnEngineSpoiltItselfCounts(t *testing.T) {
	r := judgedRun(t, 5, func(c *result.Cell) {
		if c.Engine == "appendlog" && c.Trial == 2 {
			judged(c, result.Invalid, "steady", true)
		}
	})
	row := rowOf(t, r, "sync", "appendlog")
	require.Equal(t, 5, row.trials)
	require.Contains(t, r.Verdict(), "appendlog has no valid measurement")
}

func TestValidityReachesEveryRendering(t *testing.T) {
	r := judgedRun(t, 3, func(c *result.Cell) {
		judged(c, result.Noisy, "others", false)
		throttled := 0.25
		c.Resources.Machine = &result.Machine{OthersCPUShare: 0.5, StealShare: 0.125, ThrottledShare: &throttled, Pressure: map[string]float64{"io": 0.75}}
	})
	var text, markdown, table bytes.Buffer
	require.NoError(t, r.Text(&text, TextOptions{Width: 400}))
	require.NoError(t, r.Markdown(&markdown))
	require.NoError(t, r.CSV(&table))
	for _, out := range []string{text.String(), markdown.String()} {
		require.Contains(t, out, "noisy 3/3")
		require.Contains(t, out, "12.5%")
		require.Contains(t, out, "others in 3 of 3 trials, first in trial 1: because of others")
	}
	lines, err := csv.NewReader(&table).ReadAll()
	require.NoError(t, err)
	got := map[string]string{}
	for i, name := range lines[0] {
		got[name] = lines[1][i]
	}
	for name, want := range map[string]string{
		"validity": "noisy", "validity_reasons": "others in 3 of 3 trials, first in trial 1: because of others", "trials_left_out": "0",
		"steal_median_share": "0.125", "others_cpu_median_share": "0.5", "throttled_median_share": "0.25", "pressure_io_median_share": "0.75", "pressure_cpu_median_share": "",
	} {
		require.Equal(t, want, got[name], name)
	}
}

// controlledRun has one A/A pair a trial; by is the ratio of the control's
// latencies to those of the cell that it repeats.
func controlledRun(t *testing.T, by []float64, ns map[string]int64) *Report {
	var twins []*result.Cell
	dir := writeRun(t, []string{"appendlog", "pebble"}, len(by), func(c *result.Cell) bool {
		if c.Measure != nil {
			at(c, ns[c.Engine])
			if c.Engine == "appendlog" {
				twin := *c
				measure := *c.Measure
				twin.Measure = &measure
				at(&twin, int64(float64(ns[c.Engine])*by[c.Trial-1]))
				twin.ControlOf, twin.Key = c.Key, c.Key+"-control"
				twins = append(twins, &twin)
			}
		}
		return true
	}, func(run *result.Run) {
		for _, twin := range twins {
			run.Plan = append(run.Plan, twin.PlanCell)
		}
	})
	for _, twin := range twins {
		require.NoError(t, result.WriteCell(dir, twin))
	}
	return load(t, dir)
}

func TestControlsAreNoiseAndNoResult(t *testing.T) {
	by := []float64{1.02, 0.99, 1.00, 1.01, 0.98, 1.03, 1.01}
	r := controlledRun(t, by, map[string]int64{"appendlog": 100_000, "pebble": 200_000})
	for _, b := range r.blocks {
		require.Len(t, b.rows, 2, "a control is no row")
		require.Equal(t, 7, b.rows[0].trials, "and no trial of its engine")
		require.NotNil(t, b.noise)
		require.Equal(t, 7, b.noise.pairs)
		require.InDelta(t, 0.03, b.noise.p99.share, 0.002)
	}
	require.Contains(t, r.Verdict(), "sync: appendlog wins")
	var text bytes.Buffer
	require.NoError(t, r.Text(&text, TextOptions{Width: 400}))
	require.Contains(t, text.String(), "appendlog against itself in 7 pairs of A/A trials differs by up to")
}

// A difference that an engine also has from itself is none.
func TestNoWinnerWithinTheNoise(t *testing.T) {
	by := []float64{1.10, 0.90, 1.00, 1.08, 0.92, 1.10, 1.01}
	r := controlledRun(t, by, map[string]int64{"appendlog": 100_000, "pebble": 115_000})
	require.Contains(t, r.Verdict(), "sync: no single winner; by the p99 of renewals, median over the trials, appendlog 100 us (CI 100-100 us) and pebble 115 us (CI 115-115 us) are not told apart from the best (pebble: below the 22.2% that count here)")
	r = controlledRun(t, by[:5], map[string]int64{"appendlog": 100_000, "pebble": 115_000})
	require.Contains(t, r.Verdict(), "sync: 5 trials of the 7 that it takes, no winner")
	require.Contains(t, fmt.Sprint(r.blocks[0].noise), "too few to tell it (6 at least)")
}
