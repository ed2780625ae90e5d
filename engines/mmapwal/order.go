package mmapwal

import (
	"context"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"orbitbench/engines"
	"orbitbench/engines/internal/arena"
)

// order is the ordered set of one keyspace: refs in the order of their keys, which
// stay in the mapping. It does not exist until the first scan of the keyspace
// asks for it, so that loading, recovery and insertion into keyspaces that nobody
// scans do not pay for it; from then on every put and delete goes into it, and
// renewals never do.
type order struct {
	state atomic.Int32 // orderOff, orderBuilding, orderOn; changed under mu
	build sync.Mutex   // one builder at a time

	mu     sync.RWMutex // after the lock of a stripe, never before it
	set    *arena.Ordered
	late   []lateChange // what changed while the set is being built
	closed bool
}

const (
	orderOff = iota
	orderBuilding
	orderOn
)

// lateChange is a change to an ordered set that does not exist yet.
type lateChange struct {
	key []byte
	ref ref // 0: removed
}

// put adds a record or replaces its place. Called under the lock of the key's stripe.
func (o *order) put(e *engine, key []byte, r ref) { o.change(key, r) }

// remove takes a record out; its place may be used again afterwards.
func (o *order) remove(e *engine, key []byte) { o.change(key, 0) }

func (o *order) change(key []byte, r ref) {
	if o.state.Load() == orderOff {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.state.Load() == orderBuilding {
		o.late = append(o.late, lateChange{append([]byte(nil), key...), r})
		return
	}
	o.apply(key, r)
}

func (o *order) apply(key []byte, r ref) {
	if r == 0 {
		o.set.Delete(key)
		return
	}
	o.set.Put(key, arena.Ref(r))
}

// ready makes sure that the ordered set exists.
func (o *order) ready(ctx context.Context, e *engine, ks engines.Keyspace) error {
	if o.state.Load() == orderOn {
		return nil
	}
	o.build.Lock()
	defer o.build.Unlock()
	if o.state.Load() == orderOn {
		return nil
	}
	e.limbo.Add(1)
	err := o.make(ctx, e, ks)
	if e.limbo.Add(-1) == 0 {
		if lerr := e.emptyLimbo(); err == nil {
			err = lerr
		}
	}
	return err
}

func (o *order) make(ctx context.Context, e *engine, ks engines.Keyspace) (err error) {
	defer e.guard(debug.SetPanicOnFault(true), &err)
	o.mu.Lock()
	closed := o.closed
	o.state.Store(orderBuilding)
	o.mu.Unlock()
	var refs []arena.Ref
	if err = engines.ErrClosed; !closed {
		refs, err = e.collectRefs(ctx, ks)
	}
	if err != nil {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.state.Store(orderOff)
		o.late = nil
		return err
	}
	set := arena.Build(keysOf{e}, refs)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.set = set
	for _, c := range o.late {
		o.apply(c.key, c.ref)
	}
	o.late = nil
	o.state.Store(orderOn)
	return nil
}

// stripesOf returns the stripes of a keyspace.
func (e *engine) stripesOf(ks engines.Keyspace) []stripe {
	first := int(firstStripe[ks])
	return e.stripes[first : first+1<<stripeBits[ks]]
}

// collectRefs returns the records of a keyspace. A change to a stripe is
// either seen here or recorded as late, or both, which does no harm.
func (e *engine) collectRefs(ctx context.Context, ks engines.Keyspace) ([]arena.Ref, error) {
	var refs []arena.Ref
	all := e.stripesOf(ks)
	for i := range all {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		err := e.withStripe(&all[i], func(s *stripe) error {
			return e.eachRecord(s, func(r ref, _ record) error {
				refs = append(refs, arena.Ref(r))
				return nil
			})
		})
		if err != nil {
			return nil, err
		}
	}
	return refs, nil
}

// withStripe calls f with a stripe that is ready, under its lock.
func (e *engine) withStripe(s *stripe, f func(s *stripe) error) (err error) {
	defer e.guard(debug.SetPanicOnFault(true), &err)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := e.ready(s); err != nil {
		return err
	}
	return f(s)
}

// emptyLimbo frees the places that were kept while ordered sets were being built.
func (e *engine) emptyLimbo() error {
	for i := range e.stripes {
		s := &e.stripes[i]
		s.mu.Lock()
		n := len(s.limbo)
		s.mu.Unlock()
		if n == 0 {
			continue
		}
		err := e.withStripe(s, func(s *stripe) error {
			if e.limbo.Load() > 0 { // another set is being built: it will come by
				return nil
			}
			for _, r := range s.limbo {
				e.freeRecord(s, r)
			}
			s.limbo = s.limbo[:0]
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// keysOf gives an ordered set the keys of its records.
type keysOf struct{ e *engine }

func (k keysOf) Key(r arena.Ref) []byte { return k.e.rec(ref(r)).key() }

// close waits for a builder and refuses every later scan.
func (o *order) close() {
	o.build.Lock()
	defer o.build.Unlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
}

// sizeBytes estimates the memory of the set: 12 bytes an entry in leaves that are two thirds full.
func (o *order) sizeBytes() int64 {
	o.mu.RLock()
	defer o.mu.RUnlock()
	if o.set == nil {
		return 0
	}
	return int64(o.set.Len()) * 18
}
