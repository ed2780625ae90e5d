package index

import (
	"context"

	"orbitbench/engines"
	"orbitbench/engines/internal/order"
)

// A keyspace may have a cold part outside of the index: records that the engine
// has moved into a form of its own (Retire). What the index has of such a
// keyspace comes before what is cold, so that a cold record is replaced by
// putting it anew. Records of that keyspace are never deleted.

// Cold knows the cold records of keyspace TimeSeries.
type Cold interface {
	// Version returns the version of a cold record, 0 if there is none. It is
	// called under the lock of the key's stripe.
	Version(key []byte) engines.Version
	// Len returns the number of cold records.
	Len() uint64
}

// SetCold is called before SetImage and replay, when c is complete.
func (ix *Index) SetCold(c Cold) { ix.cold = c }

// counted reports whether a record of the index is one of its own: one that
// hides a cold record is counted by the owner of that.
func (ix *Index) counted(ks engines.Keyspace, key []byte) bool {
	return ks != engines.TimeSeries || ix.coldVersion(ks, key) == 0
}

// Points returns how many records of TimeSeries the index has been given, by
// commits, replay and the image, as far as that is in memory.
func (ix *Index) Points() uint64 { return ix.points.Load() }

// coldVersion returns the version that a record which is not in the index has nevertheless.
func (ix *Index) coldVersion(ks engines.Keyspace, key []byte) engines.Version {
	if ks != engines.TimeSeries || ix.cold == nil {
		return 0
	}
	return ix.cold.Version(key)
}

// Retire takes a record out of the index that has become cold, if it still has
// this version. added says that there was no cold record under its key before.
// Its id is not used again before Reuse, as the log still has it. No view may
// be open: see WithoutViews.
func (ix *Index) Retire(ks engines.Keyspace, key []byte, v engines.Version, added bool) bool {
	h := ix.hash(ks, key)
	s := ix.stripe(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	ref, _, r := ix.find(s, h, ks, key)
	if ref == 0 || r.version() != v || r.held() {
		if added && ref != 0 {
			s.live-- // the cold record is counted by its owner
		}
		return false
	}
	if added {
		s.live--
	}
	ix.orders[ks].Remove(r.key())
	s.table.Remove(s.place(uint32(h), ref))
	s.handles[localOf(r.id())] = 0
	s.retired = append(s.retired, localOf(r.id()))
	ix.freeBlock(ref, r.size())
	return true
}

// Reuse gives the ids of retired records back. The caller has taken a snapshot
// that began after they were retired, so that replay will not meet them.
func (ix *Index) Reuse() {
	for i := range ix.stripes {
		s := &ix.stripes[i]
		s.mu.Lock()
		s.freeIDs = append(s.freeIDs, s.retired...)
		s.retired = nil
		s.mu.Unlock()
	}
}

// WithoutViews calls f unless a view is open, and lets none open meanwhile.
func (ix *Index) WithoutViews(f func()) bool {
	ix.viewMu.Lock()
	defer ix.viewMu.Unlock()
	if ix.views > 0 {
		return false
	}
	f()
	return true
}

// Keys is a list of keys, reusable.
type Keys = order.Keys

// Keys sets dst to the first keys of [from, to) in order, or, with after, of
// (from, to); a nil to has no end. There are fewer than limit only if there are no more.
func (ix *Index) Keys(ctx context.Context, dst *Keys, ks engines.Keyspace, from, to []byte, after bool, limit int) error {
	o, err := ix.order(ctx, ks)
	if err != nil {
		return err
	}
	return o.Keys(dst, from, to, after, limit)
}
