package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"orbitbench/engines/all"
	"orbitbench/harness/crash"
	"orbitbench/harness/env"
	"orbitbench/harness/result"
	"orbitbench/harness/runner"
)

// crashPlanFile is the plan of a crash run, beside run.json.
const crashPlanFile = "crash.json"

// crashPlan is what a crash run does, in full.
type crashPlan struct {
	Gate     string        `json:"gate"`
	Seed     uint64        `json:"seed"`
	Parallel int           `json:"parallel"`
	Timeout  time.Duration `json:"timeout_ns"`
	DataDir  string        `json:"data_dir"`
	Cells    []crash.Cell  `json:"cells"`
}

// crashRun is a crash run in progress.
type crashRun struct {
	*app
	plan     *crashPlan
	out      string
	lockFile string
	json     bool

	record *result.Run
	pace   pace
}

// start begins a run in a new directory.
func (r *crashRun) start(ctx context.Context) error {
	if entries, err := os.ReadDir(r.out); err == nil && len(entries) > 0 {
		return usage(fmt.Errorf("output directory %s is not empty: want a new one, or `orbitbench resume %s`", r.out, r.out))
	}
	if err := os.MkdirAll(filepath.Join(r.out, result.CellDir), 0o755); err != nil {
		return err
	}
	raw, err := json.MarshalIndent(r.plan, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(r.out, crashPlanFile), append(raw, '\n'), 0o644); err != nil {
		return err
	}
	r.record = &result.Run{
		Tool: runner.ToolInfo(version), CommandLine: append([]string{"orbitbench"}, r.args...), Profile: "crash " + r.plan.Gate, Seed: r.plan.Seed,
		Started: time.Now().UTC(), Environment: env.Capture(r.plan.DataDir), Floors: []result.Floor{},
	}
	seen := map[string]bool{}
	for _, c := range r.plan.Cells {
		r.record.Plan = append(r.record.Plan, c.PlanCell)
		if !seen[c.Engine] {
			r.record.Engines = append(r.record.Engines, runner.Describe(c.Target.Info))
		}
		seen[c.Engine] = true
	}
	return r.run(ctx)
}

// isCrashRun reports whether a run directory is one of crash.
func isCrashRun(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, crashPlanFile))
	return err == nil
}

// crashResume goes on with the cells that have no result.
func (a *app) crashResume(ctx context.Context, dir, lockFile string, retryFailed, asJSON bool) error {
	raw, err := os.ReadFile(filepath.Join(dir, crashPlanFile))
	if err != nil {
		return err
	}
	r := &crashRun{app: a, plan: new(crashPlan), out: dir, lockFile: lockFile, json: asJSON}
	if err := json.Unmarshal(raw, r.plan); err != nil {
		return fmt.Errorf("%s: %w", filepath.Join(dir, crashPlanFile), err)
	}
	if r.record, err = result.ReadRun(dir); err != nil {
		return err
	}
	r.record.Interrupted, r.record.Finished = false, nil
	for i := range r.plan.Cells {
		c := &r.plan.Cells[i]
		d, err := all.Lookup(c.Engine)
		if err != nil {
			return usage(err)
		}
		c.Target.Info = d.Info()
		res, err := result.ReadCell(result.CellPath(dir, c.Key))
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return err
		case res.Status == result.Failed && retryFailed:
			if err := os.Remove(result.CellPath(dir, c.Key)); err != nil {
				return err
			}
		}
	}
	return r.run(ctx)
}

// run tests every cell that has no result, and prints the matrix.
func (r *crashRun) run(ctx context.Context) (err error) {
	lock, _, err := runner.TakeLock(r.lockFile, runner.Holder{PID: os.Getpid(), Command: r.record.CommandLine, DataDir: r.plan.DataDir, Started: time.Now()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	if err := result.WriteRun(r.out, r.record); err != nil {
		return err
	}
	occupation, err := runner.Occupy(r.plan.DataDir, func() error { return crash.RemoveScratch(r.plan.DataDir) })
	if err != nil {
		fmt.Fprintf(r.stderr, "warning: what a killed run left in %s could not be removed: %v\n", r.plan.DataDir, err)
	}
	defer func() { err = errors.Join(err, occupation.End()) }()
	pool := crash.NewPool(r.plan.Parallel, r.plan.Timeout)
	defer func() { err = errors.Join(err, pool.Close()) }()
	suite := &crash.Suite{
		Out: r.out, Scratch: r.plan.DataDir, Seed: r.plan.Seed, Methods: crashMethods(), Pool: pool, Known: crash.KnownAs, Progress: r.progressed,
	}
	cells, err := r.cells(ctx, suite)
	if err != nil {
		return err
	}
	return r.finish(cells)
}

// cells tests what has no result yet; fewer than planned come back if ctx ends.
func (r *crashRun) cells(ctx context.Context, suite *crash.Suite) ([]*result.Cell, error) {
	var cells []*result.Cell
	r.pace.begin(r.plan.Cells)
	for i := range r.plan.Cells {
		c := &r.plan.Cells[i]
		res, err := result.ReadCell(result.CellPath(r.out, c.Key))
		if err != nil {
			r.pace.cell(i, c)
			if res, err = suite.Run(ctx, c); err != nil {
				if ctx.Err() != nil {
					return cells, nil
				}
				return nil, err
			}
			if err := result.WriteCell(r.out, res); err != nil {
				return nil, err
			}
			r.tell(i, c, res)
		}
		r.pace.done(c)
		cells = append(cells, res)
	}
	return cells, nil
}

func (r *crashRun) progressed(c *crash.Cell, tested, want int) {
	if line := r.pace.line(c, tested, want); line != "" {
		fmt.Fprintln(r.stderr, line)
	}
}

// tell says how a cell ended.
func (r *crashRun) tell(i int, c *crash.Cell, res *result.Cell) {
	line := fmt.Sprintf("[%d/%d] %s %s %s", i+1, len(r.plan.Cells), c.Engine, c.Method, c.Durability)
	k := res.Crash
	switch {
	case res.Status == result.Skipped:
		fmt.Fprintf(r.stderr, "%s  not tested: %s\n", line, res.Reason)
		return
	case res.Status == result.Failed:
		fmt.Fprintf(r.stderr, "%s  FAILED: %s\n", line, res.Reason)
	default:
		fmt.Fprintf(r.stderr, "%s  %d of %d %ss passed in %s, %.0f/s\n", line, k.Passed, k.Tested, k.Unit, runner.Duration(time.Duration(k.Seconds*1e9)), float64(k.Tested)/k.Seconds)
	}
	for _, f := range k.Findings {
		mark := "VIOLATION"
		if f.Known != "" {
			mark = "known (" + f.Known + ")"
		}
		fmt.Fprintf(r.stderr, "  %s %s: %s, %d times; first: %s\n    %s\n", mark, f.Invariant, f.Pattern, f.Count, f.Detail, f.Where)
		if f.Replay != "" {
			fmt.Fprintf(r.stderr, "    again: orbitbench crash --replay %s\n", filepath.Join(shorten(r.out), f.Replay))
		}
	}
}

// finish writes the record and prints the matrix.
func (r *crashRun) finish(cells []*result.Cell) error {
	missing := len(r.plan.Cells) - len(cells)
	r.record.Interrupted = missing > 0
	if missing == 0 {
		now := time.Now().UTC()
		r.record.Finished = &now
	}
	if err := result.WriteRun(r.out, r.record); err != nil {
		return err
	}
	if missing > 0 {
		fmt.Fprintf(r.stderr, "interrupted with %d cells to go; go on with: orbitbench resume %s\n", missing, shorten(r.out))
		return &exit{code: runner.ExitInterrupted}
	}
	if r.json {
		if err := r.printJSON(cells); err != nil {
			return err
		}
	}
	if _, _, err := r.report(r.out, nil, false, !r.json); err != nil {
		return err
	}
	failed := false
	for _, c := range cells {
		if c.Crash != nil && c.Crash.Unknown() > 0 {
			return &exit{code: runner.ExitViolation}
		}
		failed = failed || c.Status == result.Failed
	}
	if failed {
		return &exit{code: runner.ExitFailure}
	}
	return nil
}

// printReplay says what was seen then and now.
func printReplay(w io.Writer, r *crash.Replayed) error {
	text := fmt.Sprintf("%s under %s, %s: %s\n", r.Target.Engine, r.Target.Durability, r.Method, r.Where)
	for _, v := range r.Judgement.Violations {
		text += fmt.Sprintf("  then  %s: %s\n", v.Invariant, v.Detail)
	}
	for _, v := range r.Now.Violations {
		text += fmt.Sprintf("  now   %s: %s\n", v.Invariant, v.Detail)
	}
	switch {
	case r.Reproduced:
		text += fmt.Sprintf("reproduced: %d of %d acknowledged commits are lost\n", r.Now.Lost, r.Now.Acked)
	case len(r.Now.Violations) > 0:
		text += "another invariant is broken now\n"
	default:
		text += "not reproduced: every invariant holds now\n"
	}
	_, err := io.WriteString(w, text)
	return err
}
