package memory

import (
	"context"
	"hash/maphash"
	"math/bits"
	"sync"
	"sync/atomic"

	"orbitbench/engines"
	"orbitbench/engines/lease"
)

const numStripes = 256

// entry is one live record. The bytes of value are changed in place by renewals
// and by puts of the same length, so they never leave the stripe's lock.
type entry struct {
	version engines.Version
	value   []byte
}

// stripe is the share of all keyspaces that falls to one hash value.
type stripe struct {
	mu        sync.RWMutex
	maps      [engines.NumKeyspaces]map[string]*entry // guarded by mu
	floor     engines.Version                         // guarded by mu; at least every version of a key that is gone
	closed    bool                                    // guarded by mu
	commits   uint64                                  // guarded by mu
	conflicts uint64                                  // guarded by mu
	bytes     uint64                                  // guarded by mu; keys and values

	_ [64]byte // keeps the locks of neighbours on separate cache lines
}

// Engine is an open store. See the package comment.
type Engine struct {
	config  Config
	options engines.Options
	home    *home
	seed    maphash.Seed

	stripes [numStripes]stripe
	orders  [engines.NumKeyspaces]keyOrder // locked after a stripe, never before
	records atomic.Int64
	views   []*view // changed with every stripe locked, read with any one locked

	life   sync.RWMutex // held for reading by calls that take several locks in turn
	closed bool         // guarded by life

	backups     backups
	backupBytes atomic.Uint64
	backupCount atomic.Uint64
	restored    uint64
}

var (
	_ engines.Engine       = (*Engine)(nil)
	_ engines.LeaseRenewer = (*Engine)(nil)
	_ engines.Viewer       = (*Engine)(nil)
	_ engines.Snapshotter  = (*Engine)(nil)
)

func newEngine(c Config, o engines.Options, h *home) *Engine {
	e := &Engine{config: c, options: o, home: h, seed: maphash.MakeSeed()}
	for i := range e.stripes {
		e.stripes[i].floor = h.floor()
		for ks := range e.stripes[i].maps {
			e.stripes[i].maps[ks] = make(map[string]*entry)
		}
	}
	return e
}

func (e *Engine) log(format string, args ...any) { e.options.Log("memory: "+format, args...) }

func (e *Engine) stripeOf(key []byte) int {
	return int(maphash.Bytes(e.seed, key) % numStripes)
}

// stripeSet is a set of stripes.
type stripeSet [numStripes / 64]uint64

func (s *stripeSet) add(i int) { s[i/64] |= 1 << (i % 64) }

func (s *stripeSet) each(do func(i int)) {
	for word, w := range s {
		for ; w != 0; w &= w - 1 {
			do(word*64 + bits.TrailingZeros64(w))
		}
	}
}

var allStripes = stripeSet{^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0)}

func (e *Engine) lock(s *stripeSet)   { s.each(func(i int) { e.stripes[i].mu.Lock() }) }
func (e *Engine) unlock(s *stripeSet) { s.each(func(i int) { e.stripes[i].mu.Unlock() }) }

// first returns the lowest stripe of the set, which counts for the batch.
func (s *stripeSet) first() int {
	for word, w := range s {
		if w != 0 {
			return word*64 + bits.TrailingZeros64(w)
		}
	}
	return 0
}

// Apply commits b as one; see engines.Engine.
func (e *Engine) Apply(ctx context.Context, b *engines.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := b.Validate(); err != nil {
		return err
	}
	var set stripeSet
	for i := range b.Ops {
		set.add(e.stripeOf(b.Ops[i].Key))
	}
	for i := range b.Conditions {
		set.add(e.stripeOf(b.Conditions[i].Key))
	}
	if set == (stripeSet{}) {
		set.add(0) // an empty batch still learns whether the engine is closed
	}
	e.lock(&set)
	defer e.unlock(&set)
	count := &e.stripes[set.first()]
	if count.closed {
		return engines.ErrClosed
	}
	if err := e.check(b); err != nil {
		if _, ok := err.(*engines.ConflictError); ok {
			count.conflicts++
		}
		return err
	}
	for i := range b.Ops {
		e.apply(&b.Ops[i])
	}
	count.commits++
	return nil
}

// check judges conditions, renewals and the limit on records. It changes
// nothing but the count of records, and that only when it returns nil.
func (e *Engine) check(b *engines.Batch) error {
	for i := range b.Conditions {
		c := &b.Conditions[i]
		if have := e.version(c.Keyspace, c.Key); have != c.Version {
			return &engines.ConflictError{Keyspace: c.Keyspace, Want: c.Version, Have: have}
		}
	}
	grow := int64(0)
	for i := range b.Ops {
		op := &b.Ops[i]
		ent := e.stripes[e.stripeOf(op.Key)].maps[op.Keyspace][string(op.Key)]
		switch {
		case op.Kind == engines.OpRenew && ent == nil:
			return engines.ErrNotFound
		case op.Kind == engines.OpRenew:
			if err := op.Renewal.Check(ent.value); err != nil {
				return err
			}
		case op.Kind == engines.OpPut && ent == nil:
			grow++
		case op.Kind == engines.OpDelete && ent != nil:
			grow--
		}
	}
	if n := e.records.Add(grow); grow > 0 && e.config.MaxEntries > 0 && n > e.config.MaxEntries {
		e.records.Add(-grow)
		return errFull(n, e.config.MaxEntries)
	}
	return nil
}

func (e *Engine) version(ks engines.Keyspace, key []byte) engines.Version {
	if ent := e.stripes[e.stripeOf(key)].maps[ks][string(key)]; ent != nil {
		return ent.version
	}
	return 0
}

// apply carries out one operation that check has accepted.
func (e *Engine) apply(op *engines.Op) {
	index := e.stripeOf(op.Key)
	s := &e.stripes[index]
	ent := s.maps[op.Keyspace][string(op.Key)]
	for _, v := range e.views {
		v.save(index, op.Keyspace, op.Key, ent)
	}
	switch op.Kind {
	case engines.OpRenew:
		op.Renewal.PatchChecked(ent.value)
		ent.version++
		op.Assigned = ent.version
	case engines.OpDelete:
		op.Assigned = 0
		if ent == nil {
			return
		}
		s.floor = max(s.floor, ent.version)
		s.bytes -= uint64(len(op.Key) + len(ent.value))
		delete(s.maps[op.Keyspace], string(op.Key))
		e.orders[op.Keyspace].remove(string(op.Key))
	case engines.OpPut:
		if ent == nil {
			key := string(op.Key)
			ent = &entry{version: s.floor}
			s.maps[op.Keyspace][key] = ent
			s.bytes += uint64(len(key))
			e.orders[op.Keyspace].insert(key)
		}
		s.bytes += uint64(len(op.Value)) - uint64(len(ent.value))
		if len(ent.value) != len(op.Value) {
			ent.value = make([]byte, len(op.Value))
		}
		copy(ent.value, op.Value)
		ent.version++
		op.Assigned = ent.version
	}
}

// RenewLease is the native renewal; see engines.LeaseRenewer. It allocates
// nothing unless a view is open or the call fails.
func (e *Engine) RenewLease(ctx context.Context, key []byte, held engines.Version, r lease.Renewal) (engines.Version, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if err := engines.ValidateKey(engines.Leases, key); err != nil {
		return 0, err
	}
	index := e.stripeOf(key)
	s := &e.stripes[index]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, engines.ErrClosed
	}
	ent := s.maps[engines.Leases][string(key)]
	if ent == nil {
		return 0, engines.ErrNotFound
	}
	if ent.version != held {
		s.conflicts++
		return 0, &engines.ConflictError{Keyspace: engines.Leases, Want: held, Have: ent.version}
	}
	if err := r.Check(ent.value); err != nil {
		return 0, err
	}
	for _, v := range e.views {
		v.save(index, engines.Leases, key, ent)
	}
	r.PatchChecked(ent.value)
	ent.version++
	s.commits++
	return ent.version, nil
}

// Get appends the record to dst; see engines.Engine.
func (e *Engine) Get(ctx context.Context, ks engines.Keyspace, key, dst []byte) ([]byte, engines.Version, error) {
	if err := ctx.Err(); err != nil {
		return dst, 0, err
	}
	if err := engines.ValidateKey(ks, key); err != nil {
		return dst, 0, err
	}
	s := &e.stripes[e.stripeOf(key)]
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return dst, 0, engines.ErrClosed
	}
	ent := s.maps[ks][string(key)]
	if ent == nil {
		return dst, 0, engines.ErrNotFound
	}
	return append(dst, ent.value...), ent.version, nil
}

// Stats returns counters since Open; see engines.Engine.
func (e *Engine) Stats() engines.Stats {
	st := engines.Stats{
		Records:         uint64(e.records.Load()),
		CheckpointBytes: e.backupBytes.Load(),
		Checkpoints:     e.backupCount.Load(),
		ReplayedRecords: e.restored,
	}
	for i := range e.stripes {
		s := &e.stripes[i]
		s.mu.RLock()
		st.Commits += s.commits
		st.Conflicts += s.conflicts
		st.TableBytes += s.bytes
		s.mu.RUnlock()
	}
	return st
}
