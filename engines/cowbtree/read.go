package cowbtree

import (
	"bytes"
	"context"
	"errors"
	"sync"

	"orbitbench/engines"
)

// Get is engines.Engine. It takes no lock, unless it is the first to need a page.
func (e *engine) Get(ctx context.Context, ks engines.Keyspace, key, dst []byte) ([]byte, engines.Version, error) {
	return e.get(ctx, 0, ks, key, dst)
}

// get reads from a table of roots, the current one if it is 0.
func (e *engine) get(ctx context.Context, top ref, ks engines.Keyspace, key, dst []byte) ([]byte, engines.Version, error) {
	if err := engines.ValidateKey(ks, key); err != nil {
		return dst, 0, err
	}
	if err := ctx.Err(); err != nil {
		return dst, 0, err
	}
	p := e.heap.epochs.pin()
	if e.closing.Load() {
		p.unpin()
		return dst, 0, engines.ErrClosed
	}
	from := top
	if from == 0 {
		from = ref(e.tree.root.Load())
	}
	rec, stub := e.heap.lookup(from, ks, key)
	if stub != 0 {
		err := e.loader.load(stub)
		p.unpin()
		if err != nil {
			return dst, 0, err
		}
		e.patch(ks, key)
		return e.get(ctx, top, ks, key, dst)
	}
	if rec == nil {
		p.unpin()
		return dst, 0, engines.ErrNotFound
	}
	dst = append(dst, rec.value()...)
	v := rec.version()
	p.unpin()
	return dst, v, nil
}

// patch puts the pages that have been read on the way to key in the place of their stubs.
func (e *engine) patch(ks engines.Keyspace, key []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return
	}
	e.tree.seek(ks, key)
	e.tree.flush()
}

// Scan is engines.Engine: records are copied in batches, each from the tree as it is at
// that moment, so that nothing is held while yield runs.
func (e *engine) Scan(ctx context.Context, ks engines.Keyspace, from, to []byte, yield func(key, value []byte, v engines.Version) error) error {
	return e.scan(ctx, 0, ks, from, to, yield)
}

// Batches of a scan grow, so that a short one reads few records too many and a
// long one walks down the tree seldom.
const (
	firstBatch = 32
	lastBatch  = 512
	batchBytes = 256 << 10
)

// scanner is the memory of one scan.
type scanner struct {
	way   way
	from  []byte
	bytes []byte
	ends  []scanned
}

// scanned is a record in scanner.bytes.
type scanned struct {
	keyEnd, valueEnd int
	version          engines.Version
}

var scanners = sync.Pool{New: func() any { return new(scanner) }}

func (e *engine) scan(ctx context.Context, top ref, ks engines.Keyspace, from, to []byte, yield func(key, value []byte, v engines.Version) error) error {
	if !ks.Valid() {
		return engines.ValidateKey(ks, nil)
	}
	c := scanners.Get().(*scanner)
	defer scanners.Put(c)
	c.from = append(c.from[:0], from...)
	for size := firstBatch; ; size = min(2*size, lastBatch) {
		if err := ctx.Err(); err != nil {
			return err
		}
		more, err := e.batch(c, top, ks, to, size)
		if err != nil {
			return err
		}
		begin := 0
		for _, s := range c.ends {
			key, value := c.bytes[begin:s.keyEnd:s.keyEnd], c.bytes[s.keyEnd:s.valueEnd:s.valueEnd]
			begin = s.valueEnd
			if err := yield(key, value, s.version); err != nil {
				if errors.Is(err, engines.ErrStopScan) {
					return nil
				}
				return err
			}
		}
		if !more {
			return nil
		}
	}
}

// batch copies the next records, and moves c.from behind them. more is false at the end of the range.
func (e *engine) batch(c *scanner, top ref, ks engines.Keyspace, to []byte, size int) (more bool, err error) {
	for {
		c.bytes, c.ends = c.bytes[:0], c.ends[:0]
		p := e.heap.epochs.pin()
		if e.closing.Load() {
			p.unpin()
			return false, engines.ErrClosed
		}
		from := top
		if from == 0 {
			from = ref(e.tree.root.Load())
		}
		more, stub := e.heap.collectRange(c, from, ks, to, size)
		if stub == 0 || len(c.ends) > 0 {
			p.unpin()
			return more, nil
		}
		err := e.loader.load(stub)
		p.unpin()
		if err != nil {
			return false, err
		}
		e.patch(ks, c.from)
	}
}

// collectRange copies records from c.from on. It ends early at a page that has not
// been read, which it returns.
func (m mem) collectRange(c *scanner, top ref, ks engines.Keyspace, to []byte, size int) (more bool, stub ref) {
	r := m.roots(top).get(ks)
	if r == 0 || to != nil && bytes.Compare(c.from, to) >= 0 {
		return false, 0
	}
	r, n := m.resolve(r)
	d := 0
	for n.kind == kindInner {
		c.way.refs[d], c.way.at[d] = r, m.child(n, c.from)
		r, n = m.resolve(n.id(c.way.at[d]))
		d++
	}
	if n.kind == kindStub {
		return true, r
	}
	i, _ := m.position(n, c.from)
	for {
		for ; i < n.len(); i++ {
			rec := m.record(n.id(i))
			if to != nil && bytes.Compare(rec.key(), to) >= 0 {
				return false, 0
			}
			c.take(rec)
			if len(c.ends) >= size || len(c.bytes) >= batchBytes {
				return true, 0
			}
		}
		if n, d = m.next(&c.way, d); d < 0 {
			return false, 0
		}
		if n.kind == kindStub {
			// A caller that has records goes on from behind them; one that has none loads.
			if len(c.ends) == 0 {
				c.from = append(c.from[:0], m.leftmost(&c.way, d)...)
			}
			return true, m.refOfNode(n)
		}
		i = 0
	}
}

// take copies a record, and moves from behind it.
func (c *scanner) take(rec *record) {
	c.bytes = append(c.bytes, rec.key()...)
	k := len(c.bytes)
	c.bytes = append(c.bytes, rec.value()...)
	c.ends = append(c.ends, scanned{k, len(c.bytes), rec.version()})
	c.from = append(append(c.from[:0], rec.key()...), 0)
}

// next walks from the leaf at depth d of the way to the one behind it, or to the stub in
// its place. Its depth is below 0 if there is none.
func (m mem) next(w *way, d int) (*node, int) {
	for d--; d >= 0; d-- {
		if n := m.node(w.refs[d]); w.at[d]+1 < n.len() {
			break
		}
	}
	if d < 0 {
		return nil, -1
	}
	w.at[d]++
	r, n := m.resolve(m.node(w.refs[d]).id(w.at[d]))
	for d++; n.kind == kindInner; d++ {
		w.refs[d], w.at[d] = r, 0
		r, n = m.resolve(n.id(0))
	}
	return n, d
}

// leftmost returns the separator at which the subtree at depth d of the way begins.
func (m mem) leftmost(w *way, d int) []byte {
	for d--; d >= 0; d-- {
		if w.at[d] > 0 {
			return m.separator(m.node(w.refs[d]).seps()[w.at[d]]).key()
		}
	}
	return nil
}
