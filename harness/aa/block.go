package aa

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"orbitbench/engines"
	"orbitbench/harness/cell"
	"orbitbench/harness/result"
	"orbitbench/reports/stats"
	"orbitbench/workloads"
)

// block measures one trial of each side, in turn with each other, and returns
// their figures in ns. spins has the delay of each side.
type block func(ctx context.Context, spins []int, no int) (p50Ns []float64, err error)

// blockOf is a block for an engine with that p50, in ns; 0 is not known yet.
type blockOf func(p50Ns float64) block

// A slice is so long that a host which pauses a processor for a scheduler's tick
// voids few of them, and so short that all sides have their turn before it
// changes its mind. Slow engines have longer ones, for enough renewals in each.
const (
	sliceTime     = 2 * time.Millisecond
	leadTime      = 500 * time.Microsecond // before a slice, not counted: the sides before it have filled the caches
	sliceRenewals = 200
	leastSlices   = 5
)

// slicing cuts the time of a trial.
func slicing(trial time.Duration, p50Ns float64) (n int, length, lead time.Duration) {
	length = max(sliceTime, time.Duration(sliceRenewals*p50Ns))
	n = max(leastSlices, int(trial/length))
	return n, length, length * leadTime / sliceTime
}

// side is a store that takes part in a block.
type side struct {
	dir  string
	cell *cell.Sliced
	p50s []float64 // of its slices
}

// cells is a block of real stores: every side opens a new one, in an order drawn
// anew, and all stay open while they take turns. Where a store lies in memory
// differs from block to block, so that it is noise and no bias.
func (o Options) cells(aboutNs float64) block {
	n, length, lead := slicing(o.Time, aboutNs)
	return func(ctx context.Context, spins []int, no int) ([]float64, error) {
		return o.measure(ctx, spins, no, n, length, lead)
	}
}

// measure gives each side n slices after one that warms it up.
func (o Options) measure(ctx context.Context, spins []int, no, n int, length, lead time.Duration) (p50Ns []float64, err error) {
	rng := rand.New(rand.NewPCG(o.Seed, uint64(no)))
	sides := make([]side, len(spins))
	defer func() {
		for i := range sides {
			err = errors.Join(err, sides[i].close(context.WithoutCancel(ctx)))
		}
	}()
	for _, i := range rng.Perm(len(sides)) {
		if err := o.openSide(ctx, &sides[i], spins[i], no); err != nil {
			return nil, cmp.Or(ctx.Err(), err)
		}
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	runtime.GC() // what opening left behind is not the slices' to be collected
	for round := range n + 1 {
		for _, i := range rng.Perm(len(sides)) {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			p50, _, err := sides[i].cell.Slice(lead, length)
			if err != nil {
				return nil, o.fault(err)
			}
			if round > 0 { // the first is the warm-up
				sides[i].p50s = append(sides[i].p50s, p50)
			}
		}
	}
	for i := range sides {
		p50Ns = append(p50Ns, stats.Median(sides[i].p50s))
	}
	return p50Ns, nil
}

func (o Options) openSide(ctx context.Context, s *side, spins, no int) (err error) {
	if s.dir, err = os.MkdirTemp(o.DataDir, "aa-"); err != nil {
		return err
	}
	work := filepath.Join(s.dir, "cell")
	if err := os.Mkdir(work, 0o755); err != nil {
		return err
	}
	spec := cell.Spec{
		Plan: result.PlanCell{Key: "aa", Engine: o.Driver.Info().Name, Workload: "aa", Durability: o.Durability.String(), Trial: no + 1},
		Kind: result.KindRenewal, Durability: o.Durability, Seed: o.Seed + uint64(no), Dir: work,
		Params: result.Params{
			Actors: o.Actors, ActorTypes: 20, Nodes: 10, LeaseSeconds: 3600, ValueBytes: 256, Prefill: 1,
			Mix: map[string]float64{workloads.Renew.String(): 1}, Distribution: workloads.Uniform,
			Loop: workloads.Closed, Workers: 1, Seconds: o.Time.Seconds(), MemoryBytes: engines.DefaultMemoryBytes,
		},
	}
	s.cell, err = cell.OpenSliced(ctx, spec, func(string) (engines.Driver, error) { return slowDriver{o.Driver, spins}, nil })
	return o.fault(err)
}

func (s *side) close(ctx context.Context) (err error) {
	if s.cell != nil {
		err = s.cell.Close(ctx)
	}
	if s.dir != "" {
		err = errors.Join(err, os.RemoveAll(s.dir))
	}
	return err
}

// fault names whose error it is.
func (o Options) fault(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s under %s: %w", o.Driver.Info().Name, o.Durability, err)
}
