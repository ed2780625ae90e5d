package appendlog

import (
	"context"

	"orbitbench/engines"
	"orbitbench/engines/internal/index"
	"orbitbench/engines/internal/wal"
	"orbitbench/engines/lease"
)

// What callers ask for is the index's to answer; what it commits comes back
// here to be encoded and logged.

// Apply is engines.Engine: the batch is one record of the log.
func (e *engine) Apply(ctx context.Context, b *engines.Batch) error { return e.index.Apply(ctx, b) }

// RenewLease is engines.LeaseRenewer: one lookup, one record of 48 bytes in
// the log, and the head of the lease patched in place.
func (e *engine) RenewLease(ctx context.Context, key []byte, held engines.Version, r lease.Renewal) (engines.Version, error) {
	return e.index.RenewLease(ctx, key, held, r)
}

// Get is engines.Engine: one lookup and one copy under the stripe's lock.
func (e *engine) Get(ctx context.Context, ks engines.Keyspace, key, dst []byte) ([]byte, engines.Version, error) {
	return e.index.Get(ctx, ks, key, dst)
}

// Scan is engines.Engine: keys come from the keyspace's ordered set in
// batches, and each record is read under its stripe's lock as Get reads it.
func (e *engine) Scan(ctx context.Context, ks engines.Keyspace, from, to []byte, yield func(key, value []byte, v engines.Version) error) error {
	return e.index.Scan(ctx, ks, from, to, yield)
}

// View is engines.Viewer. The point in time is one at which all stripes are
// locked, which takes some microseconds.
func (e *engine) View(ctx context.Context) (engines.View, error) {
	v, err := e.index.View(ctx)
	if err != nil {
		return nil, err
	}
	return v, nil
}

// LogBatch is index.Journal.
func (e *engine) LogBatch(ops []byte) (wal.LSN, error) { return e.log.Append(kindBatch, ops) }

// LogRenewal is index.Journal.
func (e *engine) LogRenewal(scratch *index.Scratch, d index.Delta) (wal.LSN, error) {
	return e.log.Append(kindRenew, index.AppendDelta(scratch[:0], &d))
}
