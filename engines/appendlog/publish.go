package appendlog

import (
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
	r.setPend(slot + 1)
	return slot
}

// publishPending makes the commit in a slot visible and frees the slot.
func (e *engine) publishPending(s *stripe, slot uint32) {
	p := s.pending[slot]
	s.pending[slot] = pending{}
	s.free = append(s.free, slot)
	r := e.rec(p.ref)
	r.setPend(0)
	switch p.kind {
	case opRenew:
		e.publishRenew(s, r, p.version, p.renewal)
	case opPut:
		e.publishPut(s, p.tag, p.ref, p.newRef, p.version)
	case opDelete:
		e.publishDelete(s, p.tag, p.ref)
	}
}

// publishMine publishes the commit in a slot unless somebody who met it has done so.
func (e *engine) publishMine(s *stripe, slot uint32, lsn wal.LSN) {
	if s.pending[slot].lsn == lsn {
		e.publishPending(s, slot)
	}
}

func (e *engine) publishRenew(s *stripe, r record, v engines.Version, renewal lease.Renewal) {
	if s.viewSeq != 0 {
		e.preserve(s, r)
	}
	r.setVersion(v)
	renewal.PatchChecked(r.value())
}

// publishPut gives a record its new value: ref is the record, newRef a block
// with the whole new record, or ref itself if the record is new.
func (e *engine) publishPut(s *stripe, tag uint32, ref, newRef arena.Ref, v engines.Version) {
	r := e.rec(ref)
	if s.viewSeq != 0 {
		e.preserve(s, r)
	}
	created := r.version() == 0
	if created {
		s.live++
	}
	switch n := e.rec(newRef); {
	case newRef == ref:
	case arena.SameClass(r.size(), n.size()):
		e.overwrite(r, n.value())
		e.arena.Free(newRef, n.size())
	default:
		n.setPend(0)
		s.table.Set(s.place(tag, ref), newRef)
		s.handles[localOf(r.id())] = newRef
		n.setVersion(v)
		e.orders[r.keyspace()].put(e, n.key(), newRef)
		e.freeBlock(ref, r.size())
		return
	}
	r.setVersion(v)
	if created {
		e.orders[r.keyspace()].put(e, r.key(), ref)
	}
}

// overwrite replaces the value of a record within its block.
func (e *engine) overwrite(r record, value []byte) {
	r.setValueLen(len(value))
	copy(r.value(), value)
}

func (e *engine) publishDelete(s *stripe, tag uint32, ref arena.Ref) {
	r := e.rec(ref)
	s.live--
	if s.viewSeq != 0 {
		e.preserve(s, r)
		r.setVersion(0)
		s.history.ghosts = append(s.history.ghosts, ghost{tag, r.id()})
		return
	}
	e.orders[r.keyspace()].remove(e, r.key())
	e.forget(s, tag, ref)
}

// freeBlock gives a block back unless an ordered set is being built from
// records without their locks: then it is kept until that is done. Called under
// the lock of the record's stripe, which the builder takes after it raised the flag.
func (e *engine) freeBlock(ref arena.Ref, size int) {
	if !e.limbo.take(ref, size) {
		e.arena.Free(ref, size)
	}
}
