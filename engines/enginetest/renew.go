package enginetest

import (
	"bytes"
	"errors"
	"strings"
	"time"

	"orbitbench/engines"
	"orbitbench/engines/lease"
)

var renewChecks = []named{
	{"renew/patches_the_head", checkRenewPatches},
	{"renew/not_found", checkRenewNotFound},
	{"renew/expired", checkRenewExpired},
	{"renew/within_a_batch", checkRenewInBatch},
	{"renew/survives_reopen", checkRenewReopen},
	{"renew/native_errors", checkNativeErrors},
	{"renew/native_equals_generic", checkNativeEqualsGeneric},
	{"renew/allocations", checkAllocations},
}

var (
	errExpired = lease.ErrExpired
	errFormat  = lease.ErrFormat
)

func renewal(now, expires int64) lease.Renewal { return lease.Renewal{Now: now, ExpiresAt: expires} }

// leaseBytes is a lease with every field set.
func leaseBytes(now, expires int64) []byte {
	l := lease.New("node-17", now, time.Duration(expires-now), []byte(strings.Repeat("custom data ", 9)))
	raw, err := l.AppendBinary(nil)
	if err != nil {
		panic(err) // the node id above is short
	}
	return raw
}

// putLease stores a lease that was created at now and expires at expires.
func (s *store) putLease(key string, now, expires int64) engines.Version {
	s.Helper()
	return s.put(engines.Leases, key, string(leaseBytes(now, expires)))
}

// patched is what a lease record looks like after a renewal.
func patched(raw []byte, r lease.Renewal) string {
	c := bytes.Clone(raw)
	r.PatchChecked(c)
	return string(c)
}

// renewer is one way to renew: through Apply with the held version as a
// condition, or RenewLease.
type renewer struct {
	name  string
	renew func(key string, held engines.Version, r lease.Renewal) (engines.Version, error)
}

// renewers returns the ways that the engine has.
func (s *store) renewers() []renewer {
	ways := []renewer{{"Apply", func(key string, held engines.Version, r lease.Renewal) (engines.Version, error) {
		var b engines.Batch
		b.Require(engines.Leases, []byte(key), held)
		b.Renew([]byte(key), r)
		err := s.e.Apply(s.ctx, &b)
		return b.Ops[0].Assigned, err
	}}}
	if native, ok := s.e.(engines.LeaseRenewer); ok {
		ways = append(ways, renewer{"RenewLease", func(key string, held engines.Version, r lease.Renewal) (engines.Version, error) {
			return native.RenewLease(s.ctx, []byte(key), held, r)
		}})
	}
	return ways
}

func checkRenewPatches(s *store) {
	e := s.start()
	for _, way := range s.renewers() {
		raw := leaseBytes(100, 1000)
		held := s.put(engines.Leases, way.name, string(raw))
		for i := range int64(5) {
			r := renewal(200+i, 2000+i)
			v, err := way.renew(way.name, held, r)
			if err != nil || v != held+1 {
				s.Fatalf("%s: version %d after %d, error %v", way.name, v, held, err)
			}
			raw, held = []byte(patched(raw, r)), v
			s.want(e, engines.Leases, way.name, string(raw), held)
		}
		// A renewal may also shorten a lease.
		r := renewal(300, 301)
		v, err := way.renew(way.name, held, r)
		if err != nil {
			s.Fatalf("%s: %v", way.name, err)
		}
		s.want(e, engines.Leases, way.name, patched(raw, r), v)
	}
}

func checkRenewNotFound(s *store) {
	e := s.start()
	var b engines.Batch
	b.Renew([]byte("nothing"), renewal(1, 2))
	if err := e.Apply(s.ctx, &b); !errors.Is(err, engines.ErrNotFound) {
		s.Errorf("Apply of a renewal of nothing: %v, want ErrNotFound", err)
	}
	s.putLease("released", 1, 1000)
	s.remove(engines.Leases, "released")
	b.Reset()
	b.Renew([]byte("released"), renewal(2, 3))
	if err := e.Apply(s.ctx, &b); !errors.Is(err, engines.ErrNotFound) {
		s.Errorf("Apply of a renewal of a released lease: %v, want ErrNotFound", err)
	}
	s.wantAbsent(e, engines.Leases, "nothing")
	s.wantAbsent(e, engines.Leases, "released")
}

func checkRenewExpired(s *store) {
	e := s.start()
	for _, way := range s.renewers() {
		raw := leaseBytes(100, 1000)
		held := s.put(engines.Leases, way.name, string(raw))
		for _, now := range []int64{1000, 1001, 1 << 60} {
			if _, err := way.renew(way.name, held, renewal(now, now+1000)); !errors.Is(err, lease.ErrExpired) {
				s.Errorf("%s at %d of a lease until 1000: %v, want lease.ErrExpired", way.name, now, err)
			}
		}
		s.want(e, engines.Leases, way.name, string(raw), held)
		r := renewal(999, 5000)
		v, err := way.renew(way.name, held, r)
		if err != nil || v != held+1 {
			s.Errorf("%s at 999 of a lease until 1000: version %d after %d, error %v", way.name, v, held, err)
		}
		s.want(e, engines.Leases, way.name, patched(raw, r), held+1)
	}
}

// checkRenewInBatch renews together with other operations and conditions.
func checkRenewInBatch(s *store) {
	e := s.start()
	raw := leaseBytes(100, 1000)
	v1 := s.put(engines.Leases, "one", string(raw))
	v2 := s.put(engines.Leases, "two", string(raw))
	r := renewal(200, 2000)
	b := s.apply(func(b *engines.Batch) {
		b.Require(engines.Leases, []byte("one"), v1)
		b.Renew([]byte("one"), r)
		b.Put(engines.Nodes, []byte("node"), []byte("beat"))
		b.Renew([]byte("two"), r)
	})
	s.want(e, engines.Leases, "one", patched(raw, r), v1+1)
	s.want(e, engines.Leases, "two", patched(raw, r), v2+1)
	if b.Ops[0].Assigned != v1+1 || b.Ops[2].Assigned != v2+1 {
		s.Errorf("assigned %d and %d, want %d and %d", b.Ops[0].Assigned, b.Ops[2].Assigned, v1+1, v2+1)
	}
	before := s.dump(e)
	for _, late := range []string{"one", "two"} {
		var bad engines.Batch
		for _, key := range []string{"one", "two"} {
			now := int64(300)
			if key == late {
				now = 2000
			}
			bad.Renew([]byte(key), renewal(now, 9000))
		}
		bad.Put(engines.Nodes, []byte("node"), []byte("missed"))
		if err := e.Apply(s.ctx, &bad); !errors.Is(err, lease.ErrExpired) {
			s.Errorf("batch with an expired renewal: %v, want lease.ErrExpired", err)
		}
	}
	s.sameState("after batches with an expired renewal", s.dump(e), before)
}

func checkRenewReopen(s *store) {
	if !s.keeps() {
		s.Skipf("class %s promises nothing for a close", s.options.Durability)
	}
	s.start()
	want := make(map[string]string)
	held := make(map[string]engines.Version)
	for _, way := range s.renewers() {
		raw := leaseBytes(100, 1000)
		held[way.name] = s.put(engines.Leases, way.name, string(raw))
		for i := range int64(3) {
			r := renewal(200+i, 2000+i)
			v, err := way.renew(way.name, held[way.name], r)
			if err != nil {
				s.Fatalf("%s: %v", way.name, err)
			}
			raw, held[way.name] = []byte(patched(raw, r)), v
		}
		want[way.name] = string(raw)
	}
	s.reopen()
	for _, way := range s.renewers() {
		s.want(s.e, engines.Leases, way.name, want[way.name], held[way.name])
		r := renewal(400, 4000)
		v, err := way.renew(way.name, held[way.name], r)
		if err != nil || v != held[way.name]+1 {
			s.Errorf("%s after reopen: version %d after %d, error %v", way.name, v, held[way.name], err)
		}
		s.want(s.e, engines.Leases, way.name, patched([]byte(want[way.name]), r), v)
	}
}

// native returns the engine's LeaseRenewer or skips the check.
func (s *store) native() engines.LeaseRenewer {
	s.Helper()
	native, ok := s.start().(engines.LeaseRenewer)
	if !ok {
		s.Skipf("%s is no LeaseRenewer", s.info.Name)
	}
	return native
}

func checkNativeErrors(s *store) {
	native := s.native()
	renew := func(key string, held engines.Version, now int64) error {
		_, err := native.RenewLease(s.ctx, []byte(key), held, renewal(now, now+1000))
		return err
	}
	for _, held := range []engines.Version{0, 1, 7} {
		if err := renew("nothing", held, 1); !errors.Is(err, engines.ErrNotFound) {
			s.Errorf("RenewLease of nothing at version %d: %v, want ErrNotFound", held, err)
		}
	}
	raw := leaseBytes(100, 1000)
	v := s.put(engines.Leases, "key", string(raw))
	for _, held := range []engines.Version{0, v - 1, v + 1, 1 << 60} {
		s.wantConflict("RenewLease", renew("key", held, 200), engines.Leases, held, v)
	}
	s.wantConflict("RenewLease of an expired lease at another version", renew("key", v+1, 5000), engines.Leases, v+1, v)
	if err := renew("key", v, 1000); !errors.Is(err, lease.ErrExpired) {
		s.Errorf("RenewLease of an expired lease: %v, want lease.ErrExpired", err)
	}
	s.want(s.e, engines.Leases, "key", string(raw), v)
	w := s.put(engines.Leases, "text", "this is no lease")
	if err := renew("text", w, 1); !errors.Is(err, lease.ErrFormat) {
		s.Errorf("RenewLease of a record that is no lease: %v, want lease.ErrFormat", err)
	}
	s.want(s.e, engines.Leases, "text", "this is no lease", w)
	for _, key := range []string{"", strings.Repeat("k", engines.MaxKeyBytes+1)} {
		if err := renew(key, 1, 1); !errors.Is(err, engines.ErrInvalid) && !errors.Is(err, engines.ErrNotFound) {
			s.Errorf("RenewLease of a key of %d bytes: %v, want ErrInvalid", len(key), err)
		}
	}
}

// checkNativeEqualsGeneric renews two leases side by side, in turns that mix
// both ways, and compares every step.
func checkNativeEqualsGeneric(s *store) {
	native := s.native()
	rng := s.rng(1)
	raw := string(leaseBytes(100, 1000))
	a, b := s.put(engines.Leases, "generic", raw), s.put(engines.Leases, "native", raw)
	now := int64(100)
	for range s.count(400) {
		now += rng.Int64N(600)
		r := renewal(now, now+rng.Int64N(1000))
		off := engines.Version(0) // two new records need not have the same version
		if rng.IntN(8) == 0 {
			off = engines.Version(rng.IntN(3))
		}
		held := a + off
		var batch engines.Batch
		batch.Require(engines.Leases, []byte("generic"), held)
		batch.Renew([]byte("generic"), r)
		errA := s.e.Apply(s.ctx, &batch)
		vB, errB := native.RenewLease(s.ctx, []byte("native"), b+off, r)
		for _, want := range []error{engines.ErrConflict, lease.ErrExpired} {
			if errors.Is(errA, want) != errors.Is(errB, want) {
				s.Fatalf("held %d, renewal %+v: Apply gives %v, RenewLease %v", held, r, errA, errB)
			}
		}
		if (errA == nil) != (errB == nil) {
			s.Fatalf("held %d, renewal %+v: Apply gives %v, RenewLease %v", held, r, errA, errB)
		}
		if errA == nil {
			if vA := batch.Ops[0].Assigned; vA-a != vB-b {
				s.Fatalf("Apply assigns %d after %d, RenewLease %d after %d", vA, a, vB, b)
			}
			a, b = batch.Ops[0].Assigned, vB
		} else if errors.Is(errA, lease.ErrExpired) {
			raw = string(leaseBytes(now, now+1000))
			a = s.put(engines.Leases, "generic", raw)
			b = s.put(engines.Leases, "native", raw)
		}
		got, _, err := s.e.Get(s.ctx, engines.Leases, []byte("generic"), nil)
		if err != nil {
			s.Fatalf("Get: %v", err)
		}
		s.want(s.e, engines.Leases, "native", string(got), b)
	}
}
