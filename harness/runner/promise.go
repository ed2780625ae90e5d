package runner

import (
	"context"
	"fmt"
	"strings"

	"orbitbench/harness/durability"
	"orbitbench/harness/plan"
	"orbitbench/harness/result"
)

// promises traces each engine of the plan once for each durability, apart from
// the timed cells and before them. What is in the record already stays. That a
// promise cannot be verified is part of the record and no error.
func (r *run) promises(ctx context.Context) error {
	if r.Durability == nil {
		return nil
	}
	for i := range r.cells {
		c := &r.cells[i]
		if c.Skip != "" || r.record.DurabilityOf(c.Engine, c.PlanCell.Durability) != nil {
			continue
		}
		if ctx.Err() != nil {
			return nil // the summary says that the run was interrupted
		}
		d, ok := r.promise(ctx, c)
		if !ok {
			return nil
		}
		r.record.DurabilityChecks = append(r.record.DurabilityChecks, d)
		if d.Verdict == result.DurabilityEarly {
			r.progress.Note("durability: %s %s %s: %s", d.Engine, d.Durability, d.Verdict, d.Reason)
		}
	}
	if len(r.record.DurabilityChecks) > 0 {
		r.progress.Note("%s", promiseSummary(r.record.DurabilityChecks))
	}
	return result.WriteRun(r.Out, r.record)
}

// promise verifies one engine under one durability; ok is false if ctx ended first.
func (r *run) promise(ctx context.Context, c *plan.Cell) (d result.Durability, ok bool) {
	j := durability.Job{Engine: c.Engine, Durability: c.Durability, MemoryBytes: c.Workload.Params.MemoryBytes, Config: c.Config}
	d = result.Durability{Engine: c.Engine, Durability: c.PlanCell.Durability, Class: c.Durability.Class.String(), Verdict: result.DurabilityNotVerified}
	var err error
	if j.Dir, err = r.cellDir("durability-" + c.Engine + "-" + strings.ReplaceAll(c.PlanCell.Durability, ":", "-")); err != nil {
		d.Reason = err.Error()
		return d, true
	}
	got, err := r.Durability(ctx, j)
	dropErr := r.drop(j.Dir)
	switch {
	case ctx.Err() != nil:
		return d, false
	case err != nil:
		d.Reason = err.Error()
	default:
		d = got
	}
	if dropErr != nil {
		r.warn("the data of a durability check could not be removed: %v", dropErr)
	}
	return d, true
}

// promiseSummary counts the verdicts in one line, and says once why some could
// not be had.
func promiseSummary(checks []result.Durability) string {
	counts := map[string]int{}
	why := ""
	for _, d := range checks {
		counts[d.Verdict]++
		if d.Verdict == result.DurabilityNotVerified && why == "" {
			why = fmt.Sprintf(" (%s %s: %s)", d.Engine, d.Durability, d.Reason)
		}
	}
	var parts []string
	for _, v := range []string{result.DurabilityProven, result.DurabilityNothing, result.DurabilityNotProven, result.DurabilityEarly, result.DurabilityNotVerified} {
		if n := counts[v]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, v))
		}
	}
	return "durability checks: " + strings.Join(parts, ", ") + why
}

// brokenPromises are the violations that the traces found.
func brokenPromises(checks []result.Durability) []string {
	var found []string
	for _, d := range checks {
		if d.Verdict == result.DurabilityEarly {
			found = append(found, fmt.Sprintf("%s under %s %s: %s", d.Engine, d.Durability, d.Verdict, d.Reason))
		}
	}
	return found
}
