package reports

import (
	"fmt"
	"slices"
	"strings"

	"orbitbench/harness/result"
)

// addTrial merges one cell into the row. A trial that the machine has voided is
// left out, unless keepVoided says that there are no others.
func (r *Report) addTrial(b *block, row *row, it item, keepVoided bool) error {
	loaded := it.kind != result.KindRecovery // else killed
	if loaded {
		row.planned++
	}
	c := it.cell
	if c == nil {
		return nil
	}
	if b.params == nil && loaded && c.Params.Actors > 0 {
		b.params = &c.Params
	}
	for _, w := range c.Warnings {
		row.warnings = append(row.warnings, fmt.Sprintf("%strial %d: %s", kindPrefix(it.kind), c.Trial, oneLine(w)))
	}
	row.losses = append(row.losses, lossesOf(c)...)
	if c.Status != result.OK {
		return nil
	}
	if !loaded {
		return row.recovery.add(c)
	}
	if c.Check != nil && c.Check.Evicted > 0 {
		row.warnings = append(row.warnings, fmt.Sprintf("trial %d: %d acknowledged %s were gone after reopening, which the engine declares that it may do (eviction)",
			c.Trial, c.Check.Evicted, recordNames(c.Kind, c.Check.Evicted)))
	}
	if row.validity.add(c, keepVoided) {
		return nil
	}
	row.trials++
	row.numbers = append(row.numbers, c.Trial)
	row.invalid = row.invalid || c.Validity != nil && c.Validity.Verdict == result.Invalid ||
		slices.ContainsFunc(c.Warnings, func(w string) bool { return strings.HasPrefix(w, invalidMark) })
	row.loop = c.Params.Loop
	row.offered = c.Measure.OfferedPerS
	row.achieved = append(row.achieved, c.Measure.AchievedPerS)
	row.use.add(c)
	if belowHarness(c) {
		row.warnings = append(row.warnings, fmt.Sprintf("trial %d: no memory figure, resident memory ended below what the harness held before the engine was opened", c.Trial))
	}
	return row.addOps(c)
}

// invalidMark begins a warning by which results without a judgement of their
// validity, of older programs, take back a cell's latencies.
const invalidMark = "invalid: "

func kindPrefix(kind string) string {
	if kind == result.KindRecovery {
		return kind + " "
	}
	return ""
}

func (r *row) addOps(c *result.Cell) (err error) {
	m := c.Measure
	for _, res := range m.Ops {
		key := opKey{res.Op, res.Outcome}
		o := r.ops[key]
		if o == nil {
			o = new(op)
			r.ops[key] = o
		}
		if o.latency, err = o.latency.add(res.Latency); err != nil {
			return fmt.Errorf("%s %s: %w", res.Op, res.Outcome, err)
		}
		if res.Service != nil {
			if o.service, err = o.service.add(*res.Service); err != nil {
				return fmt.Errorf("%s %s, service time: %w", res.Op, res.Outcome, err)
			}
		}
		if res.Outcome == "error" && res.Latency.Count > 0 {
			r.warnings = append(r.warnings, fmt.Sprintf("trial %d: %s ended in an error %d times: %s",
				c.Trial, res.Op, res.Latency.Count, shorten(oneLine(res.Error), 160)))
		}
		if res.Latency.OutOfRange > 0 {
			r.warnings = append(r.warnings, fmt.Sprintf("trial %d: %d of %s %s lie beyond the histogram",
				c.Trial, res.Latency.OutOfRange, res.Op, res.Outcome))
		}
	}
	if m.DeadlineMisses > 0 {
		r.warnings = append(r.warnings, fmt.Sprintf("trial %d: %d renewals were acknowledged after their lease had run out", c.Trial, m.DeadlineMisses))
	}
	return nil
}

// settle decides the row's status once every trial is in, and turns what
// happened to single trials into warnings.
func (r *row) settle(items []item) {
	var failed, skipped, missing []string
	recoveryOnly := r.planned == 0
	for _, l := range r.losses {
		r.flags = append(r.flags, "DATA LOSS: "+l)
	}
	for _, it := range items {
		if it.kind == result.KindRecovery && !recoveryOnly {
			r.recovery.settle(it)
			continue
		}
		switch {
		case it.cell == nil:
			missing = append(missing, "not run")
		case it.cell.Status == result.Failed:
			failed = append(failed, orUnknown(it.cell.Reason))
		case it.cell.Status == result.Skipped:
			skipped = append(skipped, orUnknown(it.cell.Reason))
		}
	}
	if r.trials > 0 || recoveryOnly && len(r.recovery.firstRead) > 0 {
		r.status = statusOK
		switch {
		case r.recovery.reason == "":
		case len(r.recovery.firstRead) > 0:
			r.flags = append(r.flags, "a recovery is left out: "+r.recovery.reason)
		default:
			r.flags = append(r.flags, "no recovery time: "+r.recovery.reason)
		}
		for _, reason := range failed {
			r.flags = append(r.flags, "a trial failed and is left out: "+reason)
		}
		if n := len(missing) + len(skipped); n > 0 {
			r.flags = append(r.flags, fmt.Sprintf("%d of %d trials have no result", n, r.planned))
		}
		r.flags = append(r.flags, r.validity.flags(r.invalid, r.missedRate())...)
		if r.trials > 1 || len(r.validity.invalid) == 0 { // else the flag has them all
			r.warnings = append(r.warnings, r.validity.doubts()...)
		}
		if r.missedRate() {
			r.flags = append(r.flags, fmt.Sprintf("missed the offered rate: %s/s of %s/s; its latency grows with the length of the run",
				number(slices.Min(r.achieved)), round(r.offered)))
		}
		return
	}
	switch {
	case len(failed) > 0:
		r.status, r.reason = statusFailed, failed[0]
	case len(skipped) > 0:
		r.status, r.reason = statusSkipped, skipped[0]
	default:
		r.status, r.reason = statusMissing, "the run ended before this cell"
	}
	if m, ok := median(r.recovery.firstRead); ok {
		r.flags = append(r.flags, "recovery was measured all the same: "+duration(m))
	}
}

func orUnknown(reason string) string {
	if reason = oneLine(reason); reason == "" {
		return "no reason was recorded"
	}
	return reason
}

// missedRate reports whether any trial fell short of the offered rate. Two
// percent are the end effects of a short run: what was in flight when it ended.
func (r *row) missedRate() bool {
	return r.offered > 0 && len(r.achieved) > 0 && slices.Min(r.achieved) < 0.98*r.offered
}

// lossesOf returns what the checks of a cell found that its durability class
// forbids. Lost counts what had to survive: the check leaves out what class
// interval may lose in its window, and what class none no longer has after a
// clean close. After kill -9 class none promises nothing at all.
func lossesOf(c *result.Cell) []string {
	class, after := classOf(c.Durability), "a clean close"
	lost, records := 0, 0
	if c.Check != nil {
		lost, records = c.Check.Lost, c.Check.Records
	}
	if c.Kind == result.KindRecovery || c.Recovery != nil {
		after, lost, records = "kill -9", 0, 0
		if c.Recovery != nil && class != "none" {
			for _, t := range c.Recovery.Repetitions {
				lost, records = lost+t.Lost, records+t.Acknowledged
			}
		}
	}
	var found []string
	if lost > 0 {
		found = append(found, fmt.Sprintf("lost %d of %d acknowledged %s over %s", lost, records, recordNames(c.Kind, 2), after))
	}
	if c.Check == nil {
		return found
	}
	if c.Check.Phantom > 0 {
		found = append(found, fmt.Sprintf("holds %d %s never written after %s", c.Check.Phantom, recordNames(c.Kind, c.Check.Phantom), after))
	}
	if len(found) == 0 && c.Check.Verdict != "ok" && class != "none" {
		found = append(found, fmt.Sprintf("failed the check after %s: %s", after, oneLine(c.Check.Verdict)))
	}
	return found
}

// recordNames is what n records of a kind of cell are called.
func recordNames(kind string, n int) string {
	name := map[string]string{result.KindNodes: "node", result.KindQueryCache: "query result", result.KindTimeSeries: "point"}[kind]
	if name == "" {
		name = "lease"
	}
	if n != 1 {
		name += "s"
	}
	return name
}
