package cell

import (
	"context"
	"fmt"
)

// Rig is the harness with an engine behind it and no more: what measures the
// harness itself slice by slice, in turn with others. It is for one goroutine.
type Rig struct{ r *renewal }

// NewRig opens the engine that s names, which should be one that does nothing,
// and lays out as many workers as threads. It needs Plan.Engine, Dir and
// Durability of s; the caller closes the Rig and removes Dir.
func NewRig(ctx context.Context, s Spec, threads int, lookup Lookup) (*Rig, error) {
	s.Kind, s.Params = KindOverhead, overheadParams()
	s.Params.Workers = threads
	r, err := newRig(ctx, &s, lookup)
	if err != nil {
		return nil, err
	}
	return &Rig{r}, nil
}

// Slice runs the closed loop of a renewal cell with some of the workers and
// times one operation of every sampled; 1 times all. It returns the time of one
// operation in its thread in ns and the allocations of one.
func (g *Rig) Slice(ctx context.Context, threads, sampled int, seconds float64) (perOpNs, allocs float64, err error) {
	if threads < 1 || threads > len(g.r.workers) {
		return 0, 0, fmt.Errorf("%d threads, want 1 to %d", threads, len(g.r.workers))
	}
	return g.r.slice(ctx, threads, sampled, seconds)
}

// Close closes the engine.
func (g *Rig) Close() error {
	err := g.r.engine.Close()
	g.r.arena.Release()
	return err
}
