package directory

import (
	"context"
	"errors"
	"fmt"
	"math"

	"orbitbench/engines"
	"orbitbench/engines/lease"
)

// sweepBatch is the number of leases that a sweep or a removal settles in one
// batch. A race spoils the whole batch, which is then done one by one.
const sweepBatch = 64

// Sweep removes leases that have run out at time now, at most limit of them (0
// or less: all), and returns how many. It reads the expiry records that are due,
// and moves those of leases that were renewed to their new expiry. What another
// session changes meanwhile is left to the next sweep.
func (s *Session) Sweep(ctx context.Context, now int64, limit int) (expired int, err error) {
	s.begin()
	from := appendExpiryKey(make([]byte, 0, engines.MaxKeyBytes+1), math.MinInt64, nil)
	to := prefixEnd(appendExpiryKey(nil, now, nil))
	for {
		if err := s.collect(ctx, from, to, sweepBatch); err != nil {
			return expired, err
		}
		n := len(s.keys.ends)
		if n == 0 {
			return expired, nil
		}
		from = append(append(from[:0], s.keys.at(n-1)...), 0)
		last := n
		if limit > 0 {
			last = min(n, limit-expired)
		}
		removed, err := s.sweepKeys(ctx, now, 0, last)
		if errors.Is(err, engines.ErrConflict) {
			removed, err = s.sweepEach(ctx, now, last)
		}
		expired += removed
		if err != nil || (limit > 0 && expired >= limit) {
			return expired, err
		}
		if last < n {
			// Fewer than limit had expired: the rest of the chunk is still to do.
			from = append(from[:0], s.keys.at(last)...)
		}
	}
}

// sweepEach settles the first n keys of s.keys one by one, and leaves those
// that somebody else is changing.
func (s *Session) sweepEach(ctx context.Context, now int64, n int) (removed int, err error) {
	for i := range n {
		one, err := s.sweepKeys(ctx, now, i, i+1)
		if err != nil && !errors.Is(err, engines.ErrConflict) {
			return removed, err
		}
		removed += one
	}
	return removed, nil
}

// sweepKeys settles the expiry records [i, n) of s.keys in one batch and returns
// how many leases it removed; with an error none.
func (s *Session) sweepKeys(ctx context.Context, now int64, i, n int) (removed int, err error) {
	s.begin()
	for ; i < n; i++ {
		gone, err := s.settle(ctx, s.keys.at(i), now)
		if err != nil {
			return 0, err
		}
		if gone {
			removed++
		}
	}
	if err := s.engine.Apply(ctx, &s.batch); err != nil {
		return 0, err
	}
	return removed, nil
}

// settle adds to the batch what is to be done about one expiry record that is
// due, and reports whether its lease will be removed.
func (s *Session) settle(ctx context.Context, record []byte, now int64) (gone bool, err error) {
	if len(record) <= 1+dueBytes {
		return false, fmt.Errorf("index record %x: key of %d bytes, more than %d: %w", record, len(record), 1+dueBytes, lease.ErrFormat)
	}
	due, key := decodeDue(record[1:]), record[1+dueBytes:]
	raw, v, err := s.Get(ctx, key)
	if errors.Is(err, engines.ErrNotFound) {
		// It points nowhere. Whoever grants the lease again writes a record of its own.
		s.batch.Require(engines.Leases, key, 0)
		s.batch.Delete(engines.Index, record)
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := lease.CheckHead(raw); err != nil {
		return false, fmt.Errorf("lease %x: %w", key, err)
	}
	byNode := nodeKey(&s.arena, lease.HolderOf(raw), key)
	have, index, err := s.lookup(ctx, byNode)
	if err != nil && !errors.Is(err, engines.ErrNotFound) {
		return false, err
	}
	s.batch.Require(engines.Index, byNode, index)
	s.batch.Delete(engines.Index, record)
	expires := lease.ExpiresAt(raw)
	switch {
	case err != nil || have != due: // left behind: the lease has another expiry record
	case expires <= now:
		s.batch.Require(engines.Leases, key, v)
		s.batch.Delete(engines.Leases, key)
		s.batch.Delete(engines.Index, byNode)
		return true, nil
	default: // renewed
		s.batch.Put(engines.Index, byNode, encodeDue(s.arena.take(dueBytes), expires))
		s.batch.Put(engines.Index, s.expiryKey(expires, key), nil)
	}
	return false, nil
}
