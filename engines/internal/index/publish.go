package index

import (
	"fmt"

	"orbitbench/engines"
	"orbitbench/engines/internal/arena"
	"orbitbench/engines/internal/wal"
	"orbitbench/engines/lease"
)

// Publishing makes a commit visible. It happens under the stripe's lock: at
// once in the classes whose log needs no wait, and when the log is durable
// under sync. It cannot fail: whatever needs memory was prepared before.

// hold marks a record with a commit that is not durable yet.
func (s *stripe) hold(r record, p pending) uint32 {
	var slot uint32
	if n := len(s.free); n > 0 {
		slot = s.free[n-1]
		s.free = s.free[:n-1]
	} else {
		s.pending = append(s.pending, pending{})
		slot = uint32(len(s.pending) - 1)
	}
	s.pending[slot] = p
	r.setHeld(true)
	return slot
}

// holder returns the slot of the commit that holds a record. There are as many to look
// through as commits that wait for the log at once and meet in one stripe.
func (s *stripe) holder(ref arena.Ref) uint32 {
	for slot := range s.pending {
		if p := &s.pending[slot]; p.ref == ref && p.lsn != 0 {
			return uint32(slot)
		}
	}
	panic(fmt.Sprintf("index: nothing holds block %d", ref))
}

// publishPending makes the commit in a slot visible and frees the slot.
func (ix *Index) publishPending(s *stripe, slot uint32) {
	p := s.pending[slot]
	s.pending[slot] = pending{}
	s.free = append(s.free, slot)
	ix.rec(p.ref).setHeld(false)
	ix.publish(s, &p)
}

// publish makes a commit on one record visible.
func (ix *Index) publish(s *stripe, p *pending) {
	switch p.kind {
	case engines.OpRenew:
		ix.publishRenew(s, ix.rec(p.ref), p.version, p.renewal)
	case engines.OpPut:
		ix.publishPut(s, p.tag, p.ref, p.newRef, p.version)
	case engines.OpDelete:
		ix.publishDelete(s, p.tag, p.ref)
	}
}

// publishMine publishes the commit in a slot unless somebody who met it has done so.
func (ix *Index) publishMine(s *stripe, slot uint32, lsn wal.LSN) {
	if s.pending[slot].lsn == lsn {
		ix.publishPending(s, slot)
	}
}

func (ix *Index) publishRenew(s *stripe, r record, v engines.Version, renewal lease.Renewal) {
	if s.viewSeq != 0 {
		ix.preserve(s, r)
	}
	r.setVersion(v)
	renewal.PatchChecked(r.value())
}

// publishPut gives a record its new value: ref is the record, newRef a block
// with the whole new record, or ref itself if the record is new.
func (ix *Index) publishPut(s *stripe, tag uint32, ref, newRef arena.Ref, v engines.Version) {
	r := ix.rec(ref)
	if s.viewSeq != 0 {
		ix.preserve(s, r)
	}
	created := r.version() == 0
	if created && ix.counted(r.keyspace(), r.key()) {
		s.live++
	}
	grown := ix.rec(newRef).size() - recHead
	if !created {
		grown = ix.rec(newRef).valueLen() - r.valueLen()
	}
	ix.countPut(r, grown)
	switch n := ix.rec(newRef); {
	case newRef == ref:
	case arena.SameClass(r.size(), n.size()):
		ix.overwrite(r, n.value())
		ix.arena.Free(newRef, n.size())
	default:
		s.table.Set(s.place(tag, ref), newRef)
		s.handles[localOf(r.id())] = newRef
		n.setVersion(v)
		ix.orders[r.keyspace()].Put(n.key(), newRef)
		ix.freeBlock(ref, r.size())
		return
	}
	r.setVersion(v)
	if created {
		ix.orders[r.keyspace()].Put(r.key(), ref)
	}
}

// publishValue gives a visible record a value that its block has room for.
func (ix *Index) publishValue(s *stripe, r record, value []byte, v engines.Version) {
	if s.viewSeq != 0 {
		ix.preserve(s, r)
	}
	ix.countPut(r, len(value)-r.valueLen())
	ix.overwrite(r, value)
	r.setVersion(v)
}

// countPut counts a put of a record, which becomes longer by grown bytes.
func (ix *Index) countPut(r record, grown int) {
	switch {
	case r.keyspace() == engines.TimeSeries:
		ix.points.Add(1)
	case r.keyspace() == engines.QueryCache && ix.cache != nil:
		ix.cache.put(r.id(), grown)
	}
}

// overwrite replaces the value of a record within its block.
func (ix *Index) overwrite(r record, value []byte) {
	r.setValueLen(len(value))
	copy(r.value(), value)
}

func (ix *Index) publishDelete(s *stripe, tag uint32, ref arena.Ref) {
	r := ix.rec(ref)
	s.live--
	if ix.cache != nil && r.keyspace() == engines.QueryCache {
		ix.cache.removed(r.id(), r.size()-recHead)
	}
	if s.viewSeq != 0 {
		ix.preserve(s, r)
		r.setVersion(0)
		s.history.ghosts = append(s.history.ghosts, ghost{tag, r.id()})
		return
	}
	ix.orders[r.keyspace()].Remove(r.key())
	ix.forget(s, tag, ref)
}

// freeBlock gives a block back unless an ordered set is being built from
// records without their locks: then it is kept until that is done. Called under
// the lock of the record's stripe, which the builder takes after it raised the flag.
func (ix *Index) freeBlock(ref arena.Ref, size int) {
	if !ix.limbo.take(ref, size) {
		ix.arena.Free(ref, size)
	}
}
