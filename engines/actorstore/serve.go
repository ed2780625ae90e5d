package actorstore

import (
	"context"
	"errors"
	"fmt"

	"orbitbench/engines"
	"orbitbench/engines/internal/index"
	"orbitbench/engines/internal/wal"
	"orbitbench/engines/lease"
)

// Apply is engines.Engine: the batch is one record of the log. Room for what it
// puts into the query cache is made before and after it.
func (e *engine) Apply(ctx context.Context, b *engines.Batch) error {
	var cached int64
	for i := range b.Ops {
		switch o := &b.Ops[i]; {
		case o.Keyspace == engines.TimeSeries && o.Kind == engines.OpDelete:
			return fmt.Errorf("%w: delete in %s, which is appended to only", engines.ErrUnsupported, o.Keyspace)
		case o.Keyspace == engines.QueryCache && o.Kind == engines.OpPut:
			cached += int64(len(o.Key) + len(o.Value))
		}
	}
	if cached > 0 {
		if err := e.makeRoom(ctx, cached); err != nil {
			return err
		}
	}
	if err := e.index.Apply(ctx, b); err != nil {
		return err
	}
	if cached > 0 {
		// Entries that others have put meanwhile, or a batch larger than the bound. The
		// batch is committed: that the bound is exceeded is no error of its own.
		if err := e.makeRoom(ctx, 0); err != nil {
			e.logf("actorstore %s: evicting from the query cache: %v", e.dir, err)
		}
	}
	return nil
}

// RenewLease is engines.LeaseRenewer: one lookup, one delta, and the head of
// the lease patched in place. Class interval notes the delta for the next round.
func (e *engine) RenewLease(ctx context.Context, key []byte, held engines.Version, r lease.Renewal) (engines.Version, error) {
	return e.index.RenewLease(ctx, key, held, r)
}

// Get is engines.Engine: one lookup and one copy under the stripe's lock. Points
// that are not in the index are looked for in the blocks, and entries of the query
// cache that have run out are not found.
func (e *engine) Get(ctx context.Context, ks engines.Keyspace, key, dst []byte) ([]byte, engines.Version, error) {
	if ks != engines.QueryCache && ks != engines.TimeSeries {
		return e.index.Get(ctx, ks, key, dst)
	}
	got, v, err := e.look(ctx, ks, key, dst)
	if err == nil && ks == engines.QueryCache {
		e.index.Use(key)
	}
	return got, v, err
}

// look is Get, but that it leaves the query cache as it is: a scan uses no entry.
func (e *engine) look(ctx context.Context, ks engines.Keyspace, key, dst []byte) ([]byte, engines.Version, error) {
	got, v, err := e.index.Get(ctx, ks, key, dst)
	switch ks {
	case engines.QueryCache:
		if err == nil && e.expired(got[len(dst):], e.now()) {
			return dst, 0, engines.ErrNotFound
		}
	case engines.TimeSeries:
		if errors.Is(err, engines.ErrNotFound) {
			if got, v, ok := e.series.get(key, dst); ok {
				return got, v, nil
			}
		}
	}
	return got, v, err
}

// Scan is engines.Engine: keys come from the keyspace's ordered set in
// batches, and each record is read under its stripe's lock as Get reads it.
func (e *engine) Scan(ctx context.Context, ks engines.Keyspace, from, to []byte, yield func(key, value []byte, v engines.Version) error) error {
	return e.scan(ctx, ks, from, to, e.look, yield)
}

func (e *engine) scan(ctx context.Context, ks engines.Keyspace, from, to []byte, get index.GetFunc, yield func(key, value []byte, v engines.Version) error) error {
	if ks == engines.TimeSeries { // also before there are blocks: sealing may begin meanwhile
		return e.scanSeries(ctx, from, to, get, yield)
	}
	return e.index.ScanBy(ctx, ks, from, to, get, yield)
}

// view is engines.View: that of the index, and the blocks, which do not change
// while a view is open.
type view struct {
	*index.View
	e   *engine
	now int64 // when it was opened: what had run out then is not in it
}

// View is engines.Viewer. The point in time is one at which all stripes are
// locked, which takes some microseconds.
func (e *engine) View(ctx context.Context) (engines.View, error) {
	v, err := e.openView(ctx)
	if err != nil {
		return nil, err
	}
	return v, nil
}

func (e *engine) openView(ctx context.Context) (*view, error) {
	v, err := e.index.View(ctx)
	if err != nil {
		return nil, err
	}
	return &view{v, e, e.now()}, nil
}

// Get is engines.View.
func (v *view) Get(ctx context.Context, ks engines.Keyspace, key, dst []byte) ([]byte, engines.Version, error) {
	got, version, err := v.View.Get(ctx, ks, key, dst)
	switch {
	case ks == engines.QueryCache && err == nil && v.e.expired(got[len(dst):], v.now):
		return dst, 0, engines.ErrNotFound
	case ks == engines.TimeSeries && errors.Is(err, engines.ErrNotFound):
		if got, version, ok := v.e.series.get(key, dst); ok {
			return got, version, nil
		}
	}
	return got, version, err
}

// Scan is engines.View.
func (v *view) Scan(ctx context.Context, ks engines.Keyspace, from, to []byte, yield func(key, value []byte, v engines.Version) error) error {
	return v.e.scan(ctx, ks, from, to, v.Get, yield)
}

// LogBatch is index.Journal.
func (e *engine) LogBatch(ops []byte) (wal.LSN, error) { return e.log.Append(kindBatch, ops) }

// LogRenewal is index.Journal.
func (e *engine) LogRenewal(scratch *index.Scratch, d index.Delta) (wal.LSN, error) {
	return e.log.Append(kindRenewals, index.AppendDelta(scratch[:0], &d))
}

// LogDeltas is index.LazyJournal.
func (e *engine) LogDeltas(buf []byte, deltas []index.Delta) (wal.LSN, []byte, error) {
	buf = buf[:0]
	for i := range deltas {
		buf = index.AppendDelta(buf, &deltas[i])
	}
	lsn, err := e.log.Append(kindRenewals, buf)
	return lsn, buf, err
}
