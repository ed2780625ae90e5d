package mmapwal

import (
	"orbitbench/engines"
	"orbitbench/engines/internal/arena"
	"orbitbench/engines/internal/wal"
	"orbitbench/engines/lease"
)

// Publishing makes a commit visible. It happens under the stripe's lock: at
// once in the classes whose log needs no wait, and when the log is durable
// under sync. It cannot fail but by a fault in the mapping: what it needs was
// verified and made before.

// hold notes a commit that is not durable yet.
func (s *stripe) hold(p pending) uint32 {
	var slot uint32
	if n := len(s.freePending); n > 0 {
		slot = s.freePending[n-1]
		s.freePending = s.freePending[:n-1]
	} else {
		s.pending = append(s.pending, pending{})
		s.pendingRefs = append(s.pendingRefs, 0)
		slot = uint32(len(s.pending) - 1)
	}
	s.pending[slot], s.pendingRefs[slot] = p, p.ref
	s.waiting++
	return slot
}

// pendingOn returns the slot of the commit that is pending on a record, or -1.
func (s *stripe) pendingOn(r ref) int {
	if s.waiting == 0 {
		return -1
	}
	for i, p := range s.pendingRefs {
		if p == r {
			return i
		}
	}
	return -1
}

// settle makes a pending commit visible if it has become durable, or returns its
// number for the caller to wait for without the lock.
func (e *engine) settle(s *stripe, slot int) wal.LSN {
	if lsn := s.pending[slot].lsn; lsn > e.log.Durable() {
		return lsn
	}
	e.publishPending(s, uint32(slot))
	return 0
}

// lookup is find with every commit that is durable made visible. wait is the
// number of a commit on the record that is not durable yet, or 0.
func (e *engine) lookup(s *stripe, tag uint32, key []byte) (r ref, rec record, wait wal.LSN, err error) {
	r, rec, err = e.find(s, tag, key)
	if err != nil || r == 0 || s.waiting == 0 {
		return r, rec, 0, err
	}
	slot := s.pendingOn(r)
	if slot < 0 {
		return r, rec, 0, nil
	}
	if wait = e.settle(s, slot); wait != 0 {
		return r, rec, wait, nil
	}
	r, rec, err = e.find(s, tag, key)
	return r, rec, 0, err
}

// publishPending makes the commit in a slot visible and frees the slot.
func (e *engine) publishPending(s *stripe, slot uint32) {
	p := s.pending[slot]
	s.pending[slot], s.pendingRefs[slot] = pending{}, 0
	s.freePending = append(s.freePending, slot)
	s.waiting--
	e.publish(s, &p)
}

// publishMine publishes the commit in a slot unless somebody who met it has done so.
func (e *engine) publishMine(s *stripe, slot uint32, lsn wal.LSN) {
	if s.pending[slot].lsn == lsn {
		e.publishPending(s, slot)
	}
}

func (e *engine) publish(s *stripe, p *pending) {
	switch p.kind {
	case opRenew:
		e.publishRenew(s, p.ref, e.rec(p.ref), p.version, &p.renewal)
	case opPut:
		e.publishPut(s, p)
	case opDelete:
		e.publishDelete(s, p.ref)
	}
}

func (e *engine) publishRenew(s *stripe, at ref, rec record, v engines.Version, r *lease.Renewal) {
	if s.viewSeq != 0 {
		e.preserve(s, rec.key(), rec)
	}
	e.touchRenewed(s, at.page())
	rec.setVersion(v)
	r.PatchChecked(rec.value())
}

// publishPut shows the new record in place of the old one, if there is one.
func (e *engine) publishPut(s *stripe, p *pending) {
	rec := e.rec(p.newRef)
	if s.viewSeq != 0 {
		var old record
		if !p.created {
			old = e.rec(p.ref)
		}
		e.preserve(s, rec.key(), old)
	}
	e.touch(s, p.newRef.page())
	rec.setState(stateUsed)
	if p.created {
		s.live++
	} else {
		e.replaceRef(s, rec.tag(), p.ref, p.newRef)
	}
	e.orders[s.ks].Put(rec.key(), arena.Ref(p.newRef))
	if !p.created {
		e.release(s, p.ref)
	}
}

func (e *engine) publishDelete(s *stripe, r ref) {
	rec := e.rec(r)
	if s.viewSeq != 0 {
		e.preserve(s, rec.key(), rec)
	}
	s.live--
	e.orders[s.ks].Remove(rec.key())
	e.remove(s, rec.tag(), r)
	e.release(s, r)
}

// release gives the place of a record back, unless an ordered set is being built
// from keys without their locks: then it is kept until that is done. The flag is
// raised before the builder takes the lock of this stripe.
func (e *engine) release(s *stripe, r ref) {
	if e.limbo.Load() == 0 {
		e.freeRecord(s, r)
		return
	}
	e.touch(s, r.page())
	e.memory(r, recHead).setState(stateReserved)
	s.limbo = append(s.limbo, r)
}
