// Package order keeps the keys of a keyspace in order, from the first scan on.
package order

import (
	"sync"
	"sync/atomic"

	"orbitbench/engines"
	"orbitbench/engines/internal/arena"
)

// Set is the ordered set of the records of one keyspace. It does not exist until the first
// scan of the keyspace asks for it, so that loading, recovery and insertion
// into keyspaces that nobody scans do not pay for it; from then on every
// insertion and removal goes into it, and renewals never do. Making it sorts
// the keys of the keyspace once: about 0.35 s for a million index records
// here. A scan then costs a binary search and its own records.
//
// The zero value is off. All methods are safe for concurrent use.
type Set struct {
	state  atomic.Int32 // off, making, on; changed under mu
	making sync.Mutex   // one maker at a time

	mu     sync.RWMutex // after the locks of records, never before them
	keys   arena.Keys
	set    *arena.Ordered
	late   []lateChange // what changed while the set is being made
	closed bool
}

const (
	off = iota
	making
	on
)

// lateChange is a change to an ordered set that does not exist yet.
type lateChange struct {
	key []byte
	ref arena.Ref // 0: removed
}

// Put adds a record or replaces its ref. It is called under the lock of the record.
func (o *Set) Put(key []byte, ref arena.Ref) { o.change(key, ref) }

// Remove takes a record out; its block may be freed afterwards. It is called under the lock of the record.
func (o *Set) Remove(key []byte) { o.change(key, 0) }

func (o *Set) change(key []byte, ref arena.Ref) {
	if o.state.Load() == off {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.state.Load() == making {
		o.late = append(o.late, lateChange{append([]byte(nil), key...), ref})
		return
	}
	o.apply(key, ref)
}

func (o *Set) apply(key []byte, ref arena.Ref) {
	if ref == 0 {
		o.set.Delete(key)
		return
	}
	o.set.Put(key, ref)
}

// Begin reports whether the set does not exist yet. Then the caller is the one who
// makes it, by Make, until it calls End.
func (o *Set) Begin() bool {
	if o.state.Load() == on {
		return false
	}
	o.making.Lock()
	if o.state.Load() == on {
		o.making.Unlock()
		return false
	}
	return true
}

// End lets others begin, and Close end.
func (o *Set) End() { o.making.Unlock() }

// Make makes the set from the refs that collect returns. A change to a record is either
// seen by collect, which takes the lock of each, or noted as late, or both, which does
// no harm. What keys tells of a record that is removed must stay as it is until Make
// returns. An error of collect is returned: the set does not exist then.
func (o *Set) Make(keys arena.Keys, collect func() ([]arena.Ref, error)) (err error) {
	o.mu.Lock()
	closed := o.closed
	o.state.Store(making)
	o.mu.Unlock()
	var refs []arena.Ref
	if err = engines.ErrClosed; !closed {
		refs, err = collect()
	}
	if err != nil {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.state.Store(off)
		o.late = nil
		return err
	}
	set := arena.Build(keys, refs)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.keys, o.set = keys, set
	for _, c := range o.late {
		o.apply(c.key, c.ref)
	}
	o.late = nil
	o.state.Store(on)
	return nil
}

// Keys sets dst to the first keys of [from, to) in order, or, with after, of (from,
// to); a nil to has no end. There are fewer than limit only if there are no
// more. The set must exist. The error is engines.ErrClosed.
func (o *Set) Keys(dst *Keys, from, to []byte, after bool, limit int) error {
	o.mu.RLock()
	defer o.mu.RUnlock()
	if o.closed {
		return engines.ErrClosed
	}
	dst.refs = o.set.Collect(dst.refs[:0], from, to, after, limit)
	dst.bytes, dst.ends = dst.bytes[:0], dst.ends[:0]
	for _, ref := range dst.refs {
		dst.bytes = append(dst.bytes, o.keys.Key(ref)...)
		dst.ends = append(dst.ends, len(dst.bytes))
	}
	return nil
}

// Close waits for a maker and ends Keys.
func (o *Set) Close() {
	o.making.Lock()
	defer o.making.Unlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
}

// Bytes estimates the memory of the set: 12 bytes an entry in leaves that are two thirds full.
func (o *Set) Bytes() int64 {
	o.mu.RLock()
	defer o.mu.RUnlock()
	if o.set == nil {
		return 0
	}
	return int64(o.set.Len()) * 18
}

// Keys is a list of keys, reusable.
type Keys struct {
	bytes []byte
	ends  []int
	refs  []arena.Ref
}

// Len returns the number of keys.
func (k *Keys) Len() int { return len(k.ends) }

// At returns a key. It is valid until the next call of Set.Keys.
func (k *Keys) At(i int) []byte {
	begin := 0
	if i > 0 {
		begin = k.ends[i-1]
	}
	return k.bytes[begin:k.ends[i]:k.ends[i]]
}
