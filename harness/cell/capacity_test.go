package cell

import (
	"strings"
	"testing"
	"time"

	"orbitbench/harness/patience"
	"orbitbench/harness/result"
	"orbitbench/workloads"
)

// capacitySpec asks for the capacity of the fake engine.
func capacitySpec(t testing.TB, config map[string]any, job CapacityJob) Spec {
	s := testSpec(t, "fake", config)
	s.Kind, s.Capacity = result.KindCapacity, &job
	p := &s.Params
	p.Mix, p.Distribution, p.Loop = map[string]float64{"renew": 1}, workloads.Rounds, workloads.Open
	p.Actors, p.Workers, p.Prefill = 500, 8, 1
	p.RenewSeconds, p.LeaseSeconds = 0.5, 60.5
	p.RatePerS, p.WarmupSeconds, p.Seconds = 1000, 0.5, 0.5
	return s
}

// A promise that any machine keeps, so that the engine alone decides.
const easy = "p90<=20s"

func TestCapacitySearchBracketsASlowEngine(t *testing.T) {
	patience.Try(t, func(t *patience.T) {
		// Each commit takes 20 ms at least and there are 8 workers: 400/s at most, on any machine.
		s := capacitySpec(t, map[string]any{"delay_us": 20_000}, CapacityJob{Promise: easy, Search: true, BoundPerS: 20_000, Precision: 0.6})
		s.Params.RatePerS, s.Params.Seconds = 150, 1
		c := executeTest(t, s)
		wantOK(t, c)
		found := c.Capacity
		if found.Role != result.CapacitySearch || found.KeptPerS >= found.MissedPerS || found.MissedPerS == 0 || found.KeptPerS > 520 {
			t.Errorf("bracket %v to %v of an engine that can do 400/s", found.KeptPerS, found.MissedPerS)
		}
		for _, p := range found.Probes {
			if p.Kept != (p.Reason == "") || p.Offered == 0 || p.Leases != 500 || p.Lease.SlackNs != int64(time.Minute) || p.Renewals.Histogram != "" {
				t.Errorf("probe %+v", p)
			}
			if p.RatePerS > 1000 && p.Kept {
				t.Errorf("%v/s kept", p.RatePerS)
			}
		}
		if c.Check == nil || c.Check.Verdict != "ok" || c.Check.Records != 500 {
			t.Errorf("check %+v", c.Check)
		}
	})
}

func TestCapacityConfirmation(t *testing.T) {
	patience.Try(t, func(t *patience.T) {
		c := executeTest(t, capacitySpec(t, nil, CapacityJob{Promise: easy}))
		wantOK(t, c)
		p := c.Capacity.Probes[0]
		if c.Capacity.Role != result.CapacityConfirm || !p.Kept || c.Capacity.KeptPerS != 1000 || p.Offered != 500 || p.Lease.DeadlineMisses+p.Lease.FalseExpiries != 0 {
			t.Errorf("capacity %+v", c.Capacity)
		}
		if c.Measure == nil || c.Measure.Ops[0].Latency.Histogram == "" || c.Resources.UserBytes == 0 {
			t.Errorf("a confirmation measures like a renewal cell: %+v", c.Measure)
		}
	})
}

// An engine that stands still for 100 ms of each second cannot promise 20 ms
// to 95% of its renewals, however low the rate.
func TestCapacityOfAStallingEngine(t *testing.T) {
	patience.Try(t, func(t *patience.T) {
		s := capacitySpec(t, map[string]any{"stall_ms": 100}, CapacityJob{Promise: "p95<=20ms"})
		s.Params.Seconds = 1
		c := executeTest(t, s)
		wantOK(t, c)
		p := c.Capacity.Probes[0]
		if p.Kept || !strings.Contains(p.Reason, "took longer than 20ms") || p.Lease.LongestStallNs < 50e6 {
			t.Errorf("probe %+v", p)
		}
	})
}

// An engine slower than its leases are short lets them run out, and both counts see it.
func TestCapacityCountsLeasesThatRanOut(t *testing.T) {
	patience.Try(t, func(t *patience.T) {
		// 8 workers of 50 ms each: 160/s of the 1000/s that are due.
		s := capacitySpec(t, map[string]any{"delay_us": 50_000}, CapacityJob{Promise: easy})
		s.Params.RenewSeconds, s.Params.LeaseSeconds = 0.5, 0.75
		s.Params.Seconds, s.Params.WarmupSeconds = 1.5, 0
		c := executeTest(t, s)
		wantOK(t, c)
		p := c.Capacity.Probes[0]
		if p.Kept || p.Lease.DeadlineMisses == 0 || p.Lease.FalseExpiries == 0 || !strings.Contains(p.Reason, "after their lease had run out") {
			t.Errorf("probe %+v", p)
		}
	})
}

func TestCapacityOfALossyEngineFails(t *testing.T) {
	for _, search := range []bool{false, true} {
		job := CapacityJob{Promise: easy, Search: search, BoundPerS: 1000, Precision: 1}
		wantFailed(t, executeTest(t, capacitySpec(t, map[string]any{"lose": true}, job)), "is missing")
	}
	patience.Try(t, func(t *patience.T) {
		wantFailed(t, executeTest(t, capacitySpec(t, map[string]any{"fail_after": 700}, CapacityJob{Promise: easy})), "input/output error")
	})
}

func TestCapacitySpecIsChecked(t *testing.T) {
	for want, edit := range map[string]func(*Spec){
		"capacity is missing": func(s *Spec) { s.Capacity = nil },
		"open loop":           func(s *Spec) { s.Params.Loop = workloads.Closed },
		"rounds":              func(s *Spec) { s.Params.Distribution = workloads.Uniform },
		"more than renewals":  func(s *Spec) { s.Params.Mix = workloads.DefaultMix() },
		"below the lease":     func(s *Spec) { s.Params.LeaseSeconds = 0.5 },
		"promise":             func(s *Spec) { s.Capacity.Promise = "fast" },
		"above 0":             func(s *Spec) { s.Capacity.Search = true },
	} {
		s := capacitySpec(t, nil, CapacityJob{Promise: easy})
		edit(&s)
		wantFailed(t, executeTest(t, s), want)
	}
}
