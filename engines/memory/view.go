package memory

import (
	"context"
	"fmt"
	"slices"

	"orbitbench/engines"
)

// savedKey names a record within a stripe's part of a view.
type savedKey struct {
	ks  engines.Keyspace
	key string
}

// view is the state of the store when it was made. It holds only what has
// changed since: before a writer changes a record for the first time it leaves
// the record's state here. Version 0 says that the record did not exist.
type view struct {
	e      *Engine
	saved  [numStripes]map[savedKey]entry // part i guarded by the lock of stripe i
	orders [engines.NumKeyspaces]keyOrder // keys of saved records that existed
	closed bool                           // changed with every stripe locked, read with any one locked
}

// View returns the state at this moment; see engines.Viewer. It takes every
// stripe's lock once, for some microseconds.
func (e *Engine) View(ctx context.Context) (engines.View, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := e.enter(); err != nil {
		return nil, err
	}
	defer e.life.RUnlock()
	return e.newView(), nil
}

func (e *Engine) newView() *view {
	v := &view{e: e}
	set := allStripes
	e.lock(&set)
	defer e.unlock(&set)
	e.views = append(e.views, v)
	return v
}

// save keeps the state of a record that is about to change, if it is the first
// change since the view was made. The caller holds the lock of the stripe.
func (v *view) save(index int, ks engines.Keyspace, key []byte, ent *entry) {
	if _, done := v.saved[index][savedKey{ks, string(key)}]; done {
		return
	}
	if v.saved[index] == nil {
		v.saved[index] = make(map[savedKey]entry)
	}
	name := savedKey{ks, string(key)}
	if ent == nil {
		v.saved[index][name] = entry{}
		return
	}
	v.saved[index][name] = entry{version: ent.version, value: slices.Clone(ent.value)}
	v.orders[ks].insert(name.key)
}

// read appends the record to dst; version 0 says that it did not exist. It
// reports false if the view is closed.
func (v *view) read(ks engines.Keyspace, key, dst []byte) ([]byte, engines.Version, bool) {
	index := v.e.stripeOf(key)
	s := &v.e.stripes[index]
	s.mu.RLock()
	defer s.mu.RUnlock()
	if v.closed {
		return dst, 0, false
	}
	if old, ok := v.saved[index][savedKey{ks, string(key)}]; ok {
		return append(dst, old.value...), old.version, true
	}
	if ent := s.maps[ks][string(key)]; ent != nil {
		return append(dst, ent.value...), ent.version, true
	}
	return dst, 0, true
}

// Get is engines.View.Get.
func (v *view) Get(ctx context.Context, ks engines.Keyspace, key, dst []byte) ([]byte, engines.Version, error) {
	if err := ctx.Err(); err != nil {
		return dst, 0, err
	}
	if err := engines.ValidateKey(ks, key); err != nil {
		return dst, 0, err
	}
	dst, version, ok := v.read(ks, key, dst)
	switch {
	case !ok:
		return dst, 0, engines.ErrClosed
	case version == 0:
		return dst, 0, engines.ErrNotFound
	}
	return dst, version, nil
}

// Scan is engines.View.Scan.
func (v *view) Scan(ctx context.Context, ks engines.Keyspace, from, to []byte, yield func(key, value []byte, v engines.Version) error) error {
	if !ks.Valid() {
		return fmt.Errorf("%w: unknown keyspace %d", engines.ErrInvalid, uint8(ks))
	}
	open := true
	read := func(key, dst []byte) ([]byte, engines.Version) {
		dst, version, ok := v.read(ks, key, dst)
		open = open && ok
		return dst, version
	}
	if _, _, ok := v.read(ks, []byte{0}, nil); !ok {
		return engines.ErrClosed
	}
	next := func(dst []string, from []byte) []string { return v.keys(ks, dst, from, to) }
	if err := walk(ctx, from, next, read, yield); err != nil {
		return err
	}
	if !open {
		return engines.ErrClosed
	}
	return nil
}

// keys lists the next keys that may have existed: those of the store and those
// that were removed since. The store is asked first: a key that leaves it
// before it is asked stands in the view by then.
func (v *view) keys(ks engines.Keyspace, dst []string, from, to []byte) []string {
	dst = v.e.orders[ks].collect(dst, from, to, scanChunk)
	n := len(dst)
	dst = v.orders[ks].collect(dst, from, to, scanChunk)
	if n == len(dst) {
		return dst
	}
	slices.Sort(dst)
	dst = slices.Compact(dst)
	// Each list is complete up to its scanChunk-th key, so the merged list is
	// complete up to its own.
	return dst[:min(len(dst), scanChunk)]
}

// Close is engines.View.Close. A second Close returns ErrClosed.
func (v *view) Close() error {
	set := allStripes
	v.e.lock(&set)
	defer v.e.unlock(&set)
	if v.closed {
		return engines.ErrClosed
	}
	v.closed = true
	if i := slices.Index(v.e.views, v); i >= 0 {
		v.e.views = slices.Delete(v.e.views, i, i+1)
	}
	return nil
}
