package cell

import (
	"context"
	"fmt"
	"iter"
	"time"

	"orbitbench/engines"
	"orbitbench/engines/directory"
	"orbitbench/engines/lease"
	"orbitbench/harness/result"
)

// loadStride is how many records are stored between two reports of progress.
const loadStride = 4096

// load stores the residents' leases in bulk, and reads them back once, which
// tells the versions that the engine gave them.
func (r *renewal) load(ctx context.Context, d *directory.Directory) error {
	n := r.space.Residents()
	if n == 0 {
		return nil
	}
	begin := time.Now()
	if _, err := d.NewSession().Load(ctx, r.residents(ctx)); err != nil {
		if ctx.Err() != nil {
			return errInterrupted
		}
		return fmt.Errorf("load: %w", err)
	}
	seconds := time.Since(begin).Seconds()
	r.cell.Load = &result.Load{
		Records: n, Bytes: int64(n) * int64(r.space.KeyBytes()+r.spec.Params.ValueBytes),
		Seconds: seconds, RatePerS: float64(n) / seconds,
	}
	return r.readBack(ctx)
}

// residents yields the leases to load. Key and lease are reused.
func (r *renewal) residents(ctx context.Context) iter.Seq2[[]byte, *lease.Lease] {
	return func(yield func([]byte, *lease.Lease) bool) {
		var key []byte
		var l lease.Lease
		n := r.space.Residents()
		for i := range n {
			if i%loadStride == 0 {
				if ctx.Err() != nil {
					return
				}
				r.progress(Progress{Phase: "load", Done: float64(i), Total: float64(n)})
			}
			actor := r.space.Resident(i)
			key = r.space.AppendKey(key[:0], actor)
			r.space.FillLease(&l, actor, r.clock.Wall(r.clock.Now()))
			if !yield(key, &l) {
				return
			}
		}
	}
}

// readBack scans the leases into the table and demands that all are there.
func (r *renewal) readBack(ctx context.Context) error {
	var scratch lease.Lease
	n := 0
	err := r.engine.Scan(ctx, engines.Leases, nil, nil, func(key, value []byte, v engines.Version) error {
		actor, ok := r.space.ActorOf(key)
		if !ok || !r.space.IsResident(actor) {
			return fmt.Errorf("key %x was never stored", key)
		}
		if err := r.space.CheckLease(actor, value, &scratch); err != nil {
			return fmt.Errorf("lease of actor %d: %w", actor, err)
		}
		n++
		r.table.acknowledge(actor, uint64(v))
		r.table.extend(actor, min(lease.ExpiresAt(value)-r.clock.Wall(0), longestLease), 0)
		return nil
	})
	switch {
	case ctx.Err() != nil:
		return errInterrupted
	case err != nil:
		return fmt.Errorf("read back after load: %w", err)
	case n != r.space.Residents():
		return fmt.Errorf("read back after load: %d leases, %d were stored", n, r.space.Residents())
	}
	return nil
}
