package reports

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"orbitbench/harness/result"
)

func TestDurabilityTable(t *testing.T) {
	var b strings.Builder
	require.NoError(t, DurabilityTable(&b, []result.Durability{
		{Engine: "honest", Durability: "sync", Verdict: result.DurabilityProven, Phases: []result.DurabilityPhase{
			{Writers: 1, SyncsPerAck: 1, Syncs: map[string]int{"fsync": 10, "fdatasync": 90}}, {Writers: 8, SyncsPerAck: 0.25},
		}},
		{Engine: "liar", Durability: "sync", Verdict: result.DurabilityEarly, Reason: "1 of 2 commits\nwas not synced"},
	}, 100))
	require.Regexp(t, `honest +sync +1\.00 +0\.25 +90 fdatasync, 10 fsync +proven`, b.String())
	require.Regexp(t, `liar +sync +- +- +- +acknowledges before its promise\n  ! 1 of 2 commits was not synced`, b.String())
}

// caught is a run of two engines, the faster of which broke its promise.
func caught(t *testing.T, engines ...string) *Report {
	return load(t, writeRun(t, engines, 3, func(c *result.Cell) bool {
		if c.Measure != nil {
			at(c, map[string]int64{"appendlog": 100_000, "pebble": 200_000}[c.Engine])
		}
		return true
	}, func(r *result.Run) {
		r.DurabilityChecks = []result.Durability{
			{Engine: "appendlog", Durability: "sync", Verdict: result.DurabilityEarly, Reason: "2 of 3 commits; the first one was written to log, which was not synced"},
			{Engine: "pebble", Durability: "sync", Verdict: result.DurabilityProven, Phases: []result.DurabilityPhase{
				{Writers: 1, SyncsPerAck: 1}, {Writers: 8, SyncsPerAck: 0.2},
			}},
			{Engine: "pebble", Durability: "process", Verdict: result.DurabilityNotVerified, Reason: "no permission"},
		}
	}))
}

func TestABrokenPromiseIsNotRanked(t *testing.T) {
	r := caught(t, "appendlog", "pebble")
	verdict := r.Verdict()
	require.Contains(t, verdict, "sync: pebble is the only engine that can be ranked")
	require.Contains(t, verdict, "appendlog is disqualified for acknowledging before the promise of its class")
	require.Contains(t, verdict, "process: 3 trials of the 7 that it takes, no winner is declared; lowest p99 of renewals was appendlog", "the other class is judged by itself")

	var text, markdown strings.Builder
	require.NoError(t, r.Text(&text, TextOptions{Width: 400}))
	require.Contains(t, text.String(), "! NOT RANKED: it acknowledges before the promise of its class: 2 of 3 commits")
	require.Contains(t, text.String(), "Promise of the class, traced apart from the figures (syncs per acknowledgement with 1 and 8 writers): proven for pebble (1.00, 0.20); appendlog acknowledges before its promise (2 of 3 commits")
	require.Contains(t, text.String(), "pebble not verified here (no permission)")
	require.NoError(t, r.Markdown(&markdown))
	require.Contains(t, markdown.String(), "NOT RANKED")
	require.Contains(t, markdown.String(), "Promise of the class")

	var csv strings.Builder
	require.NoError(t, r.CSV(&csv))
	require.Contains(t, csv.String(), ",promise_verdict,syncs_per_ack_one_writer,syncs_per_ack_many_writers,")
	require.Contains(t, csv.String(), ",acknowledges before its promise,,,")
	require.Contains(t, csv.String(), ",proven,1,0.2,")

	require.Contains(t, caught(t, "appendlog").Verdict(), "sync: no valid cell to rank (1 acknowledged before its promise)")
}

func TestWithoutATraceNothingIsSaidOfPromises(t *testing.T) {
	var text strings.Builder
	require.NoError(t, load(t, writeRun(t, []string{"appendlog"}, 1, nil, nil)).Text(&text, TextOptions{}))
	require.NotContains(t, text.String(), "Promise of the class")
}

func TestABrokenPromiseHoldsNoCapacity(t *testing.T) {
	dir := capacityRun(t, twoKnees, nil)
	run, err := result.ReadRun(dir)
	require.NoError(t, err)
	run.DurabilityChecks = []result.Durability{{Engine: "appendlog", Durability: "sync", Verdict: result.DurabilityEarly, Reason: "nothing was synced"}}
	require.NoError(t, result.WriteRun(dir, run))
	r, _ := loadCapacity(t, dir)
	require.Contains(t, r.Verdict(), "bbolt holds 27.0 k leases")
	require.NotContains(t, r.Verdict(), "appendlog holds")
	var text strings.Builder
	require.NoError(t, r.Text(&text, TextOptions{Width: 200}))
	require.Contains(t, text.String(), "NOT RANKED: it acknowledges before the promise of its class: nothing was synced")
}

func TestABrokenPromiseWinsNoRecovery(t *testing.T) {
	r := curveRun(t, func(c *result.Cell) bool { return c.Engine == "pebble" || c.Params.Actors < 1e6 })
	before := r.Verdict()
	require.Contains(t, before, "pebble")
	run, err := result.ReadRun(r.Dir)
	require.NoError(t, err)
	run.DurabilityChecks = []result.Durability{{Engine: "pebble", Durability: "sync", Verdict: result.DurabilityEarly, Reason: "nothing was synced"}}
	require.NoError(t, result.WriteRun(r.Dir, run))
	r = load(t, r.Dir)
	require.NotContains(t, r.Verdict(), "pebble")
	require.Contains(t, r.Verdict(), "appendlog")
	var text strings.Builder
	require.NoError(t, r.Text(&text, TextOptions{Width: 200}))
	require.Contains(t, text.String(), "NOT RANKED")
}
