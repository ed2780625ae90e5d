package compare

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/stretchr/testify/require"

	"orbitbench/harness/result"
)

// world makes pairs of runs whose trials were taken in turn.
type world struct {
	engines []string
	trials  int
	spread  float64 // of one trial's level, as a standard deviation of its logarithm
	control bool
	rng     *rand.Rand
}

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// run writes a run; factor is how much slower than usual the engine is, and edit
// may change a cell or leave it out.
func (w world) run(t testing.TB, second bool, factor map[string]float64, edit func(*result.Cell) bool, editRun func(*result.Run)) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, result.CellDir), 0o755))
	finished := epoch.Add(time.Hour)
	started := epoch
	if second {
		started = epoch.Add(time.Second)
	}
	run := &result.Run{
		Schema: result.SchemaVersion, Profile: "ci", Seed: 1, Started: started, Finished: &finished, CommandLine: []string{"orbitbench", "run"},
		Tool:        result.Tool{Version: "v1", GoVersion: "go1.26"},
		Environment: result.Environment{Hostname: "bench", CPUModel: "Example CPU", CPUs: 2, MemoryBytes: 8e9, Kernel: "6.1", FileSystem: "ext4"},
	}
	for _, e := range w.engines {
		run.Engines = append(run.Engines, result.Engine{Name: e, Role: "candidate", Classes: []string{"sync"}})
		run.DurabilityChecks = append(run.DurabilityChecks, result.Durability{Engine: e, Durability: "sync", Class: "sync", Verdict: result.DurabilityProven, Phases: []result.DurabilityPhase{{Writers: 1, Acks: 100, SyncsPerAck: 1}}})
		for trial := 1; trial <= w.trials; trial++ {
			level := math.Exp(w.spread * w.rng.NormFloat64())
			if f := factor[e]; f > 0 {
				level *= f
			}
			cells := []*result.Cell{w.cell(e, trial, level, started)}
			if w.control && e == w.engines[0] {
				twin := w.cell(e, trial, math.Exp(w.spread*w.rng.NormFloat64()), started)
				twin.ControlOf, twin.Key = twin.Key, twin.Key+"-control"
				cells = append(cells, twin)
			}
			for _, c := range cells {
				run.Plan = append(run.Plan, c.PlanCell)
				if edit == nil || edit(c) {
					write(t, result.CellPath(dir, c.Key), c)
				}
			}
		}
	}
	if editRun != nil {
		editRun(run)
	}
	write(t, filepath.Join(dir, result.RunFile), run)
	return dir
}

func write(t testing.TB, path string, v any) {
	raw, err := json.Marshal(v)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, raw, 0o644))
}

func (w world) cell(engine string, trial int, level float64, started time.Time) *result.Cell {
	at := started.Add(time.Duration(trial) * time.Minute)
	return &result.Cell{
		Schema:   result.SchemaVersion,
		PlanCell: result.PlanCell{Key: fmt.Sprintf("%s-best-w-open-sync-%d", engine, trial), Engine: engine, Workload: "w-open", Durability: "sync", Trial: trial},
		Class:    "sync", Path: "native", Kind: result.KindRenewal, Status: result.OK, Started: at, Finished: at.Add(10 * time.Second),
		Params: result.Params{Actors: 1000, Loop: "open", RatePerS: 1200, Mix: map[string]float64{"renew": 1}},
		Load:   &result.Load{Records: 1000, Bytes: 256000},
		Measure: &result.Measure{Seconds: 2, OfferedPerS: 1200, AchievedPerS: 1200, Ops: []result.OpResult{
			{Op: "renew", Outcome: "ok", Latency: latency(level)},
		}},
		Resources: &result.Resources{Allocations: 24000, DiskBytes: 400_000, LiveBytes: 256_000},
		Check:     &result.Check{Records: 1000, Verdict: "ok"},
	}
}

// latency has a p50 of level times 100 us and a p99 of twice that.
func latency(level float64) result.Latency {
	h := hdrhistogram.New(1, int64(time.Minute), 3)
	base := 100e3 * level
	for range 98 {
		_ = h.RecordValues(int64(base), 20)
	}
	_ = h.RecordValues(int64(2*base), 40)
	raw, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		panic(err)
	}
	return result.Latency{Count: uint64(h.TotalCount()), MinNs: h.Min(), MaxNs: h.Max(), P50Ns: h.ValueAtQuantile(50), P90Ns: h.ValueAtQuantile(90), P99Ns: h.ValueAtQuantile(99), P999Ns: h.ValueAtQuantile(99.9), P9999Ns: h.Max(), Histogram: string(raw)}
}

func ordinary(trials int) world {
	return world{engines: []string{"alpha", "beta"}, trials: trials, spread: 0.02, control: true, rng: rand.New(rand.NewPCG(1, 1))}
}

func TestASlowdownIsFound(t *testing.T) {
	w := ordinary(12)
	base := w.run(t, false, nil, nil, nil)
	r, err := Runs(base, w.run(t, true, map[string]float64{"beta": 1.1}, nil, nil), Options{})
	require.NoError(t, err)
	require.Equal(t, ExitRegression, r.ExitCode, r.Verdict)
	require.True(t, r.Interleaved)
	require.Empty(t, r.Notes)
	require.Equal(t, "beta sync", r.Rows[0].Engine+" "+r.Rows[0].Durability)
	require.Equal(t, Worse, r.Rows[0].Verdict)
	require.InDelta(t, 0.1, r.Rows[0].Change, 0.03)
	require.Contains(t, r.Rows[0].NoiseFrom, "24 A/A pairs of alpha")
	for _, row := range r.Rows {
		require.False(t, row.Engine == "alpha" && row.Verdict == Worse, row.Name())
	}

	r, err = Runs(base, w.run(t, true, map[string]float64{"beta": 0.85}, nil, nil), Options{})
	require.NoError(t, err)
	require.Equal(t, ExitOK, r.ExitCode, r.Verdict)
	require.Equal(t, Better, r.Rows[0].Verdict)

	r, err = Runs(base, w.run(t, true, map[string]float64{"beta": 1.1}, nil, nil), Options{Margin: 0.2})
	require.NoError(t, err)
	require.Equal(t, ExitOK, r.ExitCode, "10%% lies below a margin of 20%%")

	r, err = Runs(base, w.run(t, true, map[string]float64{"beta": 1.1}, nil, nil), Options{Gate: []string{"alpha"}})
	require.NoError(t, err)
	require.Equal(t, ExitOK, r.ExitCode, "beta is not gated")
}

func TestTheSameRunTwice(t *testing.T) {
	for _, trials := range []int{1, 7} {
		w := ordinary(trials)
		dir := w.run(t, false, nil, nil, nil)
		r, err := Runs(dir, dir, Options{})
		require.NoError(t, err)
		require.Equal(t, ExitOK, r.ExitCode, r.Verdict)
		for _, row := range r.Rows {
			require.False(t, row.Gated && row.Verdict != Equivalent, "%s is %s", row.Name(), row.Verdict)
		}
	}
}

// A/A pairs of runs are called different in about alpha of the cases at most:
// the three conditions together make it fewer. Fixed seeds.
func TestFalseAlarms(t *testing.T) {
	alarms, rng := 0, rand.New(rand.NewPCG(2, 3))
	rounds := 120
	if testing.Short() {
		rounds = 40
	}
	for range rounds {
		res := &Result{Margin: DefaultMargin, Interleaved: true}
		for i := range 8 {
			var a, b []sample
			for trial := range 12 {
				shared := 0.2 * rng.NormFloat64()
				a = append(a, sample{trial, math.Exp(shared + 0.08*rng.NormFloat64())})
				b = append(b, sample{trial, math.Exp(shared + 0.08*rng.NormFloat64())})
			}
			row := Row{Engine: fmt.Sprint(i), Kind: Time, Gated: true, BaseTrials: 12, HeadTrials: 12, Threshold: DefaultMargin}
			res.describe(&row, a, b)
			res.Rows = append(res.Rows, row)
		}
		require.NoError(t, res.family())
		res.conclude()
		if res.ExitCode == ExitRegression {
			alarms++
		}
	}
	require.LessOrEqual(t, float64(alarms)/float64(rounds), 0.025)
}

func TestFewTrialsAreShownAndNotGated(t *testing.T) {
	w := ordinary(3)
	base := w.run(t, false, nil, nil, func(r *result.Run) { r.DurabilityChecks = nil })
	head := w.run(t, true, map[string]float64{"beta": 3}, nil, func(r *result.Run) { r.DurabilityChecks = nil })
	r, err := Runs(base, head, Options{})
	require.NoError(t, err)
	require.Equal(t, ExitUndecided, r.ExitCode, r.Verdict)
	require.Contains(t, r.Rows[0].Why, "a gate takes")
}

func TestAFamilyTooLargeIsRefused(t *testing.T) {
	w := ordinary(7)
	w.engines = nil
	for i := range 50 {
		w.engines = append(w.engines, fmt.Sprintf("e%02d", i))
	}
	base, head := w.run(t, false, nil, nil, nil), w.run(t, true, nil, nil, nil)
	_, err := Runs(base, head, Options{})
	var u *UsageError
	require.ErrorAs(t, err, &u)
	require.ErrorContains(t, err, "the gate holds 100 times, too many for 7 and 7 trials")
	_, err = Runs(base, head, Options{Gate: []string{"*/*/*/renew_p50"}})
	require.NoError(t, err)
	_, err = Runs(base, head, Options{Gate: []string{"a/b/c/d/e"}})
	require.ErrorAs(t, err, &u)
	_, err = Runs(base, head, Options{Gate: []string{"["}})
	require.ErrorAs(t, err, &u)
}

func TestDifferentRunsAreRefused(t *testing.T) {
	w := ordinary(7)
	base := w.run(t, false, nil, nil, nil)
	for want, head := range map[string]string{
		"machine, processor":   w.run(t, true, nil, nil, func(r *result.Run) { r.Environment.CPUModel = "Other" }),
		"machine, host name":   w.run(t, true, nil, nil, func(r *result.Run) { r.Environment.Hostname = "other" }),
		"file system":          w.run(t, true, nil, nil, func(r *result.Run) { r.Environment.FileSystem = "xfs" }),
		"workload differs":     w.run(t, true, nil, func(c *result.Cell) bool { c.Params.RatePerS = 99; return true }, nil),
		"engine configuration": w.run(t, true, nil, func(c *result.Cell) bool { c.EngineConfig = map[string]any{"x": 1}; return true }, nil),
		"only base has beta":   world{engines: []string{"alpha"}, trials: 7, spread: .02, rng: w.rng}.run(t, true, nil, nil, nil),
	} {
		_, err := Runs(base, head, Options{})
		var u *UsageError
		require.ErrorAs(t, err, &u, want)
		require.ErrorContains(t, err, want)
		r, err := Runs(base, head, Options{Force: true})
		require.NoError(t, err)
		require.Contains(t, strings.Join(r.Forced, "\n"), want)
		require.Contains(t, r.Verdict, "FORCED: not a valid comparison")
	}
}

func TestDamagedInputNamesItsFile(t *testing.T) {
	w := ordinary(7)
	base := w.run(t, false, nil, nil, nil)
	for name, spoil := range map[string]func(path string) error{
		"gone":      os.Remove,
		"empty":     func(p string) error { return os.WriteFile(p, nil, 0o644) },
		"truncated": func(p string) error { return os.Truncate(p, 100) },
	} {
		head := w.run(t, true, nil, nil, nil)
		path := result.CellPath(head, "beta-best-w-open-sync-3")
		require.NoError(t, spoil(path))
		_, err := Runs(base, head, Options{})
		require.ErrorContains(t, err, path, name)
		var u *UsageError
		require.False(t, errorsAs(err, &u), "exit 1 and not 2")
	}
	_, err := Runs(base, filepath.Join(t.TempDir(), "none"), Options{})
	require.ErrorContains(t, err, result.RunFile)
}

func errorsAs(err error, u **UsageError) bool {
	e, ok := err.(*UsageError)
	*u = e
	return ok
}

func TestCountsAndCorrectness(t *testing.T) {
	w := ordinary(7)
	base := w.run(t, false, nil, nil, nil)
	worse := func(figure string, edit func(*result.Cell), editRun func(*result.Run)) {
		t.Helper()
		head := w.run(t, true, nil, func(c *result.Cell) bool {
			if edit != nil && c.Engine == "beta" {
				edit(c)
			}
			return true
		}, editRun)
		r, err := Runs(base, head, Options{Gate: []string{"none"}})
		require.NoError(t, err)
		require.Equal(t, ExitRegression, r.ExitCode, r.Verdict)
		require.Equal(t, figure, r.Rows[0].Figure)
		require.Equal(t, "beta", r.Rows[0].Engine)
	}
	worse("allocations_per_op", func(c *result.Cell) { c.Resources.Allocations *= 2 }, nil)
	worse("disk_bytes_per_record", func(c *result.Cell) { c.Resources.DiskBytes *= 2 }, nil)
	worse("offered_rate_held", func(c *result.Cell) {
		c.Measure.AchievedPerS = 900
		c.Validity = &result.Validity{Verdict: result.Invalid, Reasons: []result.Reason{{Check: "rate", Verdict: result.Invalid, Engine: true, Text: "missed"}}}
	}, nil)
	worse("syncs_per_ack", nil, func(r *result.Run) { r.DurabilityChecks[1].Phases[0].SyncsPerAck = 2 })
	worse("failed_cells", func(c *result.Cell) {
		if c.Trial == 4 {
			c.Status, c.Reason, c.Measure = result.Failed, "it broke", nil
		}
	}, nil)

	lost := w.run(t, true, nil, func(c *result.Cell) bool { c.Check.Lost = 1; return true }, nil)
	r, err := Runs(base, lost, Options{})
	require.NoError(t, err)
	require.Equal(t, ExitViolation, r.ExitCode, r.Verdict)
	early := w.run(t, true, nil, nil, func(r *result.Run) { r.DurabilityChecks[0].Verdict = result.DurabilityEarly })
	r, err = Runs(base, early, Options{})
	require.NoError(t, err)
	require.Equal(t, ExitViolation, r.ExitCode, r.Verdict)
}

// A crash suite without findings decides, one with a finding that nobody knew is a violation.
func TestCrashSuites(t *testing.T) {
	w := ordinary(1)
	crash := func(findings ...result.CrashFinding) func(*result.Cell) bool {
		return func(c *result.Cell) bool {
			c.Kind, c.Measure, c.Resources, c.Check = result.KindCrash, nil, nil, nil
			c.Crash = &result.Crash{Method: "kill", Unit: "kill", Tested: 10, Passed: 10, Findings: findings}
			return true
		}
	}
	base := w.run(t, false, nil, crash(), nil)
	r, err := Runs(base, w.run(t, true, nil, crash(), nil), Options{})
	require.NoError(t, err)
	require.Equal(t, ExitOK, r.ExitCode, r.Verdict)
	r, err = Runs(base, w.run(t, true, nil, crash(result.CrashFinding{Invariant: "durability", Pattern: "lost", Count: 1}), nil), Options{})
	require.NoError(t, err)
	require.Equal(t, ExitViolation, r.ExitCode, r.Verdict)
	require.Contains(t, r.Verdict, "breaks durability in kill crashes: lost")
	r, err = Runs(base, w.run(t, true, nil, crash(result.CrashFinding{Invariant: "durability", Pattern: "lost", Count: 1, Known: "x"}), nil), Options{})
	require.NoError(t, err)
	require.Equal(t, ExitOK, r.ExitCode, r.Verdict)
}

func TestInvalidTrialsAreNeverGated(t *testing.T) {
	w := ordinary(7)
	base := w.run(t, false, nil, nil, nil)
	mark := func(engine bool) func(*result.Cell) bool {
		return func(c *result.Cell) bool {
			if c.Trial == 2 {
				c.Validity = &result.Validity{Verdict: result.Invalid, Reasons: []result.Reason{{Check: "steal", Verdict: result.Invalid, Engine: engine, Text: "because"}}}
			}
			return true
		}
	}
	for engine, why := range map[bool]string{true: "trial 2 of head is invalid: because", false: "7 and 6 usable trials"} {
		r, err := Runs(base, w.run(t, true, map[string]float64{"beta": 2}, mark(engine), nil), Options{})
		require.NoError(t, err)
		for _, row := range r.Rows {
			if row.Kind == Time {
				require.False(t, row.Gated, row.Name())
				if row.Figure == "renew_p50" || row.Figure == "renew_p99" {
					require.Contains(t, row.Why, why)
				}
			}
		}
	}
}

func TestRunsInARowAreSaidToBe(t *testing.T) {
	w := ordinary(7)
	base := w.run(t, false, nil, nil, nil)
	head := w.run(t, true, nil, func(c *result.Cell) bool {
		c.Started, c.Finished = c.Started.Add(time.Hour), c.Finished.Add(time.Hour)
		return true
	}, nil)
	r, err := Runs(base, head, Options{})
	require.NoError(t, err)
	require.False(t, r.Interleaved)
	require.Contains(t, r.Notes[0], "one after the other")
}

func TestRenderings(t *testing.T) {
	w := ordinary(12)
	w.engines = append(w.engines, "ga|mma")
	r, err := Runs(w.run(t, false, nil, nil, nil), w.run(t, true, map[string]float64{"beta": 1.3}, nil, nil), Options{})
	require.NoError(t, err)
	var text, md, junit bytes.Buffer
	require.NoError(t, r.Text(&text))
	require.NoError(t, r.Markdown(&md))
	require.NoError(t, r.JUnit(&junit))
	require.True(t, strings.HasSuffix(text.String(), r.Verdict+"\n"))
	require.Contains(t, r.Verdict, "REGRESSION (")
	require.True(t, strings.HasPrefix(md.String(), "### orbitbench: REGRESSION ("))
	require.Contains(t, md.String(), `ga\|mma`)
	var suites junitSuites
	require.NoError(t, xml.Unmarshal(junit.Bytes(), &suites))
	require.Equal(t, r.tally()[Worse], suites.Failures)
	require.Equal(t, r.tally()[Inconclusive], suites.Skipped)
	require.Equal(t, r.tally()["gated"], suites.Tests)
	_, err = json.Marshal(r)
	require.NoError(t, err, "no infinity in the JSON")

	for range 2000 {
		r.Rows = append(r.Rows, r.Rows[0])
	}
	md.Reset()
	require.NoError(t, r.Markdown(&md))
	require.Less(t, md.Len(), 64<<10)
	require.Contains(t, md.String(), "more did not fit")
}
