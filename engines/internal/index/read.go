package index

import (
	"bytes"
	"context"
	"errors"
	"sync"

	"orbitbench/engines"
	"orbitbench/engines/internal/arena"
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
	if s.closed {
		return dst, 0, engines.ErrClosed
	}
	// A commit that is not durable yet is not waited for: the record is still what it was.
	ref, rec, _ := ix.lookup(s, h, ks, key)
	if ref == 0 || rec.version() == 0 {
		return dst, 0, engines.ErrNotFound
	}
	return append(dst, rec.value()...), rec.version(), nil
}

// Scan is engines.Engine: keys come from the keyspace's ordered set in
// batches, and each record is read under its stripe's lock as Get reads it.
func (ix *Index) Scan(ctx context.Context, ks engines.Keyspace, from, to []byte, yield func(key, value []byte, v engines.Version) error) error {
	return ix.scan(ctx, ks, from, to, ix.Get, yield)
}

// Batches of a scan grow, so that a short one reads few keys too many and a
// long one seeks seldom.
const (
	firstBatch = 32
	lastBatch  = 512
)

// scanner is the memory of one scan.
type scanner struct {
	refs  []arena.Ref
	keys  []byte
	ends  []int
	value []byte
}

var scanners = sync.Pool{New: func() any { return new(scanner) }}

type getFunc func(ctx context.Context, ks engines.Keyspace, key, dst []byte) ([]byte, engines.Version, error)

// scan yields what get says of every key that the ordered set has in [from, to).
func (ix *Index) scan(ctx context.Context, ks engines.Keyspace, from, to []byte, get getFunc, yield func(key, value []byte, v engines.Version) error) error {
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
		if err := ix.collect(ctx, c, ks, from, to, after, size); err != nil {
			return err
		}
		begin := 0
		for _, end := range c.ends {
			key := c.keys[begin:end:end]
			begin = end
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
		if len(c.ends) < size {
			return nil
		}
		last := 0
		if n := len(c.ends); n > 1 {
			last = c.ends[n-2]
		}
		from, after = append(from[:0], c.keys[last:]...), true
	}
}

// stopped is what a scan returns that yield has ended with err.
func stopped(err error) error {
	if errors.Is(err, engines.ErrStopScan) {
		return nil
	}
	return err
}

// collect copies the next keys, so that nothing is locked while they are read.
func (ix *Index) collect(ctx context.Context, c *scanner, ks engines.Keyspace, from, to []byte, after bool, size int) error {
	o := &ix.orders[ks]
	if err := o.ready(ctx, ix, ks); err != nil {
		return err
	}
	o.mu.RLock()
	defer o.mu.RUnlock()
	if o.closed {
		return engines.ErrClosed
	}
	c.refs = o.set.Collect(c.refs[:0], from, to, after, size)
	c.keys, c.ends = c.keys[:0], c.ends[:0]
	for _, ref := range c.refs {
		c.keys = append(c.keys, ix.rec(ref).key()...)
		c.ends = append(c.ends, len(c.keys))
	}
	return nil
}
