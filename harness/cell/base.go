package cell

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"orbitbench/engines"
	"orbitbench/harness/clock"
	"orbitbench/harness/offheap"
	"orbitbench/harness/procstat"
	"orbitbench/harness/record"
	"orbitbench/harness/result"
)

// base is what every cell has that measures latency under load in this process.
type base struct {
	spec     *Spec
	driver   engines.Driver
	limits   limits
	progress func(Progress)
	cell     *result.Cell

	clock  clock.Clock
	arena  offheap.Arena // of what the harness knows of the records
	engine engines.Engine
	turn   int64 // distribution rounds: of the next phase's first operation
}

// noteHarness notes what the harness takes before the engine is opened.
func (b *base) noteHarness() (err error) {
	b.cell.Resources = new(result.Resources)
	debug.FreeOSMemory() // what the preparation left behind is not the harness' to be taken off later
	b.cell.Resources.Memory.HarnessBytes, err = procstat.Resident()
	return err
}

// timed runs f as a phase of the result.
func (b *base) timed(name string, f func() error) error {
	begin := time.Now()
	err := f()
	b.cell.Phases = append(b.cell.Phases, result.Phase{Name: name, Begin: begin.UTC(), Seconds: time.Since(begin).Seconds()})
	return err
}

func (b *base) open(ctx context.Context, phase string) error {
	b.progress(Progress{Phase: phase})
	return b.timed(phase, func() error {
		var e engines.Engine
		err := within(ctx, phase, b.limits.open, func() (err error) {
			e, err = b.driver.Open(ctx, b.spec.options(b.storeDir()))
			return err
		})
		if err == nil {
			b.engine = e
		}
		return err
	})
}

func (b *base) storeDir() string { return filepath.Join(b.spec.Dir, storeName) }

func (b *base) runPhase(ctx context.Context, p *phase, name string) (*measured, error) {
	total := p.length.Seconds()
	m, err := p.run(ctx, b.limits.operation, func(elapsed float64, set *record.Set) {
		pr := Progress{Phase: name, Done: min(elapsed, total), Total: total}
		pr.OpsPerS, pr.P99Ns = set.Last()
		b.progress(pr)
	})
	if err == nil {
		b.turn += m.offered
	}
	return m, err
}

// measurePhase runs p as what is measured, and fills in every figure but those
// that depend on the records. The caller releases the set.
func (b *base) measurePhase(ctx context.Context, p *phase) (*measured, *result.Resources, error) {
	stats := b.engine.Stats()
	around := beginAround(b.spec.Dir)
	before, err := procstat.Read()
	if err != nil {
		return nil, nil, err
	}
	m, err := b.runPhase(ctx, p, "measure")
	if err != nil {
		return nil, nil, err
	}
	after, err := procstat.Read()
	if err != nil {
		return nil, nil, err
	}
	b.cell.EngineStats = engineStats(stats, b.engine.Stats())
	b.cell.Spans = spansOf(b.engine, m.begin, m.seconds)
	res := usage(before, after, m.done)
	res.Machine = around.end(res.CPUUserNs + res.CPUSystemNs)
	if err := b.account(res, m); err != nil { // before the histograms are merged, which takes memory
		return nil, nil, err
	}
	b.cell.Measure, err = m.result(p)
	return m, res, err
}

// account fills in the memory and the disk space at the end of the measured phase.
func (b *base) account(res *result.Resources, m *measured) (err error) {
	harness := b.cell.Resources.Memory.HarnessBytes
	counts := m.set.ResidentBytes()
	if res.Memory, err = procstat.Memory(b.storeDir(), counts+b.arena.Resident()); err != nil {
		return err
	}
	res.Memory.HarnessBytes = harness + counts
	if res.DiskBytes, err = procstat.DiskBytes(b.storeDir()); err != nil {
		return err
	}
	b.cell.Resources = res
	return nil
}

// explain puts the text of a worker's error to its operation, and returns it.
func (b *base) explain(err error) error {
	if b.cell.Measure != nil {
		ops := b.cell.Measure.Ops
		for i := range ops {
			if ops[i].Outcome == record.Error.String() && ops[i].Error == "" {
				ops[i].Error = err.Error()
			}
		}
	}
	return err
}

// closeAndCheck closes, reopens, and compares every record.
func (b *base) closeAndCheck(ctx context.Context, compare func(engines.Engine) (*checked, error)) error {
	b.progress(Progress{Phase: "close"})
	if err := b.timed("close", func() error {
		return within(ctx, "close", b.limits.close, b.engine.Close)
	}); err != nil {
		return err
	}
	if _, err := os.Stat(b.storeDir()); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	begin := time.Now()
	if err := b.open(ctx, "reopen"); err != nil {
		return err
	}
	reopen := time.Since(begin).Seconds()
	b.progress(Progress{Phase: "check"})
	err := b.timed("check", func() error {
		return within(ctx, "check", b.limits.open, func() error {
			check, err := compare(b.engine)
			if err == nil {
				check.ReopenSeconds = reopen
				b.cell.Check = check.conclude(b.spec.Durability.Class)
			}
			return err
		})
	})
	if err == nil {
		err = within(ctx, "close after check", b.limits.close, b.engine.Close)
	}
	if err == nil && b.cell.Check.Lost+b.cell.Check.Phantom > 0 {
		err = fmt.Errorf("check after reopen: %s", b.cell.Check.Verdict)
	}
	return err
}
