package cell

import (
	"fmt"
	"reflect"
	"strings"
	"time"
	"unicode"

	"orbitbench/engines"
	"orbitbench/harness/procstat"
	"orbitbench/harness/record"
	"orbitbench/harness/result"
	"orbitbench/workloads"
)

// usage is what the process used between two moments.
func usage(before, after procstat.Usage, operations uint64) *result.Resources {
	r := &result.Resources{
		CPUUserNs:        after.UserNs - before.UserNs,
		CPUSystemNs:      after.SystemNs - before.SystemNs,
		WrittenBytes:     after.WrittenBytes - before.WrittenBytes,
		DeviceWriteBytes: after.DeviceWriteBytes - before.DeviceWriteBytes,
		Allocations:      after.Mallocs - before.Mallocs,
		GCPauseNs:        after.GCPauseNs - before.GCPauseNs,
		GCCPUFraction:    procstat.GCCPUFraction(before, after),
	}
	if operations > 0 {
		r.CPUPerOpNs = float64(r.CPUUserNs+r.CPUSystemNs) / float64(operations)
	}
	return r
}

// userBytes are the keys and values of the acknowledged writes.
func userBytes(ops []result.OpResult, keyBytes, valueBytes int) (n uint64) {
	for _, op := range ops {
		if op.Outcome != record.OK.String() {
			continue
		}
		count := op.Latency.Count + op.Latency.OutOfRange
		switch op.Op {
		case workloads.Renew.String(), workloads.Acquire.String():
			n += count * uint64(keyBytes+valueBytes)
		case workloads.Release.String():
			n += count * uint64(keyBytes)
		}
	}
	return n
}

// gauges are the fields of engines.Stats that say how much there is; the
// others count what has happened.
var gauges = map[string]bool{"records": true, "table_bytes": true, "cache_bytes": true, "mapped_bytes": true, "replayed_records": true}

// engineStats names the counters of a phase: gauges as they are at its end,
// the rest as what was added. A figure that the engine does not have is left out.
func engineStats(before, after engines.Stats) map[string]uint64 {
	stats := make(map[string]uint64)
	b, a := reflect.ValueOf(before), reflect.ValueOf(after)
	for i := range a.NumField() {
		name, n := snakeCase(a.Type().Field(i).Name), a.Field(i).Uint()
		if n == 0 {
			continue
		}
		if !gauges[name] {
			n -= min(n, b.Field(i).Uint())
		}
		stats[name] = n
	}
	return stats
}

func snakeCase(name string) string {
	var b strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// spansOf returns the background work that overlaps the phase.
func spansOf(e engines.Engine, begin time.Time, seconds float64) []result.Span {
	s, ok := e.(engines.Spanner)
	if !ok {
		return nil
	}
	var list []result.Span
	for _, span := range s.Spans() {
		from := span.Begin.Sub(begin).Seconds()
		to := seconds // still running
		if !span.End.IsZero() {
			to = span.End.Sub(begin).Seconds()
		}
		if to < 0 || from > seconds {
			continue
		}
		list = append(list, result.Span{Kind: span.Kind, BeginS: from, EndS: to, Bytes: span.Bytes})
	}
	return list
}

// Thresholds of the warnings. Those that decide whether a cell is valid are in
// package validity.
const (
	tailSamples    = 10    // that must lie above a percentile
	expiredShare   = 0.01  // of the renewals that may find their lease run out
	tailPercentile = 0.001 // above p99.9
)

// warnings are the doubts about the figures of a phase, of which op is the
// operation that the load is about.
func warnings(m *result.Measure, op string, mix map[string]float64) []string {
	var list []string
	add := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	main := latencyOf(m, op)
	if n := main.Count; n > 0 && float64(n)*tailPercentile < tailSamples {
		what := "renewals"
		if op != workloads.Renew.String() {
			what = "operations " + op
		}
		add("%d %s: fewer than %d lie above p99.9", n, what, tailSamples)
	}
	if m.DeadlineMisses > 0 {
		add("%d renewals were acknowledged after their lease had run out", m.DeadlineMisses)
	}
	var outOfRange uint64
	for _, o := range m.Ops {
		outOfRange += o.Latency.OutOfRange
		expired := o.Op == workloads.Renew.String() && o.Outcome == record.Expired.String()
		if expired && float64(o.Latency.Count) > expiredShare*float64(main.Count) {
			add("%d renewals found that their lease had run out", o.Latency.Count)
		}
		if o.Op == workloads.Release.String() && o.Outcome == record.OK.String() && mix[o.Op] == 0 {
			add("the reserve of free actors was used up: %d acquisitions became releases", o.Latency.Count)
		}
	}
	if outOfRange > 0 {
		add("%d operations took longer than a histogram holds (%v)", outOfRange, time.Duration(record.HighestNs))
	}
	return list
}

// latencyOf is the latency of an operation with outcome ok.
func latencyOf(m *result.Measure, op string) result.Latency {
	for _, o := range m.Ops {
		if o.Op == op && o.Outcome == record.OK.String() {
			return o.Latency
		}
	}
	return result.Latency{}
}
