package runner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"orbitbench/harness/env"
	"orbitbench/harness/plan"
	"orbitbench/harness/result"
)

// Resume runs the cells of the run in o.Out that have no result, whether the
// run was interrupted or killed, and the failed ones too if o.RetryFailed. A
// run that lacks nothing is summed up and left as it is.
func Resume(ctx context.Context, o Options, c plan.Catalog) (*Summary, error) {
	out, err := filepath.Abs(o.Out)
	if err != nil {
		return nil, usagef("run directory: %w", err)
	}
	record, p, err := readRun(out, c)
	if err != nil {
		return nil, err
	}
	o.DataDir = record.Environment.DataDir
	if err := o.resolve(); err != nil {
		return nil, err
	}
	r := &run{Options: o, plan: p, cells: p.Cells(), done: map[string]*result.Cell{}, record: record}
	return r.locked(ctx, func(context.Context) error { return r.reopen() })
}

// readRun reads run.json and plan.toml and checks that they belong together.
func readRun(dir string, c plan.Catalog) (*result.Run, *plan.Plan, error) {
	record, err := result.ReadRun(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, usagef("%s is no run directory: it has no %s", dir, result.RunFile)
	}
	if err != nil {
		return nil, nil, err
	}
	p, err := plan.Expand(plan.Request{File: filepath.Join(dir, PlanFile)}, c)
	if err != nil {
		return nil, nil, &UsageError{err}
	}
	var cells []result.PlanCell
	for _, cell := range p.Cells() {
		cells = append(cells, cell.PlanCell)
	}
	// What follows the plan's own cells came from results, and comes again.
	if len(record.Plan) < len(cells) || !slices.Equal(cells, record.Plan[:len(cells)]) || len(record.Plan) > len(cells) && !p.Grows() {
		return nil, nil, fmt.Errorf("%s and %s in %s name different cells: the run cannot go on", PlanFile, result.RunFile, dir)
	}
	return record, p, nil
}

// reopen reads the results that are there and clears up behind a killed run.
func (r *run) reopen() error {
	if err := removeTemporaries(r.Out); err != nil {
		return err
	}
	r.record.Plan = nil
	r.cells = nil
	r.add(r.plan.Cells())
	for i := 0; i < len(r.cells) || r.grow(); i++ {
		c := r.cells[i]
		path := result.CellPath(r.Out, c.Key)
		res, err := result.ReadCell(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			r.progress.Note("a result cannot be read and its cell runs again: %v", err)
		case res.Status == result.Failed && r.RetryFailed:
			if err := os.Remove(path); err != nil {
				return err
			}
		default:
			r.done[c.Key] = res
		}
	}
	if len(r.done) == len(r.cells) && len(r.plan.Next(r.done)) == 0 {
		return nil
	}
	r.record.Finished = nil
	now := env.Capture(r.DataDir)
	was := r.record.Environment
	for _, d := range []struct{ what, was, now string }{
		{"host", was.Hostname, now.Hostname},
		{"kernel", was.Kernel, now.Kernel},
		{"CPU", was.CPUModel, now.CPUModel},
		{"number of CPUs", fmt.Sprint(was.CPUs), fmt.Sprint(now.CPUs)},
		{"file system", was.FileSystem, now.FileSystem},
		{"device", was.Device, now.Device},
		{"commit of the tool", r.record.Tool.Commit, r.Tool.Commit},
	} {
		if d.was != d.now {
			r.warn("resumed on another %s (%s, before %s): its cells are not comparable without care", d.what, orNone(d.now), orNone(d.was))
		}
	}
	return nil
}

// grow adds the cells that follow from the results, if any of them has one
// itself: the others are found again as the run goes on.
func (r *run) grow() bool {
	next := r.plan.Next(r.done)
	if !slices.ContainsFunc(next, func(c plan.Cell) bool {
		_, err := os.Stat(result.CellPath(r.Out, c.Key))
		return err == nil
	}) {
		return false
	}
	r.add(next)
	return true
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
