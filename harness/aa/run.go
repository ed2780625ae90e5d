package aa

import (
	"context"
	"errors"
	"fmt"
	"time"

	"orbitbench/engines"
	"orbitbench/reports/stats"
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
	// Actors in a store; 0 means 500: few enough to stay in the caches of a processor
	// while the other sides have their turn.
	Actors int
	// Time is how long a trial measures, in slices that take turns with those of
	// the other sides; 0 means 40 ms.
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
	Trials Trials     `json:"trials"` // the figures behind it
}

// Trials are the figures of a repetition, ns: those at one place of each list
// were measured in turn with each other.
type Trials struct {
	Base    []float64 `json:"base_ns"`
	Head    []float64 `json:"head_ns"`
	Control []float64 `json:"control_ns"`
	Slowed  []float64 `json:"slowed_ns"`
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
	set(&o.Actors, 500)
	if o.Slowdown == 0 {
		o.Slowdown = 0.10
	}
	if o.Time == 0 {
		o.Time = 40 * time.Millisecond
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
	case o.Actors < 1:
		return o, fmt.Errorf("%w: %d actors, want at least 1", ErrUsage, o.Actors)
	case o.Time < 10*time.Millisecond:
		return o, fmt.Errorf("%w: trials of %v, want at least 10ms", ErrUsage, o.Time)
	}
	return o, nil
}

// Run compares as o says. An error in o is ErrUsage; an engine that fails a
// trial ends the run.
func Run(ctx context.Context, o Options) (*Result, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	return o.run(ctx, o.cells, spinNs())
}

// pilots are the blocks by which the delay is set: some to know the p50, some to
// see what a delay makes of it.
const pilots = 4

// calibrate measures the p50, and the spins in each call that raise it by the
// share asked for. A processor does part of a delay while it waits for memory
// anyway, so that the nominal time of the spins is a first guess only.
func (o Options) calibrate(ctx context.Context, measure blockOf, perSpinNs float64) (p50Ns float64, spins int, err error) {
	var first []float64
	for i := range pilots {
		p50, err := measure(p50Ns)(ctx, []int{0}, i)
		if err != nil {
			return 0, 0, err
		}
		first = append(first, p50[0])
		p50Ns = stats.Median(first)
	}
	guess := max(1, int(o.Slowdown*p50Ns/perSpinNs+0.5))
	var effects []float64
	for i := range pilots {
		p50, err := measure(p50Ns)(ctx, []int{0, guess}, pilots+i)
		if err != nil {
			return 0, 0, err
		}
		effects = append(effects, p50[1]/p50[0]-1)
	}
	// Within a factor of two of the guess: beyond that it is no calibration but chance.
	scale := min(2, max(0.5, o.Slowdown/max(stats.Median(effects), 1e-9)))
	return p50Ns, max(1, int(scale*float64(guess)+0.5)), nil
}

func (o Options) run(ctx context.Context, measure blockOf, perSpinNs float64) (*Result, error) {
	r := &Result{Engine: o.Driver.Info().Name, Durability: o.Durability.String(), Trials: o.Trials, Slowdown: o.Slowdown}
	p50, spins, err := o.calibrate(ctx, measure, perSpinNs)
	if err != nil {
		return nil, err
	}
	r.P50Ns, r.DelayNs = p50, float64(spins)*perSpinNs
	no := 2 * pilots
	for rep := range o.Repetitions {
		var t Trials
		for range o.Trials {
			p50, err := measure(r.P50Ns)(ctx, []int{0, 0, 0, spins}, no)
			if err != nil {
				return nil, err
			}
			for i, side := range []*[]float64{&t.Base, &t.Head, &t.Control, &t.Slowed} {
				*side = append(*side, p50[i])
			}
			no++
		}
		r.Repetitions = append(r.Repetitions, t.judge(o.Seed))
		o.Progress("repetition %d of %d: %s", rep+1, o.Repetitions, r.Repetitions[rep])
	}
	return r, nil
}

// judge compares the trials by the rule. Their figures are taken as multiples of
// the control's of the same block, which is the machine's pace in that half
// second; both sides of a comparison then share the control's own chance, which
// makes a false alarm rarer and not more likely.
func (t Trials) judge(seed uint64) Repetition {
	n := noiseOf(t.Head, t.Control)
	base, head, slowed := over(t.Base, t.Control), over(t.Head, t.Control), over(t.Slowed, t.Control)
	return Repetition{Noise: n, Same: compare(base, head, n, seed), Slowed: compare(base, slowed, n, seed), Trials: t}
}

// over divides a by b, place by place.
func over(a, b []float64) []float64 {
	out := make([]float64, len(a))
	for i := range a {
		out[i] = a[i] / b[i]
	}
	return out
}
