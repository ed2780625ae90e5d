package index

import (
	"context"
	"sync"
	"sync/atomic"

	"orbitbench/engines"
	"orbitbench/engines/internal/arena"
)

// order is the ordered set of one keyspace. It does not exist until the first
// scan of the keyspace asks for it, so that loading, recovery and insertion
// into keyspaces that nobody scans do not pay for it; from then on every
// insertion and removal goes into it, and renewals never do. Building sorts
// the keys of the keyspace once: about 0.35 s for a million index records
// here. A scan then costs a binary search and its own records.
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
	ref arena.Ref // 0: removed
}

// put adds a record or replaces its block. Called under the lock of the key's stripe.
func (o *order) put(ix *Index, key []byte, ref arena.Ref) { o.change(key, ref) }

// remove takes a record out; its block may be freed afterwards.
func (o *order) remove(ix *Index, key []byte) { o.change(key, 0) }

func (o *order) change(key []byte, ref arena.Ref) {
	if o.state.Load() == orderOff {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.state.Load() == orderBuilding {
		o.late = append(o.late, lateChange{append([]byte(nil), key...), ref})
		return
	}
	o.apply(key, ref)
}

func (o *order) apply(key []byte, ref arena.Ref) {
	if ref == 0 {
		o.set.Delete(key)
		return
	}
	o.set.Put(key, ref)
}

// ready makes sure that the ordered set exists.
func (o *order) ready(ctx context.Context, ix *Index, ks engines.Keyspace) error {
	if o.state.Load() == orderOn {
		return nil
	}
	o.build.Lock()
	defer o.build.Unlock()
	if o.state.Load() == orderOn {
		return nil
	}
	ix.limbo.enter()
	defer ix.limbo.leave(ix.arena)
	o.mu.Lock()
	o.state.Store(orderBuilding)
	o.mu.Unlock()
	refs, err := ix.collectRefs(ctx, ks)
	if err != nil {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.state.Store(orderOff)
		o.late = nil
		return err
	}
	set := arena.Build(keysOf{ix}, refs)
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

// collectRefs returns the records of a keyspace. A change to a stripe is
// either seen here or recorded as late, or both, which does no harm.
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
