package index

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
func (ix *Index) clear(o obstacle) error {
	if o.lsn != 0 {
		return ix.log.Wait(o.lsn)
	}
	if err := ix.open(); err != nil {
		return err
	}
	return ix.meta.Raise(o.version)
}

// RenewLease is engines.LeaseRenewer: one lookup, one renewal in
// the log, and the head of the lease patched in place.
func (ix *Index) RenewLease(ctx context.Context, key []byte, held engines.Version, r lease.Renewal) (engines.Version, error) {
	if err := engines.ValidateKey(engines.Leases, key); err != nil {
		return 0, err
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	h := ix.hash(engines.Leases, key)
	s := ix.stripe(h)
	for {
		v, o, err := ix.tryRenew(s, h, key, held, r)
		if err != nil || o.none() {
			return v, err
		}
		if err := ix.clear(o); err != nil {
			return 0, err
		}
	}
}

func (ix *Index) tryRenew(s *stripe, h uint64, key []byte, held engines.Version, r lease.Renewal) (engines.Version, obstacle, error) {
	s.mu.Lock()
	rec, o, err := ix.renewable(s, h, key, held, r)
	if err != nil || !o.none() {
		s.mu.Unlock()
		return 0, o, err
	}
	v := ix.nextVersion(s, held)
	if v > engines.Version(ix.meta.Ceiling()) {
		s.mu.Unlock()
		return 0, obstacle{version: v}, nil
	}
	id := rec.id()
	d := Delta{ID: id, Renewals: nextRenewals(rec.value()), Version: v, Renewal: r}
	if ix.lazy != nil && !ix.lazy.direct.Load() {
		if err := ix.note(s, rec, d); err != nil {
			s.mu.Unlock()
			return 0, obstacle{}, err
		}
		ix.publishRenew(s, rec, v, r)
		s.commits++
		s.mu.Unlock()
		return v, obstacle{}, ix.lazy.wait()
	}
	lsn, err := ix.journal.LogRenewal(&s.scratch, d)
	if err != nil {
		s.mu.Unlock()
		return 0, obstacle{}, err
	}
	if !ix.deferred {
		ix.publishRenew(s, rec, v, r)
		s.commits++
		s.mu.Unlock()
		return v, obstacle{}, ix.log.Wait(lsn)
	}
	slot := s.hold(rec, pending{lsn: lsn, kind: engines.OpRenew, ref: s.handles[localOf(id)], version: v, renewal: r})
	ix.inflight.Add(1)
	s.mu.Unlock()
	defer ix.inflight.Done()
	if err := ix.log.Wait(lsn); err != nil {
		return 0, obstacle{}, err
	}
	s.mu.Lock()
	ix.publishMine(s, slot, lsn)
	s.commits++
	s.mu.Unlock()
	return v, obstacle{}, nil
}

// renewable returns the record that may be renewed, or why not.
func (ix *Index) renewable(s *stripe, h uint64, key []byte, held engines.Version, r lease.Renewal) (record, obstacle, error) {
	if err := ix.enter(s); err != nil {
		return nil, obstacle{}, err
	}
	ref, rec, wait := ix.lookup(s, h, engines.Leases, key)
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
