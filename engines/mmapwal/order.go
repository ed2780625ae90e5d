package mmapwal

import (
	"context"
	"runtime/debug"

	"orbitbench/engines"
	"orbitbench/engines/internal/arena"
	"orbitbench/engines/internal/order"
)

// order makes sure that the ordered set of a keyspace exists, and returns it. It holds
// refs in the order of their keys, which stay in the mapping.
func (e *engine) order(ctx context.Context, ks engines.Keyspace) (*order.Set, error) {
	o := &e.orders[ks]
	if !o.Begin() {
		return o, nil
	}
	defer o.End()
	e.limbo.Add(1)
	err := e.makeOrder(ctx, o, ks)
	if e.limbo.Add(-1) == 0 {
		if lerr := e.emptyLimbo(); err == nil {
			err = lerr
		}
	}
	return o, err
}

func (e *engine) makeOrder(ctx context.Context, o *order.Set, ks engines.Keyspace) (err error) {
	defer e.guard(debug.SetPanicOnFault(true), &err)
	return o.Make(keysOf{e}, func() ([]arena.Ref, error) { return e.collectRefs(ctx, ks) })
}

// stripesOf returns the stripes of a keyspace.
func (e *engine) stripesOf(ks engines.Keyspace) []stripe {
	first := int(firstStripe[ks])
	return e.stripes[first : first+1<<stripeBits[ks]]
}

// collectRefs returns the records of a keyspace.
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
