package cell

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"orbitbench/engines"
	"orbitbench/harness/patience"
	"orbitbench/harness/record"
	"orbitbench/harness/result"
	"orbitbench/workloads"
)

// The fields of the two Params are the same, so that one converts to the other.
var _ = result.Params(workloads.Params{})

func testSpec(t testing.TB, engine string, config map[string]any) Spec {
	p, err := workloads.LookupPreset("orbit-default")
	if err != nil {
		t.Fatal(err)
	}
	s := Spec{
		Plan: result.PlanCell{Key: "test", Engine: engine, Workload: "orbit-default", Trial: 1},
		Kind: result.KindRenewal, Params: result.Params(p.Params), Config: config, Seed: 1, Dir: t.TempDir(),
	}
	s.Params.Actors, s.Params.Workers, s.Params.RatePerS = 2000, 8, 2000
	s.Params.WarmupSeconds, s.Params.Seconds = 0.1, 0.5
	s.Durability.Class = engines.Process
	if engine != "fake" {
		s.Durability.Class = engines.None
	}
	s.Plan.Durability = s.Durability.String()
	return s
}

func testLimits() limits {
	return limits{operation: time.Minute, open: time.Minute, close: time.Minute}
}

// hasty are those of what hangs, however long one waits.
var hasty = limits{operation: time.Second, open: time.Minute, close: time.Second}

// during cancels in the middle of a phase.
func during(phase string, cancel context.CancelFunc) func(Progress) {
	return func(p Progress) {
		if p.Phase == phase {
			cancel()
		}
	}
}

func executeTest(t testing.TB, s Spec) *result.Cell {
	t.Helper()
	c := execute(context.Background(), s, lookupTest, nil, testLimits())
	if c.Finished.Before(c.Started) || c.Schema != result.SchemaVersion || c.Key != "test" {
		t.Errorf("cell without its frame: %+v", c)
	}
	return c
}

func wantOK(t testing.TB, c *result.Cell) {
	t.Helper()
	if c.Status != result.OK {
		t.Fatalf("%s: %s", c.Status, c.Reason)
	}
}

// wantFailed demands that the reason says what the engine did wrong.
func wantFailed(t testing.TB, c *result.Cell, words ...string) {
	t.Helper()
	if c.Status != result.Failed {
		t.Fatalf("status %s, want failed", c.Status)
	}
	for _, w := range words {
		if !strings.Contains(c.Reason, w) {
			t.Errorf("reason %q does not say %q", c.Reason, w)
		}
	}
}

func opCount(c *result.Cell, op, outcome string) uint64 {
	for _, o := range c.Measure.Ops {
		if o.Op == op && o.Outcome == outcome {
			return o.Latency.Count
		}
	}
	return 0
}

func TestOpenLoopCell(t *testing.T) {
	patience.Try(t, func(t *patience.T) {
		s := testSpec(t, "fake", nil)
		var phases []string
		c := execute(context.Background(), s, lookupTest, func(p Progress) {
			if len(phases) == 0 || phases[len(phases)-1] != p.Phase {
				phases = append(phases, p.Phase)
			}
		}, testLimits())
		wantOK(t, c)
		m := c.Measure
		if m.OfferedPerS != 2000 || m.Lag == nil || m.Lag.Count != 1000 {
			t.Errorf("offered %v, lag %+v", m.OfferedPerS, m.Lag)
		}
		var total uint64
		for _, o := range m.Ops {
			total += o.Latency.Count
			if o.Service == nil || o.Service.Count != o.Latency.Count || o.Service.P50Ns > o.Latency.P50Ns {
				t.Errorf("%s %s: service %+v beside %+v", o.Op, o.Outcome, o.Service, o.Latency)
			}
			if _, err := record.FromLatency(o.Latency); err != nil {
				t.Error(err)
			}
		}
		if total != 1000 {
			t.Errorf("%d operations, want 1000", total)
		}
		for _, op := range []string{"renew", "get", "acquire", "list"} {
			if opCount(c, op, "ok") == 0 {
				t.Errorf("no %s", op)
			}
		}
		if c.Check == nil || c.Check.Verdict != "ok" || c.Check.Records != 2000+int(opCount(c, "acquire", "ok"))+warmAcquired(c) {
			t.Errorf("check %+v", c.Check)
		}
		r := c.Resources
		if r.UserBytes == 0 || r.WrittenBytes < r.UserBytes || r.DiskBytes == 0 || r.LiveBytes < 2000*284 || r.Memory.ResidentBytes == 0 || r.Memory.HarnessBytes == 0 || r.Allocations == 0 || r.CPUPerOpNs == 0 {
			t.Errorf("resources %+v", r)
		}
		if c.Load == nil || c.Load.Records != 2000 || c.Path != "generic" || c.EngineStats["commits"] == 0 || len(m.Intervals) == 0 {
			t.Errorf("load %+v, path %q, stats %v", c.Load, c.Path, c.EngineStats)
		}
		var names []string
		for _, p := range c.Phases {
			names = append(names, p.Name)
		}
		if want := "open load warmup measure close reopen check"; strings.Join(names, " ") != want {
			t.Errorf("phases %v, want %s", names, want)
		}
		if len(phases) < 4 {
			t.Errorf("progress of phases %v only", phases)
		}
	})
}

// warmAcquired: leases acquired in warm-up are checked too; their number is in no histogram.
func warmAcquired(c *result.Cell) int {
	return c.Check.Records - 2000 - int(opCount(c, "acquire", "ok"))
}

func TestClosedLoopCell(t *testing.T) {
	s := testSpec(t, "memory", nil)
	s.Params.Loop, s.Params.RatePerS = workloads.Closed, 0
	c := executeTest(t, s)
	wantOK(t, c)
	if c.Measure.Lag != nil || c.Measure.OfferedPerS != 0 {
		t.Error("a closed loop with an offered rate")
	}
	for _, o := range c.Measure.Ops {
		if o.Service != nil {
			t.Errorf("%s: service time in a closed loop", o.Op)
		}
	}
	if c.Measure.AchievedPerS <= 0 || c.Check == nil {
		t.Errorf("%v operations/s, check %+v", c.Measure.AchievedPerS, c.Check)
	}
}

func TestGenericPathIsForced(t *testing.T) {
	s := testSpec(t, "memory", nil)
	s.Params.Loop, s.Params.RatePerS = workloads.Closed, 0
	s.Path = PathGeneric
	if c := executeTest(t, s); c.Path != "generic" || c.Status != result.OK {
		t.Errorf("path %q, %s: %s", c.Path, c.Status, c.Reason)
	}
}

// Under Zipf workers race for hot leases: conflicts are counted, nothing is
// lost, and everything goes on.
func TestRacingRenewalsConflict(t *testing.T) {
	patience.Try(t, func(t *patience.T) {
		s := testSpec(t, "fake", map[string]any{"delay_us": 100})
		s.Params.Distribution, s.Params.ZipfS = workloads.Zipf, 1.2
		s.Params.Loop, s.Params.RatePerS, s.Params.Actors = workloads.Closed, 0, 50
		c := executeTest(t, s)
		wantOK(t, c)
		if opCount(c, "renew", "conflict") == 0 || opCount(c, "renew", "ok") == 0 {
			t.Errorf("%d renewals, %d conflicts", opCount(c, "renew", "ok"), opCount(c, "renew", "conflict"))
		}
	})
}

func TestAnEngineThatRefusesEverythingIsSeen(t *testing.T) {
	patience.Try(t, func(t *patience.T) {
		c := executeTest(t, testSpec(t, "fake", map[string]any{"refuse": true}))
		wantOK(t, c)
		if opCount(c, "renew", "ok") != 0 || opCount(c, "renew", "conflict") == 0 {
			t.Errorf("%d ok, %d conflicts", opCount(c, "renew", "ok"), opCount(c, "renew", "conflict"))
		}
	})
}

// The point of an open loop: a stall of 100 ms in each second is met by a
// twentieth and more of the operations, although few calls are slow.
func TestStallShowsInTheTail(t *testing.T) {
	patience.Try(t, func(t *patience.T) {
		s := testSpec(t, "fake", map[string]any{"stall_ms": 100})
		s.Params.Seconds, s.Params.Workers, s.Params.RatePerS = 2, 2, 1000
		c := executeTest(t, s)
		wantOK(t, c)
		var renew result.OpResult
		for _, o := range c.Measure.Ops {
			if o.Op == "renew" && o.Outcome == "ok" {
				renew = o
			}
		}
		t.Logf("p99 %v from the intended start, %v of service", time.Duration(renew.Latency.P99Ns), time.Duration(renew.Service.P99Ns))
		// A tenth of the operations falls due in a stall: a hundredth waits for 90 ms of it.
		if renew.Latency.P99Ns < 60e6 {
			t.Errorf("p99 %d ns with stalls of 100 ms", renew.Latency.P99Ns)
		}
		if renew.Latency.P99Ns < 4*renew.Service.P90Ns {
			t.Errorf("p99 %d ns from the intended start, p90 %d ns of service: the waiting is not seen", renew.Latency.P99Ns, renew.Service.P90Ns)
		}
	})
}

func TestOverloadShowsAndIsSaid(t *testing.T) {
	s := testSpec(t, "fake", map[string]any{"delay_us": 2000})
	s.Params.Workers, s.Params.RatePerS, s.Params.WarmupSeconds = 2, 5000, 0
	c := executeTest(t, s)
	wantOK(t, c)
	if c.Measure.Dropped == 0 || c.Validity == nil || c.Validity.Verdict != result.Invalid || !strings.Contains(c.Validity.Text(), "offered rate missed") {
		t.Errorf("%d dropped, validity %+v", c.Measure.Dropped, c.Validity)
	}
}

func TestLostLeasesFailTheCell(t *testing.T) {
	for name, words := range map[string][]string{
		"lose":    {"check after reopen", "1 lost", "missing"},
		"stale":   {"check after reopen", "lost", "acknowledged was"},
		"garble":  {"check after reopen", "damaged"},
		"phantom": {"check after reopen", "phantom", "of no actor"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := testSpec(t, "fake", map[string]any{name: true})
			s.Params.Seconds, s.Params.WarmupSeconds = 0.1, 0
			c := executeTest(t, s)
			wantFailed(t, c, words...)
			if c.Check == nil || c.Check.Verdict == "ok" {
				t.Errorf("check %+v", c.Check)
			}
		})
	}
}

func TestFaultsOfTheEngineFailTheCell(t *testing.T) {
	for name, c := range map[string]struct {
		config map[string]any
		limits limits
		words  []string
	}{
		"open":  {map[string]any{"fail_open": true}, testLimits(), []string{"open", "read-only file system"}},
		"write": {map[string]any{"fail_after": 200}, testLimits(), []string{"input/output error"}},
		"load":  {map[string]any{"full_after": 1}, testLimits(), []string{"load", "full"}},
		"close": {map[string]any{"hang_close": true}, hasty, []string{"close did not return within"}},
		"hang":  {map[string]any{"hang_after": 200}, hasty, []string{"did not return"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			patience.Try(t, func(t *patience.T) {
				s := testSpec(t, "fake", c.config)
				s.Params.Seconds, s.Params.WarmupSeconds = 0.5, 0
				wantFailed(t, execute(context.Background(), s, lookupTest, nil, c.limits), c.words...)
			})
		})
	}
}

func TestErrorsKeepTheirText(t *testing.T) {
	patience.Try(t, func(t *patience.T) {
		s := testSpec(t, "fake", map[string]any{"fail_after": 200})
		s.Params.WarmupSeconds = 0
		c := executeTest(t, s)
		wantFailed(t, c, "input/output error")
		for _, o := range c.Measure.Ops {
			if o.Outcome == "error" && strings.Contains(o.Error, "input/output error") {
				return
			}
		}
		t.Errorf("no operation has the error: %+v", c.Measure.Ops)
	})
}

func TestReadOnlyDirectory(t *testing.T) {
	s := testSpec(t, "fake", nil)
	s.Dir = filepath.Join(s.Dir, "missing")
	wantFailed(t, executeTest(t, s), "directory of the cell", "no such file")
}

func TestWhatCannotBeHadIsSkipped(t *testing.T) {
	s := testSpec(t, "fake", nil)
	s.Durability.Class = engines.None
	if c := executeTest(t, s); c.Status != result.Skipped || !strings.Contains(c.Reason, "it always writes") {
		t.Errorf("%s: %s", c.Status, c.Reason)
	}
	s = testSpec(t, "fake", nil)
	s.Path = "native"
	if c := executeTest(t, s); c.Status != result.Skipped || !strings.Contains(c.Reason, "no native renewal path") {
		t.Errorf("%s: %s", c.Status, c.Reason)
	}
	s = testSpec(t, "fake", map[string]any{"nonsense": 1})
	wantFailed(t, executeTest(t, s), "nonsense")
	s = testSpec(t, "nobody", nil)
	wantFailed(t, executeTest(t, s), "unknown engine")
}

func TestInterruptedCellEndsSoon(t *testing.T) {
	s := testSpec(t, "fake", nil)
	s.Params.Seconds, s.Params.RatePerS = 600, 10
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	begin := time.Now()
	c := execute(ctx, s, lookupTest, during("measure", cancel), testLimits())
	wantFailed(t, c, "interrupted")
	if d := time.Since(begin); d > 300*time.Second {
		t.Errorf("took %v", d)
	}
}

// Leases that run out are acquired anew, and counted.
func TestExpiredLeasesAreAcquiredAnew(t *testing.T) {
	patience.Try(t, func(t *patience.T) {
		s := testSpec(t, "fake", nil)
		s.Params.LeaseSeconds, s.Params.Actors = 0.1, 500
		c := executeTest(t, s)
		wantOK(t, c)
		if opCount(c, "renew", "expired") == 0 || !strings.Contains(strings.Join(c.Warnings, "\n"), "run out") {
			t.Errorf("%d expired, warnings %q", opCount(c, "renew", "expired"), c.Warnings)
		}
		if n := opCount(c, "acquire", "ok"); n < opCount(c, "renew", "expired")/4 {
			t.Errorf("%d acquired after %d ran out", n, opCount(c, "renew", "expired"))
		}
	})
}

// A renewal that is acknowledged after the lease has run out is a missed deadline.
func TestLateAcknowledgementsAreMissedDeadlines(t *testing.T) {
	patience.Try(t, func(t *patience.T) {
		s := testSpec(t, "fake", map[string]any{"delay_us": 60_000})
		s.Params.LeaseSeconds, s.Params.Actors, s.Params.Mix = 0.15, 8, map[string]float64{"renew": 1}
		s.Params.Loop, s.Params.RatePerS = workloads.Closed, 0
		s.Config["delay_us"] = 100_000
		c := executeTest(t, s)
		wantOK(t, c)
		if c.Measure.DeadlineMisses == 0 {
			t.Errorf("no deadline missed: %+v", c.Measure.Ops)
		}
	})
}

func TestMainSpeaksLines(t *testing.T) {
	s := testSpec(t, "fake", nil)
	raw, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	if code := Main(context.Background(), nil, lookupTest, bytes.NewReader(raw), &out, &errs); code != 0 || errs.Len() > 0 {
		t.Fatalf("exit %d: %s", code, &errs)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	for i, line := range lines {
		var m Message
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatal(err)
		}
		if last := i == len(lines)-1; last != (m.Cell != nil) || last == (m.Progress != nil) {
			t.Errorf("line %d of %d: %s", i+1, len(lines), line)
		}
	}
	for _, bad := range []string{"", "{", `{"speed":1}`, string(raw) + "{}"} {
		out.Reset()
		errs.Reset()
		if code := Main(context.Background(), nil, lookupTest, strings.NewReader(bad), &out, &errs); code != 2 || strings.Count(errs.String(), "\n") != 1 {
			t.Errorf("%.20q: exit %d, %q", bad, code, &errs)
		}
	}
	if code := Main(context.Background(), []string{"dance"}, lookupTest, strings.NewReader("{}"), &out, &errs); code == 0 {
		t.Error("an unknown process is accepted")
	}
}

func TestRecoveryCell(t *testing.T) {
	patience.Try(t, func(t *patience.T) {
		for _, durability := range []string{"process", "interval:20ms"} {
			s := testSpec(t, "fake", nil)
			s.Kind, s.Repetitions, s.Params.Seconds = result.KindRecovery, 2, 0.3
			var err error
			if s.Durability, err = engines.ParseDurability(durability); err != nil {
				t.Fatal(err)
			}
			c := executeTest(t, s)
			wantOK(t, c)
			r := c.Recovery
			if len(r.Repetitions) != 2 || r.Leases != 2000 || r.RenewalsSinceLoad == 0 || r.Cache == "" {
				t.Fatalf("recovery %+v", r)
			}
			for _, k := range r.Repetitions {
				if !(0 < k.OpenNs && k.OpenNs <= k.ExecToOpenNs && k.ExecToOpenNs <= k.FirstReadNs && k.FirstReadNs <= k.FirstWriteNs) || k.Acknowledged != 2000 || k.Lost != 0 || k.DiskBytes == 0 {
					t.Errorf("trial %+v", k)
				}
			}
			if left, err := os.ReadDir(s.Dir); err != nil || len(left) != 0 {
				t.Errorf("left behind: %v (%v)", left, err)
			}
		}
	})
}

// Engines that lose or repeat what they acknowledged must not get a time.
func TestRecoveryFindsWhatIsLost(t *testing.T) {
	for name, c := range map[string]struct {
		config map[string]any
		words  []string
	}{
		"acknowledges before it writes": {map[string]any{"buffered": 100}, []string{"recovery 1", "lost", "durability: the lease of", "acknowledged was"}},
		"forgets a lease":               {map[string]any{"lose": true}, []string{"recovery 1", "lost", "durability: the lease of", "missing"}},
		"garbles a lease":               {map[string]any{"garble": true}, []string{"recovery 1", "lost", "phantom: the lease of", "damaged"}},
		"makes a lease up":              {map[string]any{"phantom": true}, []string{"recovery 1", "phantom"}},
		"fails while it is loaded":      {map[string]any{"fail_after": 1}, []string{"input/output error"}},
		"fails while it renews":         {map[string]any{"fail_after": 200}, []string{"input/output error"}},
		"does not open":                 {map[string]any{"fail_open": true}, []string{"open", "read-only"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			patience.Try(t, func(t *patience.T) {
				s := testSpec(t, "fake", c.config)
				s.Kind, s.Params.Seconds = result.KindRecovery, 0.5
				got := executeTest(t, s)
				wantFailed(t, got, c.words...)
				for _, k := range got.Recovery.Repetitions {
					if k.FirstReadNs != 0 {
						t.Errorf("a recovery that broke an invariant has a time: %+v", k)
					}
				}
			})
		})
	}
}

func TestRecoveryHonoursInterruption(t *testing.T) {
	s := testSpec(t, "fake", nil)
	s.Kind, s.Params.Seconds, s.Params.Actors = result.KindRecovery, 600, 20_000
	for _, phase := range []string{"load", "renew"} {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		s.Dir = t.TempDir()
		wantFailed(t, execute(ctx, s, lookupTest, during(phase, cancel), testLimits()), "interrupted")
	}
}

func TestOverhead(t *testing.T) {
	s := testSpec(t, "noop", nil)
	s.Kind, s.Params = KindOverhead, result.Params{Seconds: 0.02}
	o, err := Overhead(context.Background(), s, lookupTest)
	if err != nil {
		t.Fatal(err)
	}
	if o.PerOpNs <= 0 || o.Speedup <= 0 || o.Threads < 1 || o.AllocPerOp > 0.01 {
		t.Errorf("%+v", o)
	}
}
