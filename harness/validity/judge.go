package validity

import (
	"fmt"
	"strings"
	"time"

	"orbitbench/harness/result"
	"orbitbench/workloads"
)

// Floors is what one durable write took the device around a cell, p50 in ns; 0
// is not known.
type Floors struct {
	BeforeNs, AfterNs int64
}

// Judge judges a cell of latency under load, the confirmation of a capacity among
// them. Other kinds, and cells without figures, have no judgement: nil.
func Judge(c *result.Cell, f Floors) *result.Validity {
	if c.Status != result.OK || c.Measure == nil || c.Kind != result.KindRenewal && c.Kind != result.KindCapacity && !result.IsStore(c.Kind) {
		return nil
	}
	j := &judgement{v: &result.Validity{Verdict: result.Valid}}
	op := mainOp(c)
	j.lag(c.Measure, op)
	j.load(c.Measure)
	if c.Resources != nil {
		j.machine(c.Resources.Machine)
	}
	j.drift(c.Class, f)
	j.steady(c, op)
	return j.v
}

// JudgeSoak judges the figures of a soak by what can be held against a closed
// loop: the machine around it, the device, and a trend over its seconds, which
// is what a soak is there to find.
func JudgeSoak(s *result.Soak, f Floors) *result.Validity {
	j := &judgement{v: &result.Validity{Verdict: result.Valid}}
	j.machine(s.Machine)
	class, _, _ := strings.Cut(s.Durability, ":")
	j.drift(class, f)
	var values []float64
	for _, n := range s.PerSecond {
		values = append(values, float64(n))
	}
	j.trend(figureOps, values)
	return j.v
}

// mainOp is the operation that the load is about.
func mainOp(c *result.Cell) string {
	if ops := workloads.OpNamesOf(c.Params.Store); len(ops) > 0 {
		return ops[0]
	}
	return workloads.Renew.String()
}

type judgement struct{ v *result.Validity }

// machine and engine add a reason; verdict "" adds none.
func (j *judgement) machineIs(check, verdict, format string, args ...any) {
	j.add(result.Reason{Check: check, Verdict: verdict, Text: fmt.Sprintf(format, args...)})
}

func (j *judgement) engineIs(check, verdict, format string, args ...any) {
	j.add(result.Reason{Check: check, Verdict: verdict, Engine: true, Text: fmt.Sprintf(format, args...)})
}

func (j *judgement) add(r result.Reason) {
	if r.Verdict == "" {
		return
	}
	j.v.Reasons = append(j.v.Reasons, r)
	if j.v.Verdict != result.Invalid {
		j.v.Verdict = r.Verdict
	}
}

// above is the verdict on a value that should be small. invalid 0 means that no
// value voids a cell.
func above(value, noisy, invalid float64) string {
	switch {
	case invalid > 0 && value > invalid:
		return result.Invalid
	case value > noisy:
		return result.Noisy
	}
	return ""
}

// latencyOf is the latency of an operation with outcome ok.
func latencyOf(m *result.Measure, op string) result.Latency {
	for _, o := range m.Ops {
		if o.Op == op && o.Outcome == "ok" {
			return o.Latency
		}
	}
	return result.Latency{}
}

// lag judges the generator of an open loop by METHOD's first rule: a lag of more
// than 5% of the percentile, and of more than 2 us, decides it.
func (j *judgement) lag(m *result.Measure, op string) {
	main := latencyOf(m, op)
	if m.Lag == nil || main.Count == 0 {
		return
	}
	if lags(m.Lag.P50Ns, main.P50Ns) {
		j.machineIs("lag", result.Invalid, "generator lag p50 %v against a %s p50 of %v: the generator, not the engine, decides these latencies",
			duration(m.Lag.P50Ns), op, duration(main.P50Ns))
	} else if lags(m.Lag.P99Ns, main.P99Ns) {
		j.machineIs("lag", result.Noisy, "generator lag p99 %v is part of the %s p99 of %v", duration(m.Lag.P99Ns), op, duration(main.P99Ns))
	}
}

// duration is a time with three digits.
func duration(ns int64) time.Duration {
	unit := int64(1)
	for ns/unit >= 1000 {
		unit *= 10
	}
	return time.Duration(ns).Round(time.Duration(unit))
}

func lags(lag, latency int64) bool { return float64(lag) > max(lagShare*float64(latency), lagLeastNs) }

// load judges whether an open loop was carried out. An engine that cannot hold
// the rate does that by itself.
func (j *judgement) load(m *result.Measure) {
	if m.OfferedPerS <= 0 {
		return
	}
	missed := 1 - m.AchievedPerS/m.OfferedPerS
	j.engineIs("rate", above(missed, rateNoisy, rateInvalid), "offered rate missed: %.4g of %.4g operations/s (%.1f%%)", m.AchievedPerS, m.OfferedPerS, -100*missed)
	if m.Dropped > 0 {
		share := float64(m.Dropped) / max(1, m.OfferedPerS*m.Seconds)
		j.engineIs("dropped", above(share, 0, droppedInvalid), "%d due operations were never started: too many were waiting", m.Dropped)
	}
}

// machine judges what went on around the process.
func (j *judgement) machine(m *result.Machine) {
	if m == nil {
		return
	}
	if m.ThrottledShare != nil {
		j.machineIs("throttled", above(*m.ThrottledShare, throttledNoisy, throttledInvalid),
			"the CPU limit of the control group stopped it for %.1f%% of the processors' time", 100**m.ThrottledShare)
	}
	j.machineIs("steal", above(m.StealShare, stealNoisy, stealInvalid), "the hypervisor took %.1f%% of the processors for others", 100*m.StealShare)
	j.machineIs("others", above(m.OthersCPUShare, othersNoisy, othersInvalid), "other processes took %.0f%% of the processors", 100*m.OthersCPUShare)
	j.machineIs("memory", above(m.Pressure["memory"], memoryNoisy, 0), "some task waited for memory %.1f%% of the time", 100*m.Pressure["memory"])
}

// drift judges the device between before and after the cell.
func (j *judgement) drift(class string, f Floors) {
	if f.BeforeNs <= 0 || f.AfterNs <= 0 {
		return
	}
	j.v.FloorDrift = float64(f.AfterNs) / float64(f.BeforeNs)
	if class != "sync" && class != "interval" {
		return
	}
	j.machineIs("floor_drift", above(max(j.v.FloorDrift, 1/j.v.FloorDrift), driftNoisy, driftInvalid),
		"the device's own p50 went from %v before to %v behind the cell", duration(f.BeforeNs), duration(f.AfterNs))
}
