package directory

import (
	"context"
	"errors"
	"fmt"

	"orbitbench/engines"
	"orbitbench/engines/lease"
)

// listChunk is the number of index records taken from a scan at a time: a scan
// must not call the engine, so the leases are read between two scans.
const listChunk = 256

// ListByNode calls yield with the leases that node holds, in key order, at most
// limit of them (0 or less: all), and returns how many there were. Leases that
// have expired and that nobody has taken over are among them. A lease that node
// holds all the while is seen exactly once. key and value are valid until yield
// returns; yield must not use this session. An error of yield ends the list and
// is returned, except that engines.ErrStopScan ends it with nil.
func (s *Session) ListByNode(ctx context.Context, node string, limit int, yield func(key []byte, v engines.Version, value []byte) error) (int, error) {
	if err := checkIndexed(node, nil); err != nil {
		return 0, err
	}
	s.begin()
	prefix := appendNodePrefix(s.arena.take(2+len(node)), node)
	end := prefixEnd(s.arena.copy(prefix))
	// from grows by one byte beyond the last key seen.
	from := append(s.arena.take(engines.MaxKeyBytes+1), prefix...)
	seen := 0
	for {
		want := listChunk
		if limit > 0 {
			want = min(want, limit-seen)
		}
		if err := s.collect(ctx, from, end, want); err != nil {
			return seen, err
		}
		for i := range s.keys.ends {
			key := s.keys.at(i)[len(prefix):]
			if len(key) == 0 {
				return seen, fmt.Errorf("index record %x: no lease key after the node id: %w", prefix, lease.ErrFormat)
			}
			raw, v, err := s.Get(ctx, key)
			if errors.Is(err, engines.ErrNotFound) {
				continue
			}
			if err != nil {
				return seen, err
			}
			if lease.CheckHead(raw) != nil || string(lease.HolderOf(raw)) != node {
				continue // taken over since the index was read
			}
			seen++
			if err := yield(key, v, raw); err != nil {
				if errors.Is(err, engines.ErrStopScan) {
					err = nil
				}
				return seen, err
			}
		}
		n := len(s.keys.ends)
		if n < want || (limit > 0 && seen >= limit) {
			return seen, nil
		}
		from = append(append(from[:0], s.keys.at(n-1)...), 0)
	}
}

// collect reads up to limit keys of Index in [from, to) into s.keys.
func (s *Session) collect(ctx context.Context, from, to []byte, limit int) error {
	s.keys.reset()
	return s.engine.Scan(ctx, engines.Index, from, to, func(key, _ []byte, _ engines.Version) error {
		s.keys.add(key)
		if len(s.keys.ends) >= limit {
			return engines.ErrStopScan
		}
		return nil
	})
}

// List calls yield with every lease in key order. It is a scan of the engine:
// key and value are valid until yield returns, and yield must not call the engine.
func (s *Session) List(ctx context.Context, yield func(key []byte, v engines.Version, value []byte) error) error {
	return s.engine.Scan(ctx, engines.Leases, nil, nil, func(key, value []byte, v engines.Version) error {
		return yield(key, v, value)
	})
}
