package cell

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"time"

	"orbitbench/engines/directory"
	"orbitbench/harness/procstat"
	"orbitbench/harness/record"
	"orbitbench/harness/result"
	"orbitbench/workloads"
)

// The overhead is the least of overheadRounds rounds, each of one slice with
// one thread and one with all. Whatever else the machine does can only add to
// it, and short slices leave a chance that nothing did.
const (
	overheadRounds  = 20
	overheadSeconds = 0.05 // of a slice, where the Spec does not say
)

// overheadParams is the load of the overhead cell: nothing but renewals.
func overheadParams() result.Params {
	return result.Params{
		Actors: 10_000, ActorTypes: 20, Nodes: 10, LeaseSeconds: 3600, ValueBytes: 256, Prefill: 1,
		Mix: map[string]float64{"renew": 1}, Distribution: workloads.Uniform, Loop: workloads.Closed,
	}
}

// Overhead measures what the harness costs: the closed loop of a renewal cell,
// every operation timed and recorded, on the engine that s names, which should
// be one that does nothing. It needs Plan.Engine, Dir and Durability of s.
func Overhead(ctx context.Context, s Spec, lookup Lookup) (*result.Overhead, error) {
	seconds := s.Params.Seconds
	if seconds <= 0 {
		seconds = overheadSeconds
	}
	threads := runtime.GOMAXPROCS(0)
	s.Kind, s.Params = KindOverhead, overheadParams()
	s.Params.Workers = threads
	r, err := newRig(ctx, &s, lookup)
	if err != nil {
		return nil, err
	}
	one, together, allocs := math.Inf(1), math.Inf(1), math.Inf(1)
	for range overheadRounds {
		single, alloc, err := r.slice(ctx, 1, 1, seconds)
		if err != nil {
			return nil, err
		}
		all, _, err := r.slice(ctx, threads, 1, seconds)
		if err != nil {
			return nil, err
		}
		one, together, allocs = min(one, single), min(together, all), min(allocs, alloc)
	}
	if err := r.engine.Close(); err != nil {
		return nil, fmt.Errorf("close: %w", err)
	}
	return &result.Overhead{
		PerOpNs: one, AllocPerOp: math.Round(1e3*allocs) / 1e3,
		Threads: threads, Speedup: float64(threads) * one / together,
	}, nil
}

// newRig is a renewal cell that has been opened and holds leases in its table only.
func newRig(ctx context.Context, s *Spec, lookup Lookup) (*renewal, error) {
	if err := s.validate(); err != nil {
		return nil, err
	}
	driver, err := lookup(s.Plan.Engine)
	if err != nil {
		return nil, err
	}
	r := &renewal{base: base{spec: s, driver: driver, limits: defaultLimits(), progress: func(Progress) {}, cell: new(result.Cell)}}
	if err := r.prepare(); err != nil {
		return nil, err
	}
	if err := r.open(ctx, "open"); err != nil {
		return nil, err
	}
	d := directory.New(r.engine, directory.Options{Generic: s.Path == PathGeneric})
	for _, next := range workloads.NewRenewals(r.space, s.Seed) {
		r.workers = append(r.workers, r.newWorker(d, next))
	}
	for i := range r.space.Residents() {
		r.table.acknowledge(r.space.Resident(i), 1)
		r.table.extend(r.space.Resident(i), longestLease, 0)
	}
	return r, nil
}

// slice runs the closed loop with some of the workers and returns the time of
// one operation in ns (wall time times threads over operations; infinite if none was
// begun in time), and the allocations of one.
func (r *renewal) slice(ctx context.Context, threads, sampled int, seconds float64) (perOp, allocs float64, err error) {
	empty := &phase{loop: workloads.Closed, ops: workloads.OpNames(), clock: r.clock, workers: loopers(r.workers[:threads]), sampled: sampled}
	p := &phase{loop: workloads.Closed, ops: empty.ops, clock: r.clock, workers: empty.workers, sampled: sampled, length: time.Duration(seconds * 1e9)}
	setUp, _, err := r.countMallocs(ctx, empty)
	if err != nil {
		return 0, 0, err
	}
	mallocs, m, err := r.countMallocs(ctx, p)
	if err != nil {
		return 0, 0, err
	}
	if err := r.firstError(); err != nil {
		return 0, 0, err
	}
	return m.seconds * 1e9 * float64(threads) / float64(m.done), float64(mallocs-min(setUp, mallocs)) / float64(max(m.done, 1)), nil
}

func (r *renewal) countMallocs(ctx context.Context, p *phase) (uint64, *measured, error) {
	before, err := procstat.Read()
	if err != nil {
		return 0, nil, err
	}
	m, err := p.run(ctx, r.limits.operation, func(float64, *record.Set) {})
	if err != nil {
		return 0, nil, err
	}
	after, err := procstat.Read()
	m.set.Release()
	return after.Mallocs - before.Mallocs, m, err
}
