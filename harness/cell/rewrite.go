package cell

import (
	"context"
	"fmt"
	"time"

	"orbitbench/engines"
	"orbitbench/engines/lease"
	"orbitbench/harness/recycle"
	"orbitbench/harness/result"
)

// leastRewrite is how long the rewriting may take at least: a cell that measures
// for a second is a look, and is not worth half a minute before it.
const leastRewrite = 2 * time.Second

// rewriteBatch is how many leases are rewritten in one batch.
const rewriteBatch = 1024

// rewrite stores the leases again and again, as they are, until the engine is
// seen to use the files of its log again, and reads them back. What it took, and
// whether it was seen, is part of the result.
func (r *renewal) rewrite(ctx context.Context) error {
	begin := time.Now()
	watch := recycle.New(r.storeDir(), func() uint64 { return r.engine.Stats().LogBytes })
	w := &result.Rewrite{}
	r.cell.Rewrite = w
	var err error
	limit := min(r.limits.rewriteTime, max(leastRewrite, time.Duration(r.spec.Params.Seconds*1e9)))
	for err == nil && !w.LogRecycled && w.Bytes < r.limits.rewriteBytes && time.Since(begin) < limit {
		err = r.rewriteOnce(ctx, w, watch)
	}
	w.Seconds = time.Since(begin).Seconds()
	if ctx.Err() != nil {
		return errInterrupted
	}
	if err != nil {
		return fmt.Errorf("rewriting until the log is recycled: %w", err)
	}
	if !w.LogRecycled {
		r.cell.Warnings = append(r.cell.Warnings, fmt.Sprintf("the log was not seen to be recycled within %d MB and %.1f s of rewriting: figures may improve once it is", w.Bytes>>20, w.Seconds))
	}
	return r.readBack(ctx)
}

// rewriteOnce stores each lease once, or stops when the log has been recycled.
func (r *renewal) rewriteOnce(ctx context.Context, w *result.Rewrite, watch *recycle.Watch) error {
	var b engines.Batch
	var l lease.Lease
	n, looked := r.space.Residents(), int64(0)
	for i := range n {
		actor := r.space.Resident(i)
		key := r.space.AppendKey(nil, actor)
		r.space.FillLease(&l, actor, r.clock.Wall(r.clock.Now()))
		value, err := l.AppendBinary(nil)
		if err != nil {
			return err
		}
		b.Put(engines.Leases, key, value)
		w.Bytes += int64(len(key) + len(value))
		if len(b.Ops) < rewriteBatch && i < n-1 {
			continue
		}
		if err := r.engine.Apply(ctx, &b); err != nil {
			return err
		}
		b.Reset()
		r.progress(Progress{Phase: "rewrite", Done: float64(w.Bytes), Total: float64(r.limits.rewriteBytes)})
		if w.Bytes-looked < 4<<20 && i < n-1 {
			continue // looking at the directory after each batch would be most of the work
		}
		looked = w.Bytes
		if w.LogRecycled = watch.Seen(); w.LogRecycled || w.Bytes >= r.limits.rewriteBytes {
			return nil
		}
	}
	return nil
}
