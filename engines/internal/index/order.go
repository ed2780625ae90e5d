package index

import (
	"context"
	"sync"
	"sync/atomic"

	"orbitbench/engines"
	"orbitbench/engines/internal/arena"
	"orbitbench/engines/internal/order"
)

// order makes sure that the ordered set of a keyspace exists, and returns it.
func (ix *Index) order(ctx context.Context, ks engines.Keyspace) (*order.Set, error) {
	o := &ix.orders[ks]
	if !o.Begin() {
		return o, nil
	}
	defer o.End()
	ix.limbo.enter()
	defer ix.limbo.leave(ix.arena)
	return o, o.Make(keysOf{ix}, func() ([]arena.Ref, error) { return ix.collectRefs(ctx, ks) })
}

// collectRefs returns the records of a keyspace.
func (ix *Index) collectRefs(ctx context.Context, ks engines.Keyspace) ([]arena.Ref, error) {
	if err := ix.LoadAll(ctx); err != nil {
		return nil, err
	}
	var refs []arena.Ref
	for i := range ix.stripes {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		s := &ix.stripes[i]
		s.mu.Lock()
		if err := ix.enter(s); err != nil {
			s.mu.Unlock()
			return nil, err
		}
		s.table.All(func(ref arena.Ref) bool {
			// Ghosts are in the set as well, for the views that know them;
			// a record that is being created joins when it is published.
			if r := ix.rec(ref); r.keyspace() == ks && (r.version() != 0 || s.viewSeq != 0) {
				refs = append(refs, ref)
			}
			return true
		})
		s.mu.Unlock()
	}
	return refs, nil
}

// keysOf gives an ordered set the keys of its records.
type keysOf struct{ ix *Index }

func (k keysOf) Key(ref arena.Ref) []byte { return k.ix.rec(ref).key() }

// limbo keeps freed blocks as they are while an ordered set is being built from their keys.
type limbo struct {
	active atomic.Int32 // builders
	mu     sync.Mutex
	blocks []freed // guarded by mu
}

type freed struct {
	ref  arena.Ref
	size int
}

func (l *limbo) enter() { l.active.Add(1) }

func (l *limbo) take(ref arena.Ref, size int) bool {
	if l.active.Load() == 0 {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.active.Load() == 0 {
		return false
	}
	l.blocks = append(l.blocks, freed{ref, size})
	return true
}

func (l *limbo) leave(a *arena.Arena) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.active.Add(-1) > 0 {
		return
	}
	for _, f := range l.blocks {
		a.Free(f.ref, f.size)
	}
	l.blocks = nil
}
