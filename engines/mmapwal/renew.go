package mmapwal

import (
	"context"
	"fmt"
	"runtime/debug"

	"orbitbench/engines"
	"orbitbench/engines/internal/wal"
	"orbitbench/engines/lease"
)

// obstacle is why a commit must be tried again: what to wait for first, without locks.
type obstacle struct {
	lsn     wal.LSN         // a commit on the same record that is not durable yet
	version engines.Version // a version beyond the ceiling that is on the device
}

func (o obstacle) none() bool { return o == obstacle{} }

// clear waits until the obstacle is gone.
func (e *engine) clear(o obstacle) error {
	if o.lsn != 0 {
		return e.log.Wait(o.lsn)
	}
	if err := e.open(); err != nil {
		return err
	}
	return e.meta.Raise(o.version)
}

// renewed is a renewal that has been appended to the log.
type renewed struct {
	version engines.Version
	lsn     wal.LSN
	slot    uint32 // of the pending commit, class sync
}

// RenewLease is engines.LeaseRenewer: one lookup, one record of 48 bytes in
// the log, and the head of the lease patched in place.
func (e *engine) RenewLease(ctx context.Context, key []byte, held engines.Version, r lease.Renewal) (engines.Version, error) {
	if err := engines.ValidateKey(engines.Leases, key); err != nil {
		return 0, err
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if err := e.logged(); err != nil {
		return 0, err
	}
	h := e.hash(engines.Leases, key)
	s := e.stripe(engines.Leases, h)
	for {
		n, o, err := e.tryRenew(s, uint32(h), key, held, &r)
		switch {
		case err != nil:
			return 0, err
		case !o.none():
			if err := e.clear(o); err != nil {
				return 0, err
			}
			continue
		case e.deferred:
			err = e.finishRenewal(s, &n)
		default:
			err = e.log.Wait(n.lsn)
		}
		if err != nil {
			return 0, err
		}
		return n.version, nil
	}
}

func (e *engine) tryRenew(s *stripe, tag uint32, key []byte, held engines.Version, r *lease.Renewal) (n renewed, o obstacle, err error) {
	defer e.guard(debug.SetPanicOnFault(true), &err)
	s.mu.Lock()
	defer s.mu.Unlock()
	at, rec, o, err := e.renewable(s, tag, key, held, r)
	if err != nil || !o.none() {
		return n, o, err
	}
	n.version = max(held, e.base) + 1
	if n.version > engines.Version(e.meta.Ceiling()) {
		return n, obstacle{version: n.version}, nil
	}
	putRenew(&s.scratch, s.no, at, n.version, *r)
	if n.lsn, err = e.log.Append(kindRenew, s.scratch[:]); err != nil {
		return n, o, err
	}
	s.highest = max(s.highest, uint64(n.version))
	if e.deferred {
		n.slot = s.hold(pending{lsn: n.lsn, kind: opRenew, ref: at, version: n.version, renewal: *r})
		e.inflight.Add(1)
		return n, o, nil
	}
	e.publishRenew(s, at, rec, n.version, r)
	s.commits++
	return n, o, nil
}

// finishRenewal waits until a renewal is durable, and makes it visible.
func (e *engine) finishRenewal(s *stripe, n *renewed) (err error) {
	defer e.inflight.Done()
	if err := e.log.Wait(n.lsn); err != nil {
		return err
	}
	defer e.guard(debug.SetPanicOnFault(true), &err)
	s.mu.Lock()
	defer s.mu.Unlock()
	e.publishMine(s, n.slot, n.lsn)
	s.commits++
	return nil
}

// renewable returns the record that may be renewed, or why not.
func (e *engine) renewable(s *stripe, tag uint32, key []byte, held engines.Version, r *lease.Renewal) (ref, record, obstacle, error) {
	if err := e.ready(s); err != nil {
		return 0, nil, obstacle{}, err
	}
	at, rec, wait, err := e.lookup(s, tag, key)
	switch {
	case err != nil:
		return 0, nil, obstacle{}, err
	case wait != 0:
		return 0, nil, obstacle{lsn: wait}, nil
	case at == 0 || rec.state() != stateUsed:
		return 0, nil, obstacle{}, engines.ErrNotFound
	case rec.version() != held:
		s.conflicts++
		return 0, nil, obstacle{}, &engines.ConflictError{Keyspace: engines.Leases, Want: held, Have: rec.version()}
	}
	if err := r.Check(rec.value()); err != nil {
		return 0, nil, obstacle{}, fmt.Errorf("renewing a lease: %w", err)
	}
	return at, rec, obstacle{}, nil
}
