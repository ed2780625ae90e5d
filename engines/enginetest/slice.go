package enginetest

import (
	"bytes"
	"errors"

	"orbitbench/engines"
)

var sliceChecks = []named{
	{"slices/arguments_are_not_kept", checkArgumentsNotKept},
	{"slices/results_are_the_callers", checkResultsNotAliased},
	{"slices/lent_values", checkLend},
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

// checkLend compares what is lent with what Get returns, while and after it changes.
func checkLend(s *store) {
	lender, ok := s.start().(engines.Lender)
	if !ok {
		s.Skipf("%s is no Lender", s.info.Name)
	}
	e := s.e
	lend := func(ks engines.Keyspace, key string) (got string, v engines.Version, calls int, err error) {
		err = lender.Lend(s.ctx, ks, []byte(key), func(value []byte, have engines.Version) error {
			got, v, calls = string(value), have, calls+1
			return nil
		})
		return got, v, calls, err
	}
	want := func(ks engines.Keyspace, key string, value []byte, version engines.Version) {
		s.Helper()
		got, v, calls, err := lend(ks, key)
		if err != nil || got != string(value) || v != version || calls != 1 {
			s.Errorf("Lend %s %q: %d bytes at version %d, %d calls, %v; want %d bytes at version %d", ks, key, len(got), v, calls, err, len(value), version)
		}
	}
	absent := func(ks engines.Keyspace, key string) {
		s.Helper()
		if _, _, calls, err := lend(ks, key); !errors.Is(err, engines.ErrNotFound) || calls != 0 {
			s.Errorf("Lend %s %q: %v after %d calls, want ErrNotFound after none", ks, key, err, calls)
		}
	}
	absent(engines.Leases, "key")
	raw := leaseBytes(100, 1000)
	held := s.put(engines.Leases, "key", string(raw))
	want(engines.Leases, "key", raw, held)
	for _, way := range s.renewers() {
		v, err := way.renew("key", held, renewal(200, 2000))
		if err != nil {
			s.Fatalf("%s: %v", way.name, err)
		}
		raw, held = []byte(patched(raw, renewal(200, 2000))), v
		want(engines.Leases, "key", raw, held)
	}
	for _, n := range []int{0, 1, 5000, 100_000} {
		long := value("long", uint64(n), n)
		v := s.put(engines.Snapshots, "long", string(long))
		want(engines.Snapshots, "long", long, v)
	}
	failed := errors.New("failed by the caller")
	err := lender.Lend(s.ctx, engines.Leases, []byte("key"), func([]byte, engines.Version) error { return failed })
	if !errors.Is(err, failed) {
		s.Errorf("Lend with an error of the caller: %v, want that error", err)
	}
	if err := lender.Lend(s.ctx, engines.Leases, nil, func([]byte, engines.Version) error { return nil }); !errors.Is(err, engines.ErrInvalid) {
		s.Errorf("Lend of an empty key: %v, want ErrInvalid", err)
	}
	s.remove(engines.Leases, "key")
	absent(engines.Leases, "key")
	s.stop()
	if err := e.(engines.Lender).Lend(s.ctx, engines.Leases, []byte("key"), func([]byte, engines.Version) error { return nil }); !errors.Is(err, engines.ErrClosed) {
		s.Errorf("Lend after Close: %v, want ErrClosed", err)
	}
}
