package enginetest

import (
	"errors"
	"fmt"

	"orbitbench/engines"
)

var viewChecks = []named{
	{"views/stay_as_they_are", checkViewStays},
	{"views/one_point_in_time", checkViewOnePoint},
	{"views/many", checkManyViews},
}

// viewer opens the store and returns its Viewer or skips the check.
func (s *store) viewer() engines.Viewer {
	s.Helper()
	viewer, ok := s.start().(engines.Viewer)
	if !ok {
		s.Skipf("%s is no Viewer", s.info.Name)
	}
	return viewer
}

func (s *store) view(viewer engines.Viewer) engines.View {
	s.Helper()
	v, err := viewer.View(s.ctx)
	if err != nil {
		s.Fatalf("View: %v", err)
	}
	return v
}

func (s *store) closeView(v engines.View) {
	s.Helper()
	if err := v.Close(); err != nil {
		s.Errorf("close of a view: %v", err)
	}
}

// checkViewStays changes everything that a view sees in every way there is.
func checkViewStays(s *store) {
	viewer := s.viewer()
	s.fillPattern()
	s.put(engines.Index, "rewritten", "before")
	want := s.dump(s.e)
	v := s.view(viewer)
	defer s.closeView(v)

	s.apply(func(b *engines.Batch) {
		b.Put(engines.Leases, []byte("new"), []byte("new"))
		b.Put(engines.Nodes, []byte("new"), []byte("new"))
		b.Put(engines.Index, []byte("rewritten"), []byte("after!")) // of the same length
		b.Delete(engines.Leases, []byte("key-003"))
		b.Renew([]byte("lease"), renewal(200, 2000))
	})
	for _, way := range s.renewers() {
		_, held, err := s.e.Get(s.ctx, engines.Leases, []byte("lease"), nil)
		if err != nil {
			s.Fatalf("Get: %v", err)
		}
		if _, err := way.renew("lease", held, renewal(300, 3000)); err != nil {
			s.Fatalf("%s: %v", way.name, err)
		}
	}
	s.remove(engines.Leases, "key-004")
	s.put(engines.Leases, "key-004", "created again")
	s.remove(engines.Leases, "new")

	s.sameState("view after changes", s.dump(v), want)
	for n, r := range want {
		s.want(v, n.ks, n.key, r.value, r.version)
	}
	s.wantAbsent(v, engines.Leases, "new")
	s.wantAbsent(v, engines.Nodes, "new")
	if got := s.scan(v, engines.Leases, []byte("key-003"), []byte("key-005")); len(got) != 2 || got[0].key != "key-003" {
		s.Errorf("Scan of a range of the view: %d records, want 2", len(got))
	}
	now := s.view(viewer)
	s.sameState("a new view", s.dump(now), s.dump(s.e))
	s.closeView(now)
	s.sameState("the old view after the new one is closed", s.dump(v), want)
}

// fillPattern stores some records of every kind.
func (s *store) fillPattern() {
	s.Helper()
	for i := range 40 {
		k := fmt.Sprintf("key-%03d", i)
		s.stage(engines.Leases, k, string(value(k, uint64(i), 50+i)))
		s.stage(engines.Index, k, "")
		s.stage(engines.TimeSeries, k, "point")
	}
	s.stage(engines.Leases, "lease", string(leaseBytes(100, 1000)))
	s.flush()
}

// checkViewOnePoint writes one number to several records in one batch, in a
// rising order of batches, and looks whether a view mixes two of them, moves,
// or lacks what was acknowledged before it was made.
func checkViewOnePoint(s *store) {
	viewer := s.viewer()
	records := []name{{engines.Leases, "a"}, {engines.Index, "a"}, {engines.Leases, "zz"}, {engines.Nodes, "m"}}
	writeAll := func(n uint64) error {
		var b engines.Batch
		for _, r := range records {
			b.Put(r.ks, []byte(r.key), value(r.key, n, 64))
		}
		return s.e.Apply(s.ctx, &b)
	}
	if err := writeAll(1); err != nil {
		s.Fatalf("Apply: %v", err)
	}
	acked := make(chan uint64, 1)
	acked <- 1
	write := func(_, i int) bool {
		n := uint64(i + 2)
		if err := writeAll(n); err != nil {
			s.Errorf("Apply: %v", err)
			return false
		}
		<-acked
		acked <- n
		return true
	}
	s.during(1, write, func() {
		for range s.count(400) {
			least := <-acked
			acked <- least
			v := s.view(viewer)
			var first uint64
			for turn := range 2 {
				for i, r := range records {
					n, err := s.readSequence(v, r)
					if err != nil {
						s.Fatalf("view: %v", err)
					}
					if i == 0 && turn == 0 {
						first = n
					}
					if n != first {
						s.Fatalf("a view shows %d in %v and %d in %v (turn %d)", first, records[0], n, r, turn)
					}
				}
			}
			if first < least {
				s.Fatalf("a view shows %d, %d was acknowledged before it was made", first, least)
			}
			s.closeView(v)
		}
	})
}

// checkManyViews holds one view per step of a history and reads them all at the end.
func checkManyViews(s *store) {
	viewer := s.viewer()
	rng := s.rng(3)
	type moment struct {
		view engines.View
		want map[name]record
	}
	var moments []moment
	state := make(map[name]record)
	for range 12 {
		for range 30 {
			k := fmt.Sprintf("key-%02d", rng.IntN(40))
			n := name{engines.Leases, k}
			if _, ok := state[n]; ok && rng.IntN(3) == 0 {
				s.remove(n.ks, k)
				delete(state, n)
				continue
			}
			v := string(value(k, rng.Uint64(), 16+rng.IntN(100)))
			state[n] = record{v, s.put(n.ks, k, v)}
		}
		want := make(map[name]record, len(state))
		for n, r := range state {
			want[n] = r
		}
		moments = append(moments, moment{s.view(viewer), want})
	}
	for _, i := range rng.Perm(len(moments)) {
		s.sameState(fmt.Sprintf("view %d of %d", i, len(moments)), s.dump(moments[i].view), moments[i].want)
		s.closeView(moments[i].view)
	}
	s.sameState("the store", s.dump(s.e), state)
	if _, err := viewer.View(s.cancelled()); !isCancelled(err) {
		s.Errorf("View with a cancelled context: %v, want context.Canceled", err)
	}
	s.stop()
	if _, err := viewer.View(s.ctx); !errors.Is(err, engines.ErrClosed) {
		s.Errorf("View of a closed engine: %v, want ErrClosed", err)
	}
}
