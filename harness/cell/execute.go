package cell

import (
	"context"
	"errors"
	"fmt"
	"time"

	"orbitbench/engines"
	"orbitbench/harness/result"
	"orbitbench/harness/validity"
)

// limits are the times that a cell waits before it takes something for hung.
type limits struct {
	operation time.Duration // for operations after the end of a phase
	open      time.Duration // for Open, with recovery
	close     time.Duration // for Close, with its last checkpoint

	rewriteBytes int64         // most that is rewritten until a log is recycled
	rewriteTime  time.Duration // as long, and no longer than the cell measures, but at least leastRewrite
}

func defaultLimits() limits {
	return limits{
		operation: 60 * time.Second, open: 10 * time.Minute, close: 5 * time.Minute,
		rewriteBytes: 512 << 20, rewriteTime: 30 * time.Second,
	}
}

// Execute runs a cell of any kind but overhead in this process and returns
// its result, which is never nil: a cell that cannot be had here is skipped,
// one that went wrong has failed, each with its reason. progress is called from
// one goroutine at a time; nil discards it. When ctx ends the cell ends within
// seconds as failed, reason "interrupted". After a failed cell goroutines of the
// engine may still run, so that the process should end.
func Execute(ctx context.Context, s Spec, lookup Lookup, progress func(Progress)) *result.Cell {
	return execute(ctx, s, lookup, progress, defaultLimits())
}

func execute(ctx context.Context, s Spec, lookup Lookup, progress func(Progress), l limits) *result.Cell {
	if progress == nil {
		progress = func(Progress) {}
	}
	c := &result.Cell{
		Schema: result.SchemaVersion, PlanCell: s.Plan, Class: s.Durability.Class.String(), Path: s.Path,
		Kind: s.Kind, Status: result.OK, Seed: s.Seed, Params: s.Params, Started: time.Now().UTC(),
	}
	err := run(ctx, &s, lookup, progress, l, c)
	if err != nil {
		c.Status, c.Reason = judge(ctx, err)
	}
	c.Validity = validity.Judge(c, validity.Floors{})
	c.Finished = time.Now().UTC()
	return c
}

func run(ctx context.Context, s *Spec, lookup Lookup, progress func(Progress), l limits, c *result.Cell) error {
	if err := s.validate(); err != nil {
		return err
	}
	driver, err := lookup(s.Plan.Engine)
	if err != nil {
		return err
	}
	if err := driver.Info().Supports(s.Durability); err != nil {
		return err
	}
	if c.EngineConfig, err = driver.Configure(s.options(s.Dir)); err != nil {
		return err
	}
	switch {
	case s.Kind == result.KindRenewal:
		r := &renewal{base: base{spec: s, driver: driver, limits: l, progress: progress, cell: c}}
		return r.run(ctx)
	case s.Kind == result.KindCapacity:
		return runCapacity(ctx, s, driver, l, progress, c)
	case s.Kind == result.KindCurve:
		return runCurve(ctx, s, progress, c)
	case s.Kind == result.KindRecovery:
		return runRecovery(ctx, s, progress, c)
	case result.IsStore(s.Kind):
		r := &storeCell{base: base{spec: s, driver: driver, limits: l, progress: progress, cell: c}}
		return r.run(ctx)
	default:
		return fmt.Errorf("kind %s has no cell result; Main writes it", s.Kind)
	}
}

// judge gives the status and the reason that an error means. What the engine
// cannot do is skipped; everything else has failed.
func judge(ctx context.Context, err error) (result.Status, string) {
	switch {
	case errors.Is(err, errInterrupted), ctx.Err() != nil:
		return result.Failed, errInterrupted.Error()
	case errors.Is(err, engines.ErrUnsupported):
		return result.Skipped, err.Error()
	}
	return result.Failed, err.Error()
}

// within calls f and waits for it at most limit. A call that does not return
// goes on in the background.
func within(ctx context.Context, what string, limit time.Duration, f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		return nil
	case <-timer.C:
		return fmt.Errorf("%s did not return within %v", what, limit)
	case <-ctx.Done():
		select {
		case <-done:
		case <-time.After(interruptPatience):
		}
		return errInterrupted
	}
}
