package aa

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"orbitbench/engines"
	"orbitbench/engines/lease"
)

// slowDriver opens an engine whose calls each do spins additions first. With
// none it is the engine as it is, behind the same wrapper.
type slowDriver struct {
	engines.Driver
	spins int
}

// Info leaves out that the log is recycled: rewriting it would take longer than
// a trial.
func (d slowDriver) Info() engines.Info {
	info := d.Driver.Info()
	info.RecyclesLog = false
	return info
}

func (d slowDriver) Open(ctx context.Context, o engines.Options) (engines.Engine, error) {
	e, err := d.Driver.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	slow := slowEngine{e, d.spins}
	if native, ok := e.(engines.LeaseRenewer); ok {
		return &slowNative{slow, native}, nil
	}
	return &slow, nil
}

// slowEngine declares nothing of its engine but the contract: what a wrapper
// hides is hidden from all three alike.
type slowEngine struct {
	engines.Engine
	spins int
}

func (e *slowEngine) Apply(ctx context.Context, b *engines.Batch) error {
	spin(e.spins)
	return e.Engine.Apply(ctx, b)
}

type slowNative struct {
	slowEngine
	native engines.LeaseRenewer
}

func (e *slowNative) RenewLease(ctx context.Context, key []byte, held engines.Version, r lease.Renewal) (engines.Version, error) {
	spin(e.spins)
	return e.native.RenewLease(ctx, key, held, r)
}

// spin adds to a number n times. An atomic addition keeps its place among the
// loads and stores around it, so that a processor cannot hide it behind the
// engine's own waits for memory.
func spin(n int) {
	var x atomic.Uint64
	for range n {
		x.Add(1)
	}
}

// spinNs is how long one addition takes: the median of many short timings.
func spinNs() float64 {
	const n, times = 20_000, 51
	took := make([]float64, times)
	for i := range took {
		begin := time.Now()
		spin(n)
		took[i] = float64(time.Since(begin)) / n
	}
	slices.Sort(took)
	return took[times/2]
}
