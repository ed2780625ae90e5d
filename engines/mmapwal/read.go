package mmapwal

import (
	"bytes"
	"context"
	"errors"
	"runtime/debug"
	"sync"

	"orbitbench/engines"
	"orbitbench/engines/internal/order"
)

// Get is engines.Engine: one lookup and one copy under the stripe's lock.
func (e *engine) Get(ctx context.Context, ks engines.Keyspace, key, dst []byte) (out []byte, v engines.Version, err error) {
	if err := engines.ValidateKey(ks, key); err != nil {
		return dst, 0, err
	}
	if err := ctx.Err(); err != nil {
		return dst, 0, err
	}
	out = dst
	h := e.hash(ks, key)
	s := e.stripe(ks, h)
	defer e.guard(debug.SetPanicOnFault(true), &err)
	s.mu.Lock()
	defer s.mu.Unlock()
	rec, err := e.visible(s, uint32(h), key)
	if err != nil {
		return dst, 0, err
	}
	return append(dst, rec.value()...), rec.version(), nil
}

// visible returns the record that a reader sees. A commit that is not durable yet is
// not waited for: the record is still what it was.
func (e *engine) visible(s *stripe, tag uint32, key []byte) (record, error) {
	if err := e.ready(s); err != nil {
		return nil, err
	}
	r, rec, _, err := e.lookup(s, tag, key)
	if err != nil {
		return nil, err
	}
	if r == 0 || rec.state() != stateUsed {
		return nil, engines.ErrNotFound
	}
	return rec, nil
}

// Lend is engines.Lender: the value is lent where it lies in the mapping, under the stripe's lock.
func (e *engine) Lend(ctx context.Context, ks engines.Keyspace, key []byte, use func(value []byte, v engines.Version) error) (err error) {
	if err := engines.ValidateKey(ks, key); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	h := e.hash(ks, key)
	s := e.stripe(ks, h)
	defer e.guard(debug.SetPanicOnFault(true), &err)
	s.mu.Lock()
	defer s.mu.Unlock()
	rec, err := e.visible(s, uint32(h), key)
	if err != nil {
		return err
	}
	value := rec.value()
	return use(value[:len(value):len(value)], rec.version())
}

var _ engines.Lender = (*engine)(nil)

// Scan is engines.Engine: keys come from the keyspace's ordered set in
// batches, and each record is read under its stripe's lock as Get reads it.
func (e *engine) Scan(ctx context.Context, ks engines.Keyspace, from, to []byte, yield func(key, value []byte, v engines.Version) error) error {
	if !ks.Valid() {
		return engines.ValidateKey(ks, nil)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if to != nil && bytes.Compare(from, to) >= 0 {
		return e.open()
	}
	c := scanners.Get().(*scanner)
	defer scanners.Put(c)
	from, after := bytes.Clone(from), false
	for size := firstBatch; ; size = min(2*size, lastBatch) {
		if err := e.collect(ctx, c, ks, from, to, after, size); err != nil {
			return err
		}
		for i := range c.keys.Len() {
			key := c.keys.At(i)
			value, v, err := e.Get(ctx, ks, key, c.value[:0])
			c.value = value
			if errors.Is(err, engines.ErrNotFound) {
				continue // deleted since the batch was collected
			}
			if err != nil {
				return err
			}
			if err := yield(key, value, v); err != nil {
				return stopped(err)
			}
		}
		if c.keys.Len() < size {
			return nil
		}
		from, after = append(from[:0], c.keys.At(c.keys.Len()-1)...), true
	}
}

// Batches of a scan grow, so that a short one reads few keys too many and a
// long one seeks seldom.
const (
	firstBatch = 32
	lastBatch  = 512
)

// scanner is the memory of one scan.
type scanner struct {
	keys  order.Keys
	value []byte
}

var scanners = sync.Pool{New: func() any { return new(scanner) }}

// stopped is what a scan returns that yield has ended with err.
func stopped(err error) error {
	if errors.Is(err, engines.ErrStopScan) {
		return nil
	}
	return err
}

// collect copies the next keys, so that nothing is locked while they are read.
func (e *engine) collect(ctx context.Context, c *scanner, ks engines.Keyspace, from, to []byte, after bool, size int) (err error) {
	if err := e.open(); err != nil {
		return err
	}
	o, err := e.order(ctx, ks)
	if err != nil {
		return err
	}
	defer e.guard(debug.SetPanicOnFault(true), &err)
	return o.Keys(&c.keys, from, to, after, size)
}

// eachRecord calls yield with every record of a loaded stripe that readers may see.
// Pages are verified as they are met. Called under the stripe's lock.
func (e *engine) eachRecord(s *stripe, yield func(r ref, rec record) error) error {
	for entry := range s.entries {
		_, mem, i := e.entryAt(s, entry)
		w := indexEntry(mem, i)
		l := decodeLedger(w)
		if w == 0 || l.kind != ledgerSlab && l.kind != ledgerSpan {
			continue
		}
		if err := e.verified(l.page); err != nil {
			return err
		}
		if err := e.eachOf(l, yield); err != nil {
			return err
		}
	}
	return nil
}

func (e *engine) eachOf(l ledgerEntry, yield func(r ref, rec record) error) error {
	one := func(r ref) error {
		rec := e.rec(r)
		if rec.state() != stateUsed {
			return nil
		}
		if err := e.verifiedRest(r, rec); err != nil {
			return err
		}
		return yield(r, rec)
	}
	if l.kind == ledgerSpan {
		return one(makeRef(l.page, pageHead))
	}
	mem := e.page(l.page)
	for slot := range classes[l.a].slots {
		if !slotIsUsed(mem, slot) {
			continue
		}
		if err := one(makeRef(l.page, slotOffset(l.a, slot))); err != nil {
			return err
		}
	}
	return nil
}
