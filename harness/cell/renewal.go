package cell

import (
	"context"
	"fmt"
	"time"

	"orbitbench/engines"
	"orbitbench/engines/directory"
	"orbitbench/harness/clock"
	"orbitbench/workloads"
)

// renewal is a renewal cell in the making.
type renewal struct {
	base
	space   *workloads.Space
	table   *table
	workers []*worker

	slack int64 // of the phases' leases, ns; 0 where lateness is not judged
}

func (r *renewal) run(ctx context.Context) error { return r.around(ctx, r.drive) }

// around does what stands before and after the load of a cell.
func (r *renewal) around(ctx context.Context, drive func(context.Context) error) error {
	if err := r.prepare(); err != nil {
		return err
	}
	if err := r.open(ctx, "open"); err != nil {
		return err
	}
	if err := drive(ctx); err != nil {
		// The first error is the reason; a store that cannot be closed either adds nothing.
		if ctx.Err() == nil {
			_ = within(ctx, "close", r.limits.operation, r.engine.Close)
		}
		return err
	}
	if err := r.closeAndCompare(ctx); err != nil {
		return err
	}
	r.arena.Release()
	return nil
}

// closeAndCompare closes, reopens, and compares every lease with what was acknowledged.
func (r *renewal) closeAndCompare(ctx context.Context) error {
	return r.closeAndCheck(ctx, func(e engines.Engine) (*checked, error) {
		return checkStore(ctx, e, r.space, bounds{least: r.table.version, most: r.table.version})
	})
}

// prepare lays out what the harness needs, and notes what that takes.
func (r *renewal) prepare() (err error) {
	r.clock = clock.New()
	if r.space, err = workloads.NewSpace(workloads.Params(r.spec.Params), r.spec.Seed); err != nil {
		return err
	}
	r.table = newTable(&r.arena, r.space.Size(), r.space.Shared())
	return r.noteHarness()
}

// drive loads, warms up and measures.
func (r *renewal) drive(ctx context.Context) error {
	if err := r.start(ctx); err != nil {
		return err
	}
	p := r.spec.Params
	if p.WarmupSeconds > 0 {
		if err := r.timed("warmup", func() error { return r.warmup(ctx, p.WarmupSeconds) }); err != nil {
			return err
		}
	}
	return r.timed("measure", func() error { return r.measure(ctx, p.Seconds) })
}

// start loads, and makes the workers ready.
func (r *renewal) start(ctx context.Context) error {
	d := directory.New(r.engine, directory.Options{Generic: r.spec.Path == PathGeneric})
	r.cell.Path, r.cell.Capabilities = d.Path(), engines.Capabilities(r.engine)
	if r.spec.Path == directory.PathNative && d.Path() != directory.PathNative {
		return fmt.Errorf("%w: %s has no native renewal path", engines.ErrUnsupported, r.spec.Plan.Engine)
	}
	if err := r.timed("load", func() error { return r.load(ctx, d) }); err != nil {
		return err
	}
	if r.driver.Info().RecyclesLog {
		if err := r.timed("rewrite", func() error { return r.rewrite(ctx) }); err != nil {
			return err
		}
	}
	for _, next := range workloads.NewRenewals(r.space, r.spec.Seed) {
		r.workers = append(r.workers, r.newWorker(d, next))
	}
	return nil
}

// newWorker hands engines a context that does not end: cancellation is the
// harness' affair, and must cost an operation nothing.
func (r *renewal) newWorker(d *directory.Directory, next *workloads.Renewal) *worker {
	return &worker{
		ctx: context.Background(), clock: r.clock, space: r.space, session: d.NewSession(), table: r.table, next: next,
		untilNs: min(r.space.Duration(), longestLease),
		batch:   new(batch),
	}
}

func (r *renewal) newPhase(seconds float64) *phase {
	for _, w := range r.workers {
		w.counts = tally{}
	}
	p := r.spec.Params
	return &phase{
		loop: p.Loop, ops: workloads.OpNames(), ratePer: p.RatePerS, length: time.Duration(seconds * 1e9), clock: r.clock, workers: loopers(r.workers),
		first: r.turn, slack: r.slack,
	}
}

func (r *renewal) warmup(ctx context.Context, seconds float64) error {
	p := r.newPhase(seconds)
	m, err := r.runPhase(ctx, p, "warmup")
	if err != nil {
		return err
	}
	m.set.Release()
	return r.firstError()
}

func (r *renewal) measure(ctx context.Context, seconds float64) error {
	m, res, err := r.measurePhase(ctx, r.newPhase(seconds))
	if err != nil {
		return err
	}
	res.UserBytes = userBytes(r.cell.Measure.Ops, r.space.KeyBytes(), r.spec.Params.ValueBytes)
	res.LiveBytes = r.liveBytes()
	m.set.Release()
	r.cell.Warnings = append(r.cell.Warnings, warnings(r.cell.Measure, workloads.Renew.String(), r.spec.Params.Mix)...)
	return r.firstError()
}

func (r *renewal) liveBytes() uint64 {
	live := 0
	for _, v := range r.table.version {
		if v != 0 {
			live++
		}
	}
	return uint64(live) * uint64(r.space.KeyBytes()+r.spec.Params.ValueBytes)
}

// firstError is the error that ended a phase, if one did; its text goes with its operation.
func (r *renewal) firstError() error {
	for _, w := range r.workers {
		if w.err != nil {
			return r.explain(w.err)
		}
	}
	return nil
}
