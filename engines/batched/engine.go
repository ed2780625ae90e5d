package batched

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"orbitbench/engines"
	"orbitbench/engines/adapter"
	"orbitbench/engines/lease"
)

// engine is a batcher in front of inner.
type engine struct {
	inner  engines.Engine
	native engines.LeaseRenewer // inner's native path, for a cohort of one renewal; nil if it has none
	config Config
	gate   *adapter.Gate

	queue    queue
	cohort   cohort    // belongs to the leader
	requests sync.Pool // of *request

	commits, conflicts atomic.Uint64
}

// request is one commit on its way through the batcher.
type request struct {
	batch *engines.Batch // what to commit; the caller's, or own
	own   engines.Batch  // of a renewal
	// renewal: batch is own, with one condition and one renewal.
	renewal bool
	// deferred: it was left out of a cohort because of a key, and will probably
	// find its condition broken.
	deferred bool
	// rival: it came along with a cohort, in which another wants the same. Of the leader.
	rival rival
	// called: it has been told to lead, or is in a cohort: it cannot be withdrawn.
	// Guarded by queue.mu.
	called bool
	err    error
	// wake receives one value: true to lead the next cohort, false when err is set.
	// It has room for it, so that the sender never waits; never closed.
	wake chan bool
}

// rival says to whom a request loses, and over what.
type rival struct {
	winner        *request
	condition, op int // of the loser, of the winner: the same record
}

// Apply commits b in a cohort; see engines.Engine.
func (e *engine) Apply(ctx context.Context, b *engines.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := e.gate.Enter(); err != nil {
		return err
	}
	defer e.gate.Leave()
	if err := b.Validate(); err != nil {
		return err // before it can spoil the batch of others
	}
	r := e.requests.Get().(*request)
	r.batch = b
	return e.finish(r, e.submit(ctx, r))
}

// RenewLease renews in a cohort; see engines.LeaseRenewer.
func (e *engine) RenewLease(ctx context.Context, key []byte, held engines.Version, renewal lease.Renewal) (engines.Version, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if err := e.gate.Enter(); err != nil {
		return 0, err
	}
	defer e.gate.Leave()
	if err := engines.ValidateKey(engines.Leases, key); err != nil {
		return 0, err
	}
	r := e.requests.Get().(*request)
	r.own.Require(engines.Leases, key, held)
	r.own.Renew(key, renewal)
	r.batch, r.renewal = &r.own, true
	err := e.submit(ctx, r)
	v := r.own.Ops[0].Assigned
	if err = e.finish(r, err); err != nil {
		return 0, renewalError(err)
	}
	return v, nil
}

// renewalError turns the conflict of a batch with a record that is not there
// into what a renewal says of it.
func renewalError(err error) error {
	var conflict *engines.ConflictError
	if errors.As(err, &conflict) && conflict.Have == 0 {
		return engines.ErrNotFound
	}
	return err
}

// finish counts the outcome and gives the request back. Nobody else holds it.
func (e *engine) finish(r *request, err error) error {
	switch {
	case err == nil:
		e.commits.Add(1)
	case errors.Is(err, engines.ErrConflict):
		e.conflicts.Add(1)
	}
	r.own.Reset()
	r.batch, r.renewal, r.deferred, r.called, r.err = nil, false, false, false, nil
	e.requests.Put(r)
	return err
}

// Get reads from the engine within; see engines.Engine.
func (e *engine) Get(ctx context.Context, ks engines.Keyspace, key, dst []byte) ([]byte, engines.Version, error) {
	return e.inner.Get(ctx, ks, key, dst)
}

// Scan scans the engine within; see engines.Engine.
func (e *engine) Scan(ctx context.Context, ks engines.Keyspace, from, to []byte, yield func(key, value []byte, v engines.Version) error) error {
	return e.inner.Scan(ctx, ks, from, to, yield)
}

// Stats are those of the engine within, with commits and conflicts as the
// callers saw them.
func (e *engine) Stats() engines.Stats {
	s := e.inner.Stats()
	s.Commits, s.Conflicts = e.commits.Load(), e.conflicts.Load()
	return s
}

// Close waits for commits under way and closes the engine within; see engines.Engine.
func (e *engine) Close() error {
	if _, err := e.gate.Close(func() {}); err != nil {
		return err
	}
	return e.inner.Close()
}
