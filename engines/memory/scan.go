package memory

import (
	"context"
	"errors"
	"fmt"

	"orbitbench/engines"
)

// scanChunk is the number of keys taken from the order at a time.
const scanChunk = 256

func errFull(n, limit int64) error {
	return fmt.Errorf("%w: memory: %d records, max_entries is %d", engines.ErrFull, n, limit)
}

// Scan visits the records of [from, to) in key order; see engines.Engine. No
// lock is held while yield runs.
func (e *Engine) Scan(ctx context.Context, ks engines.Keyspace, from, to []byte, yield func(key, value []byte, v engines.Version) error) error {
	if !ks.Valid() {
		return fmt.Errorf("%w: unknown keyspace %d", engines.ErrInvalid, uint8(ks))
	}
	if err := e.enter(); err != nil {
		return err
	}
	defer e.life.RUnlock()
	next := func(dst []string, from []byte) []string {
		return e.orders[ks].collect(dst, from, to, scanChunk)
	}
	read := func(key, dst []byte) ([]byte, engines.Version) {
		s := &e.stripes[e.stripeOf(key)]
		s.mu.RLock()
		defer s.mu.RUnlock()
		if ent := s.maps[ks][string(key)]; ent != nil {
			return append(dst, ent.value...), ent.version
		}
		return dst, 0
	}
	return walk(ctx, from, next, read, yield)
}

// enter begins a call that Close waits for; the caller releases life.
func (e *Engine) enter() error {
	e.life.RLock()
	if e.closed {
		e.life.RUnlock()
		return engines.ErrClosed
	}
	return nil
}

// walk drives a scan: next lists up to scanChunk keys from a place on (fewer
// only at the end), read gets one record (version 0 if it is gone).
func walk(ctx context.Context, from []byte, next func(dst []string, from []byte) []string,
	read func(key, dst []byte) ([]byte, engines.Version), yield func(key, value []byte, v engines.Version) error) error {
	var keys []string
	var key, value []byte
	cursor := append([]byte(nil), from...)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		keys = next(keys[:0], cursor)
		for _, k := range keys {
			var version engines.Version
			key = append(key[:0], k...)
			if value, version = read(key, value[:0]); version == 0 {
				continue
			}
			if err := yield(key, value, version); err != nil {
				if errors.Is(err, engines.ErrStopScan) {
					return nil
				}
				return err
			}
		}
		if len(keys) < scanChunk {
			return nil
		}
		// The least key above the last one seen.
		cursor = append(append(cursor[:0], keys[len(keys)-1]...), 0)
	}
}
