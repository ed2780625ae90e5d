package directory

import (
	"context"
	"errors"
	"fmt"

	"orbitbench/engines"
	"orbitbench/engines/lease"
)

// ErrHeld: another node holds the lease; see HeldError.
var ErrHeld = errors.New("lease is held")

// HeldError is an ErrHeld with what was found.
type HeldError struct {
	Holder    string          // node id
	Version   engines.Version // of the lease
	ExpiresAt int64           // ns since the Unix epoch
}

// Error names the holder.
func (e *HeldError) Error() string {
	return fmt.Sprintf("lease is held by %s at version %d", e.Holder, e.Version)
}

// Is makes errors.Is(err, ErrHeld) true.
func (e *HeldError) Is(target error) bool { return target == ErrHeld }

// Options of a Directory. The zero value uses the engine's best path.
type Options struct {
	Generic bool // renew through Apply even if the engine is a LeaseRenewer
}

// The paths of a renewal.
const (
	PathNative  = "native"
	PathGeneric = "generic"
)

// Directory is the entry to the leases of one engine. It is safe for concurrent use.
type Directory struct {
	engine engines.Engine
	native engines.LeaseRenewer // nil: generic
}

// New returns a directory over e, which stays the caller's to close.
func New(e engines.Engine, o Options) *Directory {
	d := &Directory{engine: e}
	if native, ok := e.(engines.LeaseRenewer); ok && !o.Generic {
		d.native = native
	}
	return d
}

// Path says how renewals reach the engine: PathNative or PathGeneric.
func (d *Directory) Path() string {
	if d.native != nil {
		return PathNative
	}
	return PathGeneric
}

// NewSession returns a session for one goroutine.
func (d *Directory) NewSession() *Session {
	return &Session{directory: d, engine: d.engine}
}

// Session gives one goroutine access to the directory.
type Session struct {
	directory *Directory
	engine    engines.Engine

	batch engines.Batch
	arena arena  // holds what batch refers to
	value []byte // last record read from Leases
	index []byte // last record read from Index
	keys  keyList
	bulk  bulk
}

// maxAttempts bounds how often a call begins anew after losing a race. Each
// loss means that somebody else has made progress.
const maxAttempts = 64

// begin empties the batch and the memory behind it.
func (s *Session) begin() {
	s.batch.Reset()
	s.arena.reset()
}

// Get returns the bytes of the lease record under key (see lease.Lease) with
// its version, or engines.ErrNotFound. They are valid until the next call. A
// lease that has expired is returned like any other.
func (s *Session) Get(ctx context.Context, key []byte) ([]byte, engines.Version, error) {
	value, v, err := s.engine.Get(ctx, engines.Leases, key, s.value[:0])
	if err != nil {
		return nil, 0, err
	}
	s.value = value
	return value, v, nil
}

// Renew extends the lease under key if its version is held, and returns the new
// version. Errors: engines.ErrConflict when the lease was taken over or renewed
// by someone else, engines.ErrNotFound when it is gone, lease.ErrExpired when it
// ran out at or before r.Now, and those of Apply.
func (s *Session) Renew(ctx context.Context, key []byte, held engines.Version, r lease.Renewal) (engines.Version, error) {
	if s.directory.native != nil {
		return s.directory.native.RenewLease(ctx, key, held, r)
	}
	raw, v, err := s.Get(ctx, key)
	if err != nil {
		return 0, err
	}
	if v != held {
		return 0, &engines.ConflictError{Keyspace: engines.Leases, Want: held, Have: v}
	}
	if err := r.Check(raw); err != nil {
		return 0, err
	}
	s.batch.Reset()
	s.batch.Require(engines.Leases, key, held)
	s.batch.Renew(key, r)
	if err := s.engine.Apply(ctx, &s.batch); err != nil {
		return 0, err
	}
	return s.batch.Ops[0].Assigned, nil
}

// Acquire grants l under key and returns its version. It fails with ErrHeld (a
// *HeldError) when another node holds the lease at time now, and with
// engines.ErrInvalid when l names no node or has run out itself. A node that
// acquires what it holds gets a new version, and the old one is fenced off.
func (s *Session) Acquire(ctx context.Context, key []byte, l *lease.Lease, now int64) (engines.Version, error) {
	if err := checkLease(key, l, now); err != nil {
		return 0, err
	}
	for attempt := 1; ; attempt++ {
		v, err := s.tryAcquire(ctx, key, l, now)
		if !errors.Is(err, engines.ErrConflict) || attempt == maxAttempts {
			return v, err
		}
	}
}

func checkLease(key []byte, l *lease.Lease, now int64) error {
	switch {
	case l.NodeID == "":
		return fmt.Errorf("%w: lease without a node id", engines.ErrInvalid)
	case l.Expired(now):
		return fmt.Errorf("%w: lease runs out at %d, now is %d", engines.ErrInvalid, l.ExpiresAt, now)
	}
	return checkIndexed(l.NodeID, key)
}

func (s *Session) tryAcquire(ctx context.Context, key []byte, l *lease.Lease, now int64) (engines.Version, error) {
	s.begin()
	raw, v, err := s.Get(ctx, key)
	if errors.Is(err, engines.ErrNotFound) {
		return s.grant(ctx, key, l, 0)
	}
	if err != nil {
		return 0, err
	}
	if err := lease.CheckHead(raw); err != nil {
		return 0, fmt.Errorf("lease %x: %w", key, err)
	}
	holder := lease.HolderOf(raw)
	if len(holder) > 0 && string(holder) != l.NodeID && lease.ExpiresAt(raw) > now {
		return 0, &HeldError{Holder: string(holder), Version: v, ExpiresAt: lease.ExpiresAt(raw)}
	}
	if err := s.unindex(ctx, key, holder); err != nil {
		return 0, err
	}
	return s.grant(ctx, key, l, v)
}

// grant puts l with its index records under the condition that the version is
// still v. The batch may already hold the removal of older index records.
func (s *Session) grant(ctx context.Context, key []byte, l *lease.Lease, v engines.Version) (engines.Version, error) {
	raw, err := l.AppendBinary(s.arena.take(lease.HeadBytes + len(l.NodeID) + len(l.CustomData)))
	if err != nil {
		return 0, fmt.Errorf("%w: %w", engines.ErrInvalid, err)
	}
	s.batch.Require(engines.Leases, key, v)
	s.enter(key, l.NodeID, l.ExpiresAt)
	s.batch.Put(engines.Leases, key, raw)
	if err := s.engine.Apply(ctx, &s.batch); err != nil {
		return 0, err
	}
	return s.batch.Ops[len(s.batch.Ops)-1].Assigned, nil
}

// Update replaces the record of a lease that the caller holds at this version:
// other custom data, another duration, or another node to which it is handed
// over. Errors as for Renew, and engines.ErrInvalid as for Acquire.
func (s *Session) Update(ctx context.Context, key []byte, held engines.Version, l *lease.Lease, now int64) (engines.Version, error) {
	if err := checkLease(key, l, now); err != nil {
		return 0, err
	}
	var granted engines.Version
	err := s.withHeld(ctx, key, held, func(raw []byte) (err error) {
		if lease.ExpiresAt(raw) <= now {
			return lease.ErrExpired
		}
		if err := s.unindex(ctx, key, lease.HolderOf(raw)); err != nil {
			return err
		}
		granted, err = s.grant(ctx, key, l, held)
		return err
	})
	return granted, err
}

// Release removes the lease under key if its version is held. Errors:
// engines.ErrConflict when it has another version, engines.ErrNotFound, and
// those of Apply. A lease that has expired can be released.
func (s *Session) Release(ctx context.Context, key []byte, held engines.Version) error {
	return s.withHeld(ctx, key, held, func(raw []byte) error {
		if err := s.unindex(ctx, key, lease.HolderOf(raw)); err != nil {
			return err
		}
		s.batch.Require(engines.Leases, key, held)
		s.batch.Delete(engines.Leases, key)
		return s.engine.Apply(ctx, &s.batch)
	})
}

// withHeld calls do with the record under key, which has version held, and
// again if do loses a race for the index records only.
func (s *Session) withHeld(ctx context.Context, key []byte, held engines.Version, do func(raw []byte) error) error {
	for attempt := 1; ; attempt++ {
		s.begin()
		raw, v, err := s.Get(ctx, key)
		switch {
		case err != nil:
			return err
		case v != held:
			return &engines.ConflictError{Keyspace: engines.Leases, Want: held, Have: v}
		}
		if err := lease.CheckHead(raw); err != nil {
			return fmt.Errorf("lease %x: %w", key, err)
		}
		if err = do(raw); !errors.Is(err, engines.ErrConflict) || attempt == maxAttempts {
			return err
		}
	}
}
