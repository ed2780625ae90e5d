package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"orbitbench/engines"
	"orbitbench/harness/cell"
	"orbitbench/harness/result"
)

// noopName is the engine that does nothing, behind which the harness is measured.
const noopName = "noop"

// harnessSampling is the share of operations that the sampled mode times.
const harnessSampling = 32

// openRig opens the harness' own loop, the one that cells are measured with.
func (b *bench) openRig(ctx context.Context) (err error) {
	if b.rig != nil {
		return nil
	}
	dir := filepath.Join(b.o.DataDir, "harness")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	spec := cell.Spec{Plan: result.PlanCell{Engine: noopName}, Dir: dir, Seed: b.o.Seed}
	b.rig, err = cell.NewRig(ctx, spec, Procs, func(name string) (engines.Driver, error) {
		for _, d := range b.o.Drivers {
			if d.Info().Name == name {
				return d, nil
			}
		}
		return nil, fmt.Errorf("engine %q is not in this program", name)
	})
	if err != nil {
		return fmt.Errorf("harness: %w", err)
	}
	return nil
}

func (o Options) hasNoop() bool { return slices.Contains(o.driverNames(), noopName) }

// measureHarness gives the harness a slice on the engine that does nothing.
// There are no percentiles: its own are what a histogram holds of itself.
func (b *bench) measureHarness(ctx context.Context, p point) (sample, error) {
	sampled := 1
	if p.sampled {
		sampled = harnessSampling
	}
	seconds := b.o.Slice.Seconds()
	perOp, allocs, err := b.rig.Slice(ctx, p.workers, sampled, seconds)
	if err != nil {
		return sample{}, err
	}
	nsPerOp := perOp / float64(p.workers)
	return sample{ops: max(1, uint64(seconds*1e9/nsPerOp)), nsPerOp: nsPerOp, allocs: allocs}, nil
}
