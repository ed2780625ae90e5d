package appendlog

import (
	"context"
	"fmt"
	"math"

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
	return e.raiseCeiling(o.version)
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
	h := e.hash(engines.Leases, key)
	s := e.stripe(h)
	for {
		v, o, err := e.tryRenew(s, h, key, held, r)
		if err != nil || o.none() {
			return v, err
		}
		if err := e.clear(o); err != nil {
			return 0, err
		}
	}
}

func (e *engine) tryRenew(s *stripe, h uint64, key []byte, held engines.Version, r lease.Renewal) (engines.Version, obstacle, error) {
	s.mu.Lock()
	rec, o, err := e.renewable(s, h, key, held, r)
	if err != nil || !o.none() {
		s.mu.Unlock()
		return 0, o, err
	}
	v := e.nextVersion(s, held)
	if v > engines.Version(e.meta.Ceiling()) {
		s.mu.Unlock()
		return 0, obstacle{version: v}, nil
	}
	id := rec.id()
	putRenew(&s.scratch, id, nextRenewals(rec.value()), v, r)
	lsn, err := e.log.Append(kindRenew, s.scratch[:])
	if err != nil {
		s.mu.Unlock()
		return 0, obstacle{}, err
	}
	if !e.deferred {
		e.publishRenew(s, rec, v, r)
		s.commits++
		s.mu.Unlock()
		return v, obstacle{}, e.log.Wait(lsn)
	}
	slot := s.hold(rec, pending{lsn: lsn, kind: opRenew, ref: s.handles[localOf(id)], version: v, renewal: r})
	e.inflight.Add(1)
	s.mu.Unlock()
	defer e.inflight.Done()
	if err := e.log.Wait(lsn); err != nil {
		return 0, obstacle{}, err
	}
	s.mu.Lock()
	e.publishMine(s, slot, lsn)
	s.commits++
	s.mu.Unlock()
	return v, obstacle{}, nil
}

// renewable returns the record that may be renewed, or why not.
func (e *engine) renewable(s *stripe, h uint64, key []byte, held engines.Version, r lease.Renewal) (record, obstacle, error) {
	if s.closed {
		return nil, obstacle{}, engines.ErrClosed
	}
	ref, rec, wait := e.lookup(s, h, engines.Leases, key)
	switch {
	case wait != 0:
		return nil, obstacle{lsn: wait}, nil
	case ref == 0 || rec.version() == 0:
		return nil, obstacle{}, engines.ErrNotFound
	case rec.version() != held:
		s.conflicts++
		return nil, obstacle{}, &engines.ConflictError{Keyspace: engines.Leases, Want: held, Have: rec.version()}
	}
	if err := r.Check(rec.value()); err != nil {
		return nil, obstacle{}, fmt.Errorf("renewing a lease: %w", err)
	}
	return rec, obstacle{}, nil
}

// nextRenewals returns the renewal_count that a renewal gives a lease.
func nextRenewals(value []byte) uint32 {
	n := le.Uint32(value[lease.HotOffset:])
	if n == math.MaxUint32 {
		return n
	}
	return n + 1
}
