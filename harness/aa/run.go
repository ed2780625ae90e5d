package aa

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"time"

	"orbitbench/engines"
	"orbitbench/harness/cell"
	"orbitbench/harness/result"
	"orbitbench/reports/stats"
	"orbitbench/workloads"
)

// ErrUsage marks errors that lie in the options.
var ErrUsage = errors.New("usage")

// Options say what is compared. Zero values are those that the fields name.
type Options struct {
	// Driver is the engine.
	Driver engines.Driver
	// Durability of the trials.
	Durability engines.Durability
	// Repetitions of the comparison; 0 means 20.
	Repetitions int
	// Trials of each side of a comparison; 0 means 12.
	Trials int
	// Slowdown is the delay as a share of the p50; 0 means 0.10.
	Slowdown float64
	// Actors in a store; 0 means 2000.
	Actors int
	// Workers of the closed loop; 0 means 1: two would also measure who shares a
	// processor with them.
	Workers int
	// Time is how long a trial measures, after half as much of warm-up; 0 means 100 ms.
	Time time.Duration
	// Seed decides the load and the order of trials.
	Seed uint64
	// DataDir is an existing directory; what is made in it is removed.
	DataDir string
	// Progress is told how far it has come; nil tells nobody.
	Progress func(format string, args ...any)
}

// Result is what a machine can tell apart.
type Result struct {
	Engine      string       `json:"engine"`
	Durability  string       `json:"durability"`
	Trials      int          `json:"trials"`
	Slowdown    float64      `json:"slowdown"`
	P50Ns       float64      `json:"p50_ns"`   // of the engine as it is, median of the calibration's trials
	DelayNs     float64      `json:"delay_ns"` // in every call of the slowed one
	Repetitions []Repetition `json:"repetitions"`
}

// Repetition is one comparison of each kind, of the same blocks of trials.
type Repetition struct {
	Noise  float64    `json:"noise"`  // share; by the control: what the engine differs from itself by
	Same   Comparison `json:"same"`   // with itself
	Slowed Comparison `json:"slowed"` // with itself slowed down
}

// leastTrials gate a comparison.
const leastTrials = 7

func (o Options) withDefaults() (Options, error) {
	set := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	set(&o.Repetitions, 20)
	set(&o.Trials, 12)
	set(&o.Actors, 2000)
	set(&o.Workers, 1)
	if o.Slowdown == 0 {
		o.Slowdown = 0.10
	}
	if o.Time == 0 {
		o.Time = 100 * time.Millisecond
	}
	if o.Progress == nil {
		o.Progress = func(string, ...any) {}
	}
	switch {
	case o.Repetitions < 1:
		return o, fmt.Errorf("%w: %d repetitions, want at least 1", ErrUsage, o.Repetitions)
	case o.Trials < leastTrials:
		return o, fmt.Errorf("%w: %d trials, want at least %d: fewer decide nothing", ErrUsage, o.Trials, leastTrials)
	case !(o.Slowdown > 0 && o.Slowdown <= 10):
		return o, fmt.Errorf("%w: slowdown of %v, want a share above 0 and at most 10", ErrUsage, o.Slowdown)
	case o.Actors < 1 || o.Workers < 1 || o.Workers > o.Actors:
		return o, fmt.Errorf("%w: %d workers on %d actors, want at least 1 of each and no more workers than actors", ErrUsage, o.Workers, o.Actors)
	case o.Time < 10*time.Millisecond:
		return o, fmt.Errorf("%w: trials of %v, want at least 10ms", ErrUsage, o.Time)
	}
	return o, nil
}

// trial measures one trial with that many spins in each call and returns its p50 in ns.
type trial func(ctx context.Context, spins, no int) (p50Ns float64, err error)

// Run compares as o says. An error in o is ErrUsage; an engine that fails a
// trial ends the run.
func Run(ctx context.Context, o Options) (*Result, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	return o.run(ctx, o.cell, spinNs())
}

// pilots are the trials by which the delay is set.
const pilots = 5

func (o Options) run(ctx context.Context, measure trial, perSpinNs float64) (*Result, error) {
	r := &Result{Engine: o.Driver.Info().Name, Durability: o.Durability.String(), Trials: o.Trials, Slowdown: o.Slowdown}
	var first []float64
	for i := range pilots {
		p50, err := measure(ctx, 0, i)
		if err != nil {
			return nil, err
		}
		first = append(first, p50)
	}
	r.P50Ns = stats.Median(first)
	spins := max(1, int(o.Slowdown*r.P50Ns/perSpinNs+0.5))
	r.DelayNs = float64(spins) * perSpinNs
	rng := rand.New(rand.NewPCG(o.Seed, 0x6161)) // any fixed second word will do
	no := pilots
	for rep := range o.Repetitions {
		var sides [4][]float64 // the engine three times, and slowed
		for range o.Trials {
			for _, side := range rng.Perm(len(sides)) {
				p50, err := measure(ctx, []int{0, 0, 0, spins}[side], no)
				if err != nil {
					return nil, err
				}
				sides[side] = append(sides[side], p50)
				no++
			}
		}
		n := noiseOf(sides[1], sides[2])
		r.Repetitions = append(r.Repetitions, Repetition{
			Noise:  n,
			Same:   compare(sides[0], sides[1], n, o.Seed),
			Slowed: compare(sides[0], sides[3], n, o.Seed),
		})
		o.Progress("repetition %d of %d: %s", rep+1, o.Repetitions, r.Repetitions[rep])
	}
	return r, nil
}

// cell is a trial: a cell of a run, in this process.
func (o Options) cell(ctx context.Context, spins, no int) (p50Ns float64, err error) {
	dir, err := os.MkdirTemp(o.DataDir, "aa-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	runtime.GC() // what the trial before left is not this one's to collect
	seconds := o.Time.Seconds()
	spec := cell.Spec{
		Plan: result.PlanCell{Key: "aa", Engine: o.Driver.Info().Name, Workload: "aa", Durability: o.Durability.String(), Trial: no + 1},
		Kind: result.KindRenewal, Durability: o.Durability, Seed: o.Seed + uint64(no), Dir: dir,
		Params: result.Params{
			Actors: o.Actors, ActorTypes: 20, Nodes: 10, LeaseSeconds: 3600, ValueBytes: 256, Prefill: 1,
			Mix: map[string]float64{workloads.Renew.String(): 1}, Distribution: workloads.Uniform,
			Loop: workloads.Closed, Workers: o.Workers, WarmupSeconds: seconds / 2, Seconds: seconds, MemoryBytes: engines.DefaultMemoryBytes,
		},
	}
	c := cell.Execute(ctx, spec, func(string) (engines.Driver, error) { return slowDriver{o.Driver, spins}, nil }, nil)
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if c.Status != result.OK {
		return 0, fmt.Errorf("%s under %s: %s: %s", o.Driver.Info().Name, o.Durability, c.Status, c.Reason)
	}
	for _, op := range c.Measure.Ops {
		if op.Op == workloads.Renew.String() && op.Outcome == "ok" {
			return float64(op.Latency.P50Ns), nil
		}
	}
	return 0, errors.New("a trial without a renewal")
}
