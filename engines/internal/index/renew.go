package index

import (
	"context"
	"fmt"
	"math"

	"orbitbench/engines"
	"orbitbench/engines/internal/arena"
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
	if o.version > MaxVersion {
		return fmt.Errorf("%w: a record would get version %d, the highest is %d", engines.ErrFull, o.version, MaxVersion)
	}
	return ix.meta.Raise(o.version)
}

// ceiling returns the highest version that may be assigned now.
func (ix *Index) ceiling() engines.Version {
	return min(engines.Version(ix.meta.Ceiling()), MaxVersion)
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
	ref, o, err := ix.renewable(s, h, key, held, r)
	if err != nil || !o.none() {
		s.mu.Unlock()
		return 0, o, err
	}
	rec := ix.rec(ref)
	v := ix.nextVersion(s, held)
	if v > ix.ceiling() {
		s.mu.Unlock()
		return 0, obstacle{version: v}, nil
	}
	d := Delta{ID: rec.id(), Renewals: nextRenewals(rec.value()), Version: v, Renewal: r}
	if ix.lazy != nil && !ix.lazy.direct.Load() {
		if err := ix.note(s, d); err != nil {
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
	slot := s.hold(rec, pending{lsn: lsn, kind: engines.OpRenew, ref: ref, version: v, renewal: r})
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
func (ix *Index) renewable(s *stripe, h uint64, key []byte, held engines.Version, r lease.Renewal) (arena.Ref, obstacle, error) {
	if err := ix.enter(s); err != nil {
		return 0, obstacle{}, err
	}
	ref, rec, wait := ix.lookup(s, h, engines.Leases, key)
	switch {
	case wait != 0:
		return 0, obstacle{lsn: wait}, nil
	case ref == 0 || rec.version() == 0:
		return 0, obstacle{}, engines.ErrNotFound
	case rec.version() != held:
		s.conflicts++
		return 0, obstacle{}, &engines.ConflictError{Keyspace: engines.Leases, Want: held, Have: rec.version()}
	}
	if err := r.Check(rec.value()); err != nil {
		return 0, obstacle{}, fmt.Errorf("renewing a lease: %w", err)
	}
	return ref, obstacle{}, nil
}

// nextRenewals returns the renewal_count that a renewal gives a lease.
func nextRenewals(value []byte) uint32 {
	n := le.Uint32(value[lease.HotOffset:])
	if n == math.MaxUint32 {
		return n
	}
	return n + 1
}
