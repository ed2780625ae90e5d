package enginetest

import (
	"errors"

	"orbitbench/engines"
)

var conditionChecks = []named{
	{"conditions/absent", checkConditionAbsent},
	{"conditions/compare_and_swap", checkCompareAndSwap},
	{"conditions/guard", checkConditionGuard},
	{"conditions/conflict_applies_nothing", checkConflictAppliesNothing},
}

func checkConditionAbsent(s *store) {
	e := s.start()
	v, err := s.putIf(engines.Leases, "key", "one", 0)
	if err != nil {
		s.Fatalf("Apply on condition absent: %v", err)
	}
	_, err = s.putIf(engines.Leases, "key", "two", 0)
	s.wantConflict("second creation", err, engines.Leases, 0, v)
	s.want(e, engines.Leases, "key", "one", v)
	s.remove(engines.Leases, "key")
	w, err := s.putIf(engines.Leases, "key", "three", 0)
	if err != nil || w <= v {
		s.Errorf("creation after delete: version %d after %d, error %v", w, v, err)
	}
}

func checkCompareAndSwap(s *store) {
	e := s.start()
	for _, ks := range engines.AllKeyspaces() {
		if s.mayEvict(ks) {
			continue
		}
		_, err := s.putIf(ks, "key", "x", 7)
		s.wantConflict("version 7 of an absent record", err, ks, 7, 0)
		v1 := s.put(ks, "key", "one")
		v2, err := s.putIf(ks, "key", "two", v1)
		if err != nil || v2 != v1+1 {
			s.Errorf("%s: swap at version %d: version %d, error %v", ks, v1, v2, err)
		}
		_, err = s.putIf(ks, "key", "stale", v1)
		s.wantConflict("stale version", err, ks, v1, v2)
		_, err = s.putIf(ks, "key", "future", v2+1)
		s.wantConflict("future version", err, ks, v2+1, v2)
		s.want(e, ks, "key", "two", v2)
		if !s.mayDelete(ks) {
			continue
		}
		var b engines.Batch
		b.Require(ks, []byte("key"), v1)
		b.Delete(ks, []byte("key"))
		s.wantConflict("delete at a stale version", e.Apply(s.ctx, &b), ks, v1, v2)
		b.Conditions[0].Version = v2
		if err := e.Apply(s.ctx, &b); err != nil {
			s.Errorf("%s: delete at version %d: %v", ks, v2, err)
		}
		s.wantAbsent(e, ks, "key")
		_, err = s.putIf(ks, "key", "x", v2)
		s.wantConflict("version of a deleted record", err, ks, v2, 0)
	}
}

// checkConditionGuard uses conditions on records that the batch does not
// touch, in another keyspace, and batches of conditions alone.
func checkConditionGuard(s *store) {
	e := s.start()
	guard := s.put(engines.Nodes, "guard", "g")
	var b engines.Batch
	b.Require(engines.Nodes, []byte("guard"), guard)
	b.Require(engines.Nodes, []byte("other"), 0)
	b.Put(engines.Leases, []byte("key"), []byte("one"))
	if err := e.Apply(s.ctx, &b); err != nil {
		s.Fatalf("Apply with guards that hold: %v", err)
	}
	v := b.Ops[0].Assigned
	next := s.put(engines.Nodes, "guard", "h")
	b.Ops[0].Value = []byte("two")
	s.wantConflict("guard that fell", e.Apply(s.ctx, &b), engines.Nodes, guard, next)
	s.want(e, engines.Leases, "key", "one", v)

	b.Reset()
	b.Require(engines.Nodes, []byte("guard"), next)
	if err := e.Apply(s.ctx, &b); err != nil {
		s.Errorf("Apply of a condition alone that holds: %v", err)
	}
	b.Conditions[0].Version = guard
	s.wantConflict("a condition alone", e.Apply(s.ctx, &b), engines.Nodes, guard, next)
	s.want(e, engines.Nodes, "guard", "h", next)
}

func checkConflictAppliesNothing(s *store) {
	e := s.start()
	s.put(engines.Leases, "a", "a")
	s.put(engines.Index, "b", "b")
	v := s.put(engines.Nodes, "guard", "g")
	before := s.dump(e)
	// The condition that falls stands first, last and in the middle.
	for at := range 3 {
		var b engines.Batch
		for i := range 3 {
			if i == at {
				b.Require(engines.Nodes, []byte("guard"), v+9)
			} else {
				b.Require(engines.Snapshots, []byte{byte('x' + i)}, 0)
			}
		}
		b.Put(engines.Leases, []byte("a"), []byte("changed"))
		b.Delete(engines.Index, []byte("b"))
		b.Put(engines.Snapshots, []byte("new"), []byte("new"))
		if err := e.Apply(s.ctx, &b); !errors.Is(err, engines.ErrConflict) {
			s.Errorf("condition %d of 3 falls: %v, want ErrConflict", at, err)
		}
	}
	s.sameState("after conflicts", s.dump(e), before)
	if w := s.put(engines.Leases, "a", "a"); w != before[name{engines.Leases, "a"}].version+1 {
		s.Errorf("a refused batch took a version: next is %d, had %d", w, before[name{engines.Leases, "a"}].version)
	}
}
