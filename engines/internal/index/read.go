package index

import (
	"bytes"
	"context"
	"errors"
	"sync"

	"orbitbench/engines"
)

// Get is engines.Engine: one lookup and one copy under the stripe's lock.
func (ix *Index) Get(ctx context.Context, ks engines.Keyspace, key, dst []byte) ([]byte, engines.Version, error) {
	if err := engines.ValidateKey(ks, key); err != nil {
		return dst, 0, err
	}
	if err := ctx.Err(); err != nil {
		return dst, 0, err
	}
	h := ix.hash(ks, key)
	s := ix.stripe(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gate != 0 {
		if value, v, served, err := ix.peek(s, h, ks, key, dst); served {
			return value, v, err
		}
		if err := ix.enter(s); err != nil {
			return dst, 0, err
		}
	}
	// A commit that is not durable yet is not waited for: the record is still what it was.
	ref, rec, _ := ix.lookup(s, h, ks, key)
	if ref == 0 || rec.version() == 0 {
		return dst, 0, engines.ErrNotFound
	}
	return append(dst, rec.value()...), rec.version(), nil
}

// Use notes that a record of the query cache was read, so that it is evicted later.
func (ix *Index) Use(key []byte) {
	h := ix.hash(engines.QueryCache, key)
	s := ix.stripe(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	if ref, _, r := ix.find(s, h, engines.QueryCache, key); ref != 0 {
		r.setRead(true)
	}
}

// Scan is engines.Engine: keys come from the keyspace's ordered set in
// batches, and each record is read under its stripe's lock as Get reads it.
func (ix *Index) Scan(ctx context.Context, ks engines.Keyspace, from, to []byte, yield func(key, value []byte, v engines.Version) error) error {
	return ix.ScanBy(ctx, ks, from, to, ix.Get, yield)
}

// Batches of a scan grow, so that a short one reads few keys too many and a
// long one seeks seldom.
const (
	firstBatch = 32
	lastBatch  = 512
)

// scanner is the memory of one scan.
type scanner struct {
	keys  Keys
	value []byte
}

var scanners = sync.Pool{New: func() any { return new(scanner) }}

// GetFunc is the Get of an engine or a view.
type GetFunc func(ctx context.Context, ks engines.Keyspace, key, dst []byte) ([]byte, engines.Version, error)

// ScanBy yields what get says of every key that the ordered set has in [from, to).
func (ix *Index) ScanBy(ctx context.Context, ks engines.Keyspace, from, to []byte, get GetFunc, yield func(key, value []byte, v engines.Version) error) error {
	if !ks.Valid() {
		return engines.ValidateKey(ks, nil)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if to != nil && bytes.Compare(from, to) >= 0 {
		return ix.open()
	}
	c := scanners.Get().(*scanner)
	defer scanners.Put(c)
	from, after := bytes.Clone(from), false
	for size := firstBatch; ; size = min(2*size, lastBatch) {
		if err := ix.Keys(ctx, &c.keys, ks, from, to, after, size); err != nil {
			return err
		}
		n := c.keys.Len()
		for i := range n {
			key := c.keys.At(i)
			value, v, err := get(ctx, ks, key, c.value[:0])
			c.value = value
			if errors.Is(err, engines.ErrNotFound) {
				continue // deleted since the batch was collected, or not there in this view
			}
			if err != nil {
				return err
			}
			if err := yield(key, value, v); err != nil {
				return stopped(err)
			}
		}
		if n < size {
			return nil
		}
		from, after = append(from[:0], c.keys.At(n-1)...), true
	}
}

// stopped is what a scan returns that yield has ended with err.
func stopped(err error) error {
	if errors.Is(err, engines.ErrStopScan) {
		return nil
	}
	return err
}
