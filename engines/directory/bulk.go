package directory

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"orbitbench/engines"
	"orbitbench/engines/lease"
)

// Bounds of one batch of Load: with two index records a lease, well below the
// contract's limits, and large enough that a commit costs little per lease.
const (
	loadLeases = 1024
	loadBytes  = 1 << 20
)

// bulk counts what the batch of a Load holds.
type bulk struct{ leases, bytes int }

// Load stores leases that do not exist yet, with their index records, in large
// batches, and returns how many were committed. It ends at the first error:
// engines.ErrConflict when a lease exists already, in whose batch nothing was
// stored. What records yields need be valid only until it is asked for more.
func (s *Session) Load(ctx context.Context, records iter.Seq2[[]byte, *lease.Lease]) (int, error) {
	s.begin()
	s.bulk = bulk{}
	loaded := 0
	for key, l := range records {
		if err := checkIndexed(l.NodeID, key); err != nil {
			return loaded, err
		}
		size := 4*len(key) + 2*len(l.NodeID) + len(l.CustomData) + lease.HeadBytes + 64
		if s.bulk.leases == loadLeases || (s.bulk.leases > 0 && s.bulk.bytes+size > loadBytes) {
			if err := s.flushLoad(ctx, &loaded); err != nil {
				return loaded, err
			}
		}
		if err := s.addLoad(key, l); err != nil {
			return loaded, err
		}
		s.bulk.leases++
		s.bulk.bytes += size
	}
	err := s.flushLoad(ctx, &loaded)
	return loaded, err
}

func (s *Session) addLoad(key []byte, l *lease.Lease) error {
	raw, err := l.AppendBinary(s.arena.take(lease.HeadBytes + len(l.NodeID) + len(l.CustomData)))
	if err != nil {
		return fmt.Errorf("%w: %w", engines.ErrInvalid, err)
	}
	key = s.arena.copy(key)
	s.batch.Require(engines.Leases, key, 0)
	s.batch.Put(engines.Leases, key, raw)
	// Not enter: nothing is removed in this batch, and looking for it would
	// compare every pair of operations.
	s.batch.Put(engines.Index, nodeKey(&s.arena, l.NodeID, key), encodeDue(s.arena.take(dueBytes), l.ExpiresAt))
	s.batch.Put(engines.Index, s.expiryKey(l.ExpiresAt, key), nil)
	return nil
}

func (s *Session) flushLoad(ctx context.Context, loaded *int) error {
	if s.bulk.leases == 0 {
		return nil
	}
	if err := s.engine.Apply(ctx, &s.batch); err != nil {
		return err
	}
	*loaded += s.bulk.leases
	s.begin()
	s.bulk = bulk{}
	return nil
}

// Remove removes the leases under keys, whoever holds them, with their index
// records, in batches, and returns how many there were. A key without a lease
// is passed over. What keys yields need be valid only until it is asked for more.
func (s *Session) Remove(ctx context.Context, keys iter.Seq[[]byte]) (int, error) {
	removed := 0
	s.keys.reset()
	for key := range keys {
		s.keys.add(key)
		if len(s.keys.ends) < sweepBatch {
			continue
		}
		n, err := s.removeKeys(ctx)
		removed += n
		if err != nil {
			return removed, err
		}
		s.keys.reset()
	}
	n, err := s.removeKeys(ctx)
	return removed + n, err
}

// removeKeys removes the leases of s.keys: in one batch, or one by one where
// that loses a race or names a key twice.
func (s *Session) removeKeys(ctx context.Context) (int, error) {
	n, err := s.removeRange(ctx, 0, len(s.keys.ends))
	if !errors.Is(err, engines.ErrConflict) && !errors.Is(err, engines.ErrInvalid) {
		return n, err
	}
	removed := 0
	for i := range s.keys.ends {
		for attempt := 1; ; attempt++ {
			n, err := s.removeRange(ctx, i, i+1)
			removed += n
			if err == nil {
				break
			}
			if !errors.Is(err, engines.ErrConflict) || attempt == maxAttempts {
				return removed, err
			}
		}
	}
	return removed, nil
}

func (s *Session) removeRange(ctx context.Context, i, n int) (removed int, err error) {
	s.begin()
	for ; i < n; i++ {
		key := s.keys.at(i)
		raw, v, err := s.Get(ctx, key)
		if errors.Is(err, engines.ErrNotFound) {
			continue
		}
		if err != nil {
			return 0, err
		}
		if err := lease.CheckHead(raw); err != nil {
			return 0, fmt.Errorf("lease %x: %w", key, err)
		}
		if err := s.unindex(ctx, key, lease.HolderOf(raw)); err != nil {
			return 0, err
		}
		s.batch.Require(engines.Leases, key, v)
		s.batch.Delete(engines.Leases, key)
		removed++
	}
	if err := s.engine.Apply(ctx, &s.batch); err != nil {
		return 0, err
	}
	return removed, nil
}
