package enginetest

import (
	"bytes"
	"encoding/binary"
	"errors"

	"orbitbench/engines"
)

var limitChecks = []named{
	{"limits/accepted", checkLimitsAccepted},
	{"limits/refused", checkLimitsRefused},
	{"limits/empty", checkEmpty},
}

// checkLimitsAccepted stores what the contract says every engine takes: the
// longest key, the longest value, the most operations, the most bytes.
func checkLimitsAccepted(s *store) {
	s.start()
	longKey := bytes.Repeat([]byte{0xab}, engines.MaxKeyBytes)
	large := value("large", 1, engines.MaxValueBytes)
	s.put(engines.Snapshots, string(longKey), string(large))
	s.put(engines.Leases, string(longKey), "short")

	// The most operations, over every keyspace.
	all := s.apply(func(b *engines.Batch) {
		for i := range engines.MaxBatchOps {
			ks := engines.Keyspace(i % engines.NumKeyspaces)
			b.Put(ks, binary.BigEndian.AppendUint32([]byte("op"), uint32(i)), []byte("v"))
		}
	})
	// The most bytes: values of the greatest length, and one that fills the rest.
	rest := engines.MaxBatchBytes - 3*engines.MaxValueBytes - 4*2
	s.apply(func(b *engines.Batch) {
		for i := range 3 {
			b.Put(engines.Snapshots, []byte{'m', byte('0' + i)}, large)
		}
		b.Put(engines.Snapshots, []byte("m3"), large[:rest])
	})
	look := func() {
		s.Helper()
		s.want(s.e, engines.Snapshots, string(longKey), string(large), 0)
		s.want(s.e, engines.Leases, string(longKey), "short", 0)
		for _, k := range []string{"m0", "m1", "m2"} {
			s.want(s.e, engines.Snapshots, k, string(large), 0)
		}
		s.want(s.e, engines.Snapshots, "m3", string(large[:rest]), 0)
		for i := 0; i < engines.MaxBatchOps; i += 97 {
			if op := &all.Ops[i]; !s.mayEvict(op.Keyspace) {
				s.want(s.e, op.Keyspace, string(op.Key), "v", op.Assigned)
			}
		}
		if got := len(s.scan(s.e, engines.Snapshots, []byte("m"), []byte("n"))); got != 4 {
			s.Errorf("Scan over large values: %d records, want 4", got)
		}
	}
	look()
	if s.keeps() {
		s.reopen()
		look()
	}
	s.apply(func(b *engines.Batch) {
		for i := range all.Ops {
			if op := &all.Ops[i]; s.mayDelete(op.Keyspace) {
				b.Delete(op.Keyspace, op.Key)
			}
		}
	})
	if got := s.scan(s.e, engines.Nodes, nil, nil); len(got) != 0 {
		s.Errorf("after a batch of deletes %d records are left, want none", len(got))
	}
}

func checkLimitsRefused(s *store) {
	e := s.start()
	v := s.put(engines.Leases, "key", "value")
	before := s.dump(e)
	long := make([]byte, engines.MaxKeyBytes+1)
	large := make([]byte, engines.MaxValueBytes)
	for what, fill := range map[string]func(b *engines.Batch){
		"key too long":           func(b *engines.Batch) { b.Put(engines.Leases, long, nil) },
		"empty key":              func(b *engines.Batch) { b.Put(engines.Leases, nil, nil) },
		"delete of an empty key": func(b *engines.Batch) { b.Delete(engines.Leases, nil) },
		"value too long":         func(b *engines.Batch) { b.Put(engines.Leases, []byte("new"), append(large, 0)) },
		"unknown keyspace":       func(b *engines.Batch) { b.Put(engines.Keyspace(engines.NumKeyspaces), []byte("new"), nil) },
		"unknown operation":      func(b *engines.Batch) { b.Ops = append(b.Ops, engines.Op{Kind: 99, Key: []byte("new")}) },
		"condition, empty key":   func(b *engines.Batch) { b.Require(engines.Leases, nil, 0) },
		"condition, long key":    func(b *engines.Batch) { b.Require(engines.Leases, long, 0) },
		"condition, keyspace":    func(b *engines.Batch) { b.Require(200, []byte("key"), v) },
		"renew elsewhere":        func(b *engines.Batch) { b.Renew([]byte("key"), renewal(1, 2)); b.Ops[0].Keyspace = engines.Nodes },
		"one key, put and put": func(b *engines.Batch) {
			b.Put(engines.Leases, []byte("new"), nil)
			b.Put(engines.Leases, []byte("new"), nil)
		},
		"one key, put and delete": func(b *engines.Batch) {
			b.Put(engines.Leases, []byte("key"), nil)
			b.Delete(engines.Leases, []byte("key"))
		},
		"one key among many": func(b *engines.Batch) {
			for i := range 50 {
				b.Put(engines.Leases, []byte{byte(i % 49), 'x'}, nil)
			}
		},
		"too many operations": func(b *engines.Batch) {
			for i := range engines.MaxBatchOps + 1 {
				b.Put(engines.Leases, binary.BigEndian.AppendUint32(nil, uint32(i)), nil)
			}
		},
		"too many bytes": func(b *engines.Batch) {
			for i := range engines.MaxBatchBytes / engines.MaxValueBytes {
				b.Put(engines.Leases, []byte{'x', byte(i)}, large)
			}
		},
	} {
		var b engines.Batch
		fill(&b)
		if err := e.Apply(s.ctx, &b); !errors.Is(err, engines.ErrInvalid) {
			s.Errorf("Apply, %s: %v, want ErrInvalid", what, err)
		}
		var with engines.Batch
		with.Put(engines.Index, []byte("beside"), []byte("x"))
		fill(&with)
		if what == "renew elsewhere" {
			continue // it changes the first operation
		}
		if err := e.Apply(s.ctx, &with); !errors.Is(err, engines.ErrInvalid) {
			s.Errorf("Apply, %s behind another operation: %v, want ErrInvalid", what, err)
		}
	}
	none := func(_, _ []byte, _ engines.Version) error { return nil }
	if _, _, err := e.Get(s.ctx, 200, []byte("key"), nil); !errors.Is(err, engines.ErrInvalid) {
		s.Errorf("Get in an unknown keyspace: %v, want ErrInvalid", err)
	}
	if err := e.Scan(s.ctx, 200, nil, nil, none); !errors.Is(err, engines.ErrInvalid) {
		s.Errorf("Scan of an unknown keyspace: %v, want ErrInvalid", err)
	}
	for _, key := range [][]byte{nil, long} {
		if _, _, err := e.Get(s.ctx, engines.Leases, key, nil); !errors.Is(err, engines.ErrInvalid) && !errors.Is(err, engines.ErrNotFound) {
			s.Errorf("Get of a key of %d bytes: %v, want ErrInvalid or ErrNotFound", len(key), err)
		}
	}
	s.sameState("after refused calls", s.dump(e), before)
}

func checkEmpty(s *store) {
	e := s.start()
	if err := e.Apply(s.ctx, &engines.Batch{}); err != nil {
		s.Errorf("Apply of an empty batch: %v", err)
	}
	want := map[name]record{}
	for _, ks := range engines.AllKeyspaces() {
		if s.mayEvict(ks) {
			continue
		}
		b := s.apply(func(b *engines.Batch) {
			b.Put(ks, []byte("nil"), nil)
			b.Put(ks, []byte("empty"), []byte{})
		})
		want[name{ks, "nil"}] = record{"", b.Ops[0].Assigned}
		want[name{ks, "empty"}] = record{"", b.Ops[1].Assigned}
	}
	for n, r := range want {
		s.want(e, n.ks, n.key, "", r.version)
	}
	s.sameState("records without a value", s.dump(e), want)
	if s.keeps() {
		s.reopen()
		s.sameState("records without a value, after reopen", s.dump(s.e), want)
	}
}
