package enginetest

import "orbitbench/engines"

var versionChecks = []named{
	{"versions/plus_one", checkVersionsPlusOne},
	{"versions/rise_across_delete", checkVersionsDelete},
	{"versions/rise_across_reopen", checkVersionsReopen},
	{"versions/assigned", checkAssigned},
}

func checkVersionsPlusOne(s *store) {
	e := s.start()
	for _, ks := range engines.AllKeyspaces() {
		if s.mayEvict(ks) {
			continue
		}
		last := s.put(ks, "key", "0")
		if last == 0 {
			s.Errorf("%s: a new record has version 0", ks)
		}
		for i := range 5 {
			v := s.put(ks, "key", string(rune('1'+i)))
			if v != last+1 {
				s.Errorf("%s: version %d after %d, want the next", ks, v, last)
			}
			s.put(ks, "other", "a neighbour takes no version away")
			last = v
		}
		s.want(e, ks, "key", "5", last)
	}
}

func checkVersionsDelete(s *store) {
	s.start()
	for _, ks := range engines.AllKeyspaces() {
		if s.mayEvict(ks) || !s.mayDelete(ks) {
			continue
		}
		last := engines.Version(0)
		for range 4 {
			for range 3 {
				v := s.put(ks, "key", "x")
				if v <= last {
					s.Errorf("%s: version %d granted after %d", ks, v, last)
				}
				last = max(last, v)
			}
			s.remove(ks, "key")
		}
		// The highest version belongs to a key that is gone while others stay.
		s.put(ks, "kez", "neighbour")
		if v := s.put(ks, "key", "x"); v <= last {
			s.Errorf("%s: version %d granted after %d", ks, v, last)
		}
	}
}

// checkVersionsReopen looks at live records, at records that were deleted
// before the close, and at ones deleted two closes ago.
func checkVersionsReopen(s *store) {
	s.start()
	live, gone := engines.Version(0), engines.Version(0)
	for range 6 {
		live = s.put(engines.Leases, "live", "x")
	}
	for range 9 {
		gone = s.put(engines.Leases, "gone", "x")
	}
	s.remove(engines.Leases, "gone")
	for round := range 3 {
		s.reopen()
		if s.keeps() {
			s.want(s.e, engines.Leases, "live", "x", live)
			s.wantAbsent(s.e, engines.Leases, "gone")
		}
		v := s.put(engines.Leases, "live", "x")
		if v <= live || (s.keeps() && v != live+1) {
			s.Errorf("reopen %d: live record gets version %d after %d", round, v, live)
		}
		live = max(live, v)
		if round == 1 {
			continue // and once not touched between two closes
		}
		if v = s.put(engines.Leases, "gone", "x"); v <= gone {
			s.Errorf("reopen %d: record created again gets version %d after %d", round, v, gone)
		}
		gone = max(gone, v)
		s.remove(engines.Leases, "gone")
	}
}

func checkAssigned(s *store) {
	e := s.start()
	old := s.put(engines.Leases, "b", "x")
	b := s.apply(func(b *engines.Batch) {
		b.Put(engines.Leases, []byte("a"), []byte("1"))
		b.Delete(engines.Leases, []byte("b"))
		b.Put(engines.Index, []byte("a"), []byte("2"))
		b.Delete(engines.Nodes, []byte("never there"))
		for i := range b.Ops {
			b.Ops[i].Assigned = 1 << 50 // left over from an earlier use
		}
	})
	s.want(e, engines.Leases, "a", "1", b.Ops[0].Assigned)
	s.want(e, engines.Index, "a", "2", b.Ops[2].Assigned)
	if b.Ops[1].Assigned != 0 || b.Ops[3].Assigned != 0 {
		s.Errorf("deletes were assigned versions %d and %d, want 0", b.Ops[1].Assigned, b.Ops[3].Assigned)
	}
	if v := s.put(engines.Leases, "b", "y"); v <= old {
		s.Errorf("record created again gets version %d after %d", v, old)
	}
}
