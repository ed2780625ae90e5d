package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"orbitbench/engines"
	"orbitbench/harness/cell"
	"orbitbench/harness/floor"
	"orbitbench/harness/plan"
	"orbitbench/harness/result"
)

// blank is the result of a cell before anything has happened.
func (r *run) blank(c plan.Cell) *result.Cell {
	now := time.Now().UTC()
	return &result.Cell{
		PlanCell: c.PlanCell,
		Class:    c.Durability.Class.String(),
		Path:     c.Workload.Path,
		Kind:     c.Workload.Kind,
		Seed:     c.Seed,
		Params:   c.Workload.Params,
		Started:  now, Finished: now,
	}
}

func (r *run) failed(c plan.Cell, started time.Time, why error, stderr string) *result.Cell {
	res := r.blank(c)
	res.Started, res.Status, res.Reason = started, result.Failed, why.Error()
	if stderr = strings.TrimSpace(stderr); stderr != "" && !strings.Contains(res.Reason, stderr) {
		res.Warnings = append(res.Warnings, "standard error of the child process: "+stderr)
	}
	return res
}

// cell runs c in a child process and a directory of its own, and returns its
// result, which is a failed one if anything went wrong; nil if ctx ended first.
func (r *run) cell(ctx context.Context, c plan.Cell) *result.Cell {
	started := time.Now().UTC()
	dir, err := r.cellDir(c.Key)
	if err == nil {
		err = r.room(dir, c.DiskBytes())
	}
	if err != nil {
		return r.failed(c, started, errors.Join(err, r.drop(dir)), "")
	}
	bounded, stop := context.WithTimeoutCause(ctx, c.Timeout(),
		fmt.Errorf("no result after %s, many times what it should take: the child process was ended", c.Timeout().Round(time.Second)))
	defer stop()
	guarded, cancel := context.WithCancelCause(bounded)
	defer cancel(nil)
	go r.guard(guarded, dir, cancel)

	a := ask(guarded, r.Child, r.spec(c, dir), r.progress.Cell)
	dropErr := r.drop(dir)
	if ctx.Err() != nil && !(a.err == nil && a.cell != nil) {
		return nil
	}
	res := r.judge(c, a, started)
	if dropErr != nil {
		res.Warnings = append(res.Warnings, "its data could not be removed: "+dropErr.Error())
	}
	return res
}

// judge turns what a child said, or did not say, into a result.
func (r *run) judge(c plan.Cell, a answer, started time.Time) *result.Cell {
	switch {
	case a.cell != nil && a.cell.Status == result.Failed:
		return a.cell // it knows best what was wrong
	case a.err != nil:
		return r.failed(c, started, a.err, a.stderr)
	case a.cell == nil:
		return r.failed(c, started, errors.New("child process ended well but gave no result"), a.stderr)
	case a.cell.Key != c.Key:
		return r.failed(c, started, fmt.Errorf("child process gave the result of another cell (%s)", a.cell.Key), a.stderr)
	}
	return a.cell
}

func (r *run) spec(c plan.Cell, dir string) cell.Spec {
	s := cell.Spec{
		Plan:        c.PlanCell,
		Kind:        c.Workload.Kind,
		Path:        c.Workload.Path,
		Durability:  c.Durability,
		Params:      c.Workload.Params,
		Config:      c.Config,
		Seed:        c.Seed,
		Dir:         dir,
		Repetitions: c.Workload.Repetitions,
		KeepData:    r.KeepData,
	}
	if k := c.Workload.Capacity; k != nil {
		s.Capacity = &cell.CapacityJob{Promise: k.Promise, Search: !c.Confirm, Precision: k.Precision, BoundPerS: float64(k.MaxLeases) / s.Params.RenewSeconds}
	}
	if k := c.Workload.Curve; k != nil {
		s.Curve = &cell.CurveJob{LogRenewals: k.LogRenewals, Reads: k.Reads}
	}
	return s
}

// cellDir makes an empty directory for one cell.
func (r *run) cellDir(name string) (string, error) {
	if r.dataErr != nil {
		return "", fmt.Errorf("data directory: %w", r.dataErr)
	}
	dir := filepath.Join(r.data, name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", fmt.Errorf("data directory: %w", err)
	}
	return dir, nil
}

// drop removes a cell's directory unless it is to be kept.
func (r *run) drop(dir string) error {
	if dir == "" || r.KeepData {
		return nil
	}
	return os.RemoveAll(dir)
}

// floors probes the device before the cell of that key, or after the last one,
// with writes of the size of c's records. It returns the p50 of the first kind
// that could be had, in ns, or 0.
func (r *run) floors(ctx context.Context, before string, c *plan.Cell) (p50Ns int64) {
	probes := []struct {
		kind  string
		bytes int
	}{{result.FloorOverwrite, 4096}, {result.FloorAppend, c.Workload.Params.ValueBytes}}
	for _, p := range probes {
		f := result.Floor{Kind: p.kind, When: time.Now().UTC(), Bytes: p.bytes}
		if r.dataErr != nil {
			f.Error = r.dataErr.Error()
		} else {
			f = floor.Probe(ctx, r.data, p.kind, p.bytes, r.FloorTime)
		}
		if ctx.Err() != nil {
			return 0 // a probe cut short is no figure
		}
		f.Before = before
		r.record.Floors = append(r.record.Floors, f)
		if p50Ns == 0 && f.Error == "" {
			p50Ns = f.Latency.P50Ns
		}
	}
	return p50Ns
}

// overhead measures the harness itself, once a run. That it cannot be had is a
// warning: the cells do not depend on it.
func (r *run) overhead(ctx context.Context) error {
	dir, err := r.cellDir("overhead")
	if err != nil {
		r.warn("no figure for the overhead of the harness: %v", err)
		return nil
	}
	limit, stop := context.WithTimeoutCause(ctx, time.Minute, errors.New("no figure after a minute"))
	defer stop()
	spec := cell.Spec{
		Plan:       result.PlanCell{Key: "overhead", Engine: "noop", Workload: "overhead", Durability: engines.Durability{}.String(), Trial: 1},
		Kind:       cell.KindOverhead,
		Durability: engines.Durability{Class: engines.None},
		Seed:       r.plan.Seed,
		Dir:        dir, // the load is the child's own, a few seconds of renewals
	}
	a := ask(limit, r.Child, spec, r.progress.Cell)
	err = r.drop(dir)
	switch {
	case ctx.Err() != nil:
		return nil // resume takes it
	case a.err != nil:
		r.warn("no figure for the overhead of the harness: %v", a.err)
	case a.overhead == nil:
		r.warn("no figure for the overhead of the harness: the child process gave none")
	}
	r.record.Overhead = a.overhead
	return errors.Join(err, result.WriteRun(r.Out, r.record))
}
