package cell

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"orbitbench/engines"
	"orbitbench/engines/directory"
	"orbitbench/harness/clock"
	"orbitbench/harness/offheap"
	"orbitbench/harness/procstat"
	"orbitbench/harness/record"
	"orbitbench/harness/result"
	"orbitbench/workloads"
)

// renewal is a renewal cell in the making.
type renewal struct {
	spec     *Spec
	driver   engines.Driver
	limits   limits
	progress func(Progress)
	cell     *result.Cell

	clock   clock.Clock
	space   *workloads.Space
	arena   offheap.Arena // of table
	table   *table
	workers []*worker
	engine  engines.Engine

	turn  int64 // distribution rounds: of the next phase's first operation
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
	if err := r.closeAndCheck(ctx); err != nil {
		return err
	}
	r.arena.Release()
	return nil
}

// prepare lays out what the harness needs, and notes what that takes.
func (r *renewal) prepare() (err error) {
	r.clock = clock.New()
	if r.space, err = workloads.NewSpace(workloads.Params(r.spec.Params), r.spec.Seed); err != nil {
		return err
	}
	r.table = newTable(&r.arena, r.space.Size(), r.space.Shared())
	r.cell.Resources = new(result.Resources)
	debug.FreeOSMemory() // what the preparation left behind is not the harness' to be taken off later
	if r.cell.Resources.Memory.HarnessBytes, err = procstat.Resident(); err != nil {
		return err
	}
	return nil
}

// timed runs f as a phase of the result.
func (r *renewal) timed(name string, f func() error) error {
	begin := time.Now()
	err := f()
	r.cell.Phases = append(r.cell.Phases, result.Phase{Name: name, Begin: begin.UTC(), Seconds: time.Since(begin).Seconds()})
	return err
}

func (r *renewal) open(ctx context.Context, phase string) error {
	r.progress(Progress{Phase: phase})
	return r.timed(phase, func() error {
		var e engines.Engine
		err := within(ctx, phase, r.limits.open, func() (err error) {
			e, err = r.driver.Open(ctx, r.spec.options(r.storeDir()))
			return err
		})
		if err == nil {
			r.engine = e
		}
		return err
	})
}

func (r *renewal) storeDir() string { return filepath.Join(r.spec.Dir, storeName) }

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
		loop: p.Loop, ratePer: p.RatePerS, length: time.Duration(seconds * 1e9), workers: r.workers,
		first: r.turn, slack: r.slack,
	}
}

func (r *renewal) runPhase(ctx context.Context, p *phase, name string) (*measured, error) {
	total := p.length.Seconds()
	m, err := p.run(ctx, r.limits.operation, func(elapsed float64, set *record.Set) {
		pr := Progress{Phase: name, Done: min(elapsed, total), Total: total}
		pr.OpsPerS, pr.P99Ns = set.Last()
		r.progress(pr)
	})
	if err == nil {
		r.turn += m.offered
	}
	return m, err
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
	p := r.newPhase(seconds)
	stats := r.engine.Stats()
	before, err := procstat.Read()
	if err != nil {
		return err
	}
	m, err := r.runPhase(ctx, p, "measure")
	if err != nil {
		return err
	}
	after, err := procstat.Read()
	if err != nil {
		return err
	}
	r.cell.EngineStats = engineStats(stats, r.engine.Stats())
	r.cell.Spans = spansOf(r.engine, m.begin, m.seconds)
	res := usage(before, after, m.done)
	if err := r.account(res, m); err != nil { // before the histograms are merged, which takes memory
		return err
	}
	if r.cell.Measure, err = m.result(p); err != nil {
		return err
	}
	res.UserBytes = userBytes(r.cell.Measure.Ops, r.space.KeyBytes(), r.spec.Params.ValueBytes)
	m.set.Release()
	r.cell.Warnings = append(r.cell.Warnings, warnings(r.cell.Measure, r.spec.Params.Mix)...)
	return r.firstError()
}

// account fills in the memory and the disk space at the end of the measured phase.
func (r *renewal) account(res *result.Resources, m *measured) (err error) {
	harness := r.cell.Resources.Memory.HarnessBytes
	counts := m.set.ResidentBytes()
	if res.Memory, err = procstat.Memory(r.storeDir(), counts+r.arena.Resident()); err != nil {
		return err
	}
	res.Memory.HarnessBytes = harness + counts
	if res.DiskBytes, err = procstat.DiskBytes(r.storeDir()); err != nil {
		return err
	}
	live := 0
	for _, v := range r.table.version {
		if v != 0 {
			live++
		}
	}
	res.LiveBytes = uint64(live) * uint64(r.space.KeyBytes()+r.spec.Params.ValueBytes)
	r.cell.Resources = res
	return nil
}

// firstError is the error that ended a phase, if one did; its text goes with its operation.
func (r *renewal) firstError() error {
	for _, w := range r.workers {
		if w.err == nil {
			continue
		}
		if r.cell.Measure != nil {
			ops := r.cell.Measure.Ops
			for i := range ops {
				if ops[i].Outcome == record.Error.String() && ops[i].Error == "" {
					ops[i].Error = w.err.Error()
				}
			}
		}
		return w.err
	}
	return nil
}

// closeAndCheck closes, reopens, and compares every lease.
func (r *renewal) closeAndCheck(ctx context.Context) error {
	r.progress(Progress{Phase: "close"})
	if err := r.timed("close", func() error {
		return within(ctx, "close", r.limits.close, r.engine.Close)
	}); err != nil {
		return err
	}
	if _, err := os.Stat(r.storeDir()); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	begin := time.Now()
	if err := r.open(ctx, "reopen"); err != nil {
		return err
	}
	reopen := time.Since(begin).Seconds()
	r.progress(Progress{Phase: "check"})
	err := r.timed("check", func() error {
		return within(ctx, "check", r.limits.open, func() error {
			check, err := checkStore(ctx, r.engine, r.space, bounds{least: r.table.version, most: r.table.version})
			if err == nil {
				check.ReopenSeconds = reopen
				r.cell.Check = check.conclude(r.spec.Durability.Class)
			}
			return err
		})
	})
	if err == nil {
		err = within(ctx, "close after check", r.limits.close, r.engine.Close)
	}
	if err == nil && r.cell.Check.Lost+r.cell.Check.Phantom > 0 {
		err = fmt.Errorf("check after reopen: %s", r.cell.Check.Verdict)
	}
	return err
}
