package enginetest

import (
	"errors"
	"fmt"
	"sync"

	"orbitbench/engines"
)

var atomicChecks = []named{
	{"batches/all_or_nothing", checkAllOrNothing},
	{"batches/across_keyspaces", checkAcrossKeyspaces},
	{"batches/readers_see_whole", checkReadersSeeWhole},
	{"batches/transfers", checkTransfers},
}

// checkAllOrNothing refuses a batch for each reason there is and looks whether
// anything of it stayed.
func checkAllOrNothing(s *store) {
	e := s.start()
	s.put(engines.Leases, "old", "old")
	s.putLease("expired", 10, 20)
	before := s.dump(e)
	for what, bad := range map[string]struct {
		add  func(b *engines.Batch)
		want error
	}{
		"conflict":         {func(b *engines.Batch) { b.Require(engines.Leases, []byte("old"), 1<<50) }, engines.ErrConflict},
		"renew of nothing": {func(b *engines.Batch) { b.Renew([]byte("nothing"), renewal(11, 30)) }, engines.ErrNotFound},
		"renew of expired": {func(b *engines.Batch) { b.Renew([]byte("expired"), renewal(20, 30)) }, errExpired},
		"renew of no lease": {func(b *engines.Batch) {
			b.Renew([]byte("old"), renewal(11, 30))
		}, errFormat},
		"duplicate": {func(b *engines.Batch) { b.Put(engines.Nodes, []byte("first"), nil) }, engines.ErrInvalid},
		"long key":  {func(b *engines.Batch) { b.Put(engines.Nodes, make([]byte, engines.MaxKeyBytes+1), nil) }, engines.ErrInvalid},
	} {
		for _, last := range []bool{false, true} {
			var b engines.Batch
			if !last {
				bad.add(&b)
			}
			b.Put(engines.Nodes, []byte("first"), []byte("x"))
			b.Put(engines.Leases, []byte("new"), []byte("x"))
			if what != "renew of no lease" {
				b.Delete(engines.Leases, []byte("old"))
			}
			if last {
				bad.add(&b)
			}
			if err := e.Apply(s.ctx, &b); !errors.Is(err, bad.want) {
				s.Errorf("%s (last: %v): %v, want %v", what, last, err, bad.want)
			}
		}
	}
	s.sameState("after refused batches", s.dump(e), before)
	if s.keeps() {
		s.reopen()
		s.sameState("after refused batches and reopen", s.dump(s.e), before)
	}
}

func checkAcrossKeyspaces(s *store) {
	e := s.start()
	want := make(map[name]record)
	for round := range 3 {
		b := s.apply(func(b *engines.Batch) {
			for _, ks := range engines.AllKeyspaces() {
				for _, k := range []string{"a", "b"} {
					b.Put(ks, []byte(k), fmt.Appendf(nil, "%s %s %d", ks, k, round))
				}
			}
		})
		for _, op := range b.Ops {
			want[name{op.Keyspace, string(op.Key)}] = record{string(op.Value), op.Assigned}
		}
		s.sameState("batch over every keyspace", s.dump(e), want)
	}
	if s.keeps() {
		s.reopen()
		s.sameState("after reopen", s.dump(s.e), want)
	}
}

// checkReadersSeeWhole writes one number to several records in one batch. Who
// has read n from one of them must not read less than n from another after it.
func checkReadersSeeWhole(s *store) {
	e := s.start()
	records := []name{
		{engines.Leases, "a"}, {engines.Index, "a"}, {engines.Leases, "zz"}, {engines.Nodes, "m"}, {engines.Index, "0"},
	}
	writeAll := func(n uint64) error {
		var b engines.Batch
		for _, r := range records {
			b.Put(r.ks, []byte(r.key), value(r.key, n, 64))
		}
		return e.Apply(s.ctx, &b)
	}
	if err := writeAll(1); err != nil {
		s.Fatalf("Apply: %v", err)
	}
	read := func(reader, i int) bool {
		i += reader
		first, second := records[i%len(records)], records[(i*3+1)%len(records)]
		a, err := s.readSequence(e, first)
		if err != nil {
			s.Errorf("%v", err)
			return false
		}
		b, err := s.readSequence(e, second)
		if err != nil {
			s.Errorf("%v", err)
			return false
		}
		if b < a {
			s.Errorf("half a batch was seen: %v holds %d, then %v holds %d", first, a, second, b)
			return false
		}
		return true
	}
	s.during(3, read, func() {
		for n := range uint64(s.count(2000)) {
			if err := writeAll(n + 2); err != nil {
				s.Fatalf("Apply: %v", err)
			}
		}
	})
}

// readSequence reads a record that value made.
func (s *store) readSequence(g getter, n name) (uint64, error) {
	v, _, err := g.Get(s.ctx, n.ks, []byte(n.key), nil)
	if err != nil {
		return 0, fmt.Errorf("read %v: %w", n, err)
	}
	seq, err := sequence(n.key, v)
	if err != nil {
		return 0, fmt.Errorf("read %v: %w", n, err)
	}
	return seq, nil
}

// checkTransfers moves units between accounts in keyspaces of their own, with a
// condition on both. The sum stays.
func checkTransfers(s *store) {
	e := s.start()
	const accounts, units, workers = 6, 100, 4
	account := func(i int) name {
		return name{engines.Keyspace(i % 2 * int(engines.Index)), fmt.Sprintf("account-%d", i)}
	}
	for i := range accounts {
		s.put(account(i).ks, account(i).key, fmt.Sprint(units))
	}
	per := s.count(800) / workers
	var done sync.WaitGroup
	for w := range workers {
		rng := s.rng(uint64(100 + w))
		done.Go(func() {
			for range per {
				from := rng.IntN(accounts)
				to := (from + 1 + rng.IntN(accounts-1)) % accounts
				if err := s.transfer(e, account(from), account(to)); err != nil && !errors.Is(err, engines.ErrConflict) {
					s.Errorf("transfer: %v", err)
					return
				}
			}
		})
	}
	done.Wait()
	sum := 0
	for i := range accounts {
		n, _, err := s.balance(e, account(i))
		if err != nil {
			s.Fatalf("%v", err)
		}
		sum += n
	}
	if sum != accounts*units {
		s.Errorf("the accounts hold %d units, want %d: a batch was applied in part or over another", sum, accounts*units)
	}
}

func (s *store) balance(g getter, n name) (units int, v engines.Version, err error) {
	raw, v, err := g.Get(s.ctx, n.ks, []byte(n.key), nil)
	if err != nil {
		return 0, 0, fmt.Errorf("read %v: %w", n, err)
	}
	if _, err := fmt.Sscan(string(raw), &units); err != nil {
		return 0, 0, fmt.Errorf("%v holds %q: %w", n, raw, err)
	}
	return units, v, nil
}

func (s *store) transfer(e engines.Engine, from, to name) error {
	have, v, err := s.balance(e, from)
	if err != nil {
		return err
	}
	other, w, err := s.balance(e, to)
	if err != nil {
		return err
	}
	var b engines.Batch
	b.Require(from.ks, []byte(from.key), v)
	b.Require(to.ks, []byte(to.key), w)
	b.Put(from.ks, []byte(from.key), fmt.Append(nil, have-1))
	b.Put(to.ks, []byte(to.key), fmt.Append(nil, other+1))
	return e.Apply(s.ctx, &b)
}
