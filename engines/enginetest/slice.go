package enginetest

import (
	"bytes"

	"orbitbench/engines"
)

var sliceChecks = []named{
	{"slices/arguments_are_not_kept", checkArgumentsNotKept},
	{"slices/results_are_the_callers", checkResultsNotAliased},
}

// checkArgumentsNotKept overwrites what it handed to the engine.
func checkArgumentsNotKept(s *store) {
	e := s.start()
	raw := leaseBytes(100, 1000)
	want := map[name]record{}
	key, val, guard := []byte("key"), bytes.Clone(raw), []byte("guard")
	var b engines.Batch
	b.Require(engines.Nodes, guard, 0)
	b.Put(engines.Leases, key, val)
	b.Put(engines.Index, key, val[:5])
	if err := e.Apply(s.ctx, &b); err != nil {
		s.Fatalf("Apply: %v", err)
	}
	want[name{engines.Index, "key"}] = record{string(raw[:5]), b.Ops[1].Assigned}
	held := b.Ops[0].Assigned
	scribble(key, val, guard)

	// The same again over a record that exists, and one of another length.
	key, val = []byte("key"), bytes.Clone(raw)
	b.Reset()
	b.Require(engines.Leases, key, held)
	b.Put(engines.Leases, key, val)
	if err := e.Apply(s.ctx, &b); err != nil {
		s.Fatalf("Apply: %v", err)
	}
	held = b.Ops[0].Assigned
	scribble(key, val)
	s.want(e, engines.Leases, "key", string(raw), held)

	r := renewal(200, 2000)
	for _, way := range s.renewers() {
		v, err := way.renew("key", held, r)
		if err != nil {
			s.Fatalf("%s: %v", way.name, err)
		}
		raw, held = []byte(patched(raw, r)), v
	}
	if native, ok := e.(engines.LeaseRenewer); ok {
		key = []byte("key")
		v, err := native.RenewLease(s.ctx, key, held, r)
		if err != nil {
			s.Fatalf("RenewLease: %v", err)
		}
		raw, held = []byte(patched(raw, r)), v
		scribble(key)
	}
	key = []byte("gone")
	b.Reset()
	b.Put(engines.Leases, key, nil)
	if err := e.Apply(s.ctx, &b); err != nil {
		s.Fatalf("Apply: %v", err)
	}
	b.Reset()
	b.Delete(engines.Leases, key)
	if err := e.Apply(s.ctx, &b); err != nil {
		s.Fatalf("Apply: %v", err)
	}
	scribble(key)
	want[name{engines.Leases, "key"}] = record{string(raw), held}
	s.sameState("after the arguments were overwritten", s.dump(e), want)
	if s.keeps() {
		s.reopen()
		s.sameState("after the arguments were overwritten, and reopen", s.dump(s.e), want)
	}
}

func scribble(slices ...[]byte) {
	for _, b := range slices {
		for i := range b {
			b[i] = '#'
		}
	}
}

// checkResultsNotAliased overwrites what it got from the engine, and lets the
// engine overwrite what it gave.
func checkResultsNotAliased(s *store) {
	e := s.start()
	raw := leaseBytes(100, 1000)
	held := s.put(engines.Leases, "key", string(raw))
	get := func() []byte {
		s.Helper()
		got, _, err := e.Get(s.ctx, engines.Leases, []byte("key"), nil)
		if err != nil {
			s.Fatalf("Get: %v", err)
		}
		return got
	}
	kept := get()
	scribble(get())
	s.want(e, engines.Leases, "key", string(raw), held)
	for _, way := range s.renewers() {
		v, err := way.renew("key", held, renewal(200, 2000))
		if err != nil {
			s.Fatalf("%s: %v", way.name, err)
		}
		held = v
	}
	s.put(engines.Leases, "key", string(value("key", 1, len(raw)))) // same length: in place, if ever
	if !bytes.Equal(kept, raw) {
		s.Errorf("what Get returned changed under a later write")
	}
	kept = get()
	now := bytes.Clone(kept)
	s.remove(engines.Leases, "key")
	for i := range 64 {
		s.put(engines.Leases, string(rune('a'+i)), string(value("filler", uint64(i), len(raw))))
	}
	if !bytes.Equal(kept, now) {
		s.Errorf("what Get returned changed after a delete")
	}
}
