package directory

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"orbitbench/engines"
	"orbitbench/engines/lease"
	"orbitbench/engines/memory"
	"orbitbench/engines/noop"
)

var ctx = context.Background()

// open returns an empty memory engine.
func open(t testing.TB) engines.Engine {
	t.Helper()
	e, err := memory.Driver{}.Open(ctx, engines.Options{Dir: filepath.Join(t.TempDir(), "store")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func newLease(node string, now, expires int64) *lease.Lease {
	l := lease.New(node, now, time.Duration(expires-now), []byte("custom"))
	return &l
}

// forBothPaths runs a test on the native and on the generic path.
func forBothPaths(t *testing.T, run func(t *testing.T, e engines.Engine, d *Directory)) {
	t.Helper()
	for _, path := range []string{PathNative, PathGeneric} {
		t.Run(path, func(t *testing.T) {
			e := open(t)
			d := New(e, Options{Generic: path == PathGeneric})
			if d.Path() != path {
				t.Fatalf("path is %s, want %s", d.Path(), path)
			}
			run(t, e, d)
			checkIndex(t, e)
		})
	}
}

func must[T any](t *testing.T) func(v T, err error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func wantErr(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

// checkIndex checks that every lease has exactly one index record of each
// kind, that they agree, and that there are no others.
func checkIndex(t *testing.T, e engines.Engine) {
	t.Helper()
	for _, wrong := range indexErrors(t, e) {
		t.Error(wrong)
	}
}

func indexErrors(t *testing.T, e engines.Engine) (wrong []string) {
	t.Helper()
	want := make(map[string]string) // index key -> lease key
	index := make(map[string][]byte)
	scan(t, e, engines.Index, func(k, v []byte) { index[string(k)] = slices.Clone(v) })
	scan(t, e, engines.Leases, func(k, v []byte) {
		var l lease.Lease
		if err := l.UnmarshalBinary(v); err != nil {
			t.Fatal(err)
		}
		var a arena
		byNode := nodeKey(&a, l.NodeID, k)
		due, ok := index[string(byNode)]
		if !ok || len(due) != dueBytes {
			wrong = append(wrong, fmt.Sprintf("lease %q of %s: node record is %x", k, l.NodeID, due))
			return
		}
		want[string(byNode)] = string(k)
		want[string(appendExpiryKey(nil, decodeDue(due), k))] = string(k)
	})
	for k := range want {
		if _, ok := index[k]; !ok {
			wrong = append(wrong, fmt.Sprintf("lease %q lacks index record %q", want[k], k))
		}
	}
	for k := range index {
		if _, ok := want[k]; !ok {
			wrong = append(wrong, fmt.Sprintf("index record %q belongs to no lease", k))
		}
	}
	return wrong
}

// TestCheckIndexCatches breaks the index in each way there is.
func TestCheckIndexCatches(t *testing.T) {
	for what, spoil := range map[string]func(b *engines.Batch, byNode, byExpiry []byte){
		"no node record":    func(b *engines.Batch, byNode, _ []byte) { b.Delete(engines.Index, byNode) },
		"no expiry record":  func(b *engines.Batch, _, byExpiry []byte) { b.Delete(engines.Index, byExpiry) },
		"wrong due":         func(b *engines.Batch, byNode, _ []byte) { b.Put(engines.Index, byNode, encodeDue(nil, 7)) },
		"lease is gone":     func(b *engines.Batch, _, _ []byte) { b.Delete(engines.Leases, []byte("k")) },
		"one more":          func(b *engines.Batch, byNode, _ []byte) { b.Put(engines.Index, append(byNode, 'x'), nil) },
		"two expiry record": func(b *engines.Batch, _, _ []byte) { b.Put(engines.Index, appendExpiryKey(nil, 5, []byte("k")), nil) },
	} {
		e := open(t)
		must[engines.Version](t)(New(e, Options{}).NewSession().Acquire(ctx, []byte("k"), newLease("n", 1, 100), 1))
		checkIndex(t, e)
		var b engines.Batch
		var a arena
		spoil(&b, nodeKey(&a, "n", []byte("k")), appendExpiryKey(nil, 100, []byte("k")))
		if err := e.Apply(ctx, &b); err != nil {
			t.Fatal(err)
		}
		if len(indexErrors(t, e)) == 0 {
			t.Errorf("%s: not noticed", what)
		}
	}
}

// FuzzIndexRecords: whatever stands in keyspace Index, a sweep and a list end,
// with an error or without, and a sound lease stays.
func FuzzIndexRecords(f *testing.F) {
	f.Add([]byte("e"), []byte{})
	f.Add(appendExpiryKey(nil, 5, []byte("k")), []byte{})
	f.Add(appendExpiryKey(nil, 5, []byte("other")), []byte("x"))
	f.Add([]byte("n\x01nk"), encodeDue(nil, 5))
	f.Add([]byte("n\x01nk"), []byte("short"))
	f.Add([]byte("n\x01n"), []byte{})
	e := open(f)
	f.Fuzz(func(t *testing.T, key, value []byte) {
		if len(key) == 0 || len(key) > engines.MaxKeyBytes {
			return
		}
		s := New(e, Options{}).NewSession()
		must[int](t)(s.Remove(ctx, slices.Values([][]byte{[]byte("k")})))
		must[engines.Version](t)(s.Acquire(ctx, []byte("k"), newLease("n", 1, 1000), 1))
		var b engines.Batch
		b.Put(engines.Index, key, value)
		if err := e.Apply(ctx, &b); err != nil {
			t.Fatal(err)
		}
		for _, err := range []error{
			second(s.Sweep(ctx, 10, 0)),
			second(s.ListByNode(ctx, "n", 0, func([]byte, engines.Version, []byte) error { return nil })),
		} {
			if err != nil && !errors.Is(err, lease.ErrFormat) {
				t.Errorf("index record %x = %x: %v, want lease.ErrFormat or nothing", key, value, err)
			}
		}
		if raw, _, err := s.Get(ctx, []byte("k")); err != nil || string(lease.HolderOf(raw)) != "n" {
			t.Errorf("the lease is gone: %v", err)
		}
		b.Reset()
		b.Delete(engines.Index, key)
		if err := e.Apply(ctx, &b); err != nil {
			t.Fatal(err)
		}
	})
}

func second[T any](_ T, err error) error { return err }

func scan(t *testing.T, e engines.Engine, ks engines.Keyspace, do func(k, v []byte)) {
	t.Helper()
	err := e.Scan(ctx, ks, nil, nil, func(k, v []byte, _ engines.Version) error {
		do(k, v)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestLifeOfALease(t *testing.T) {
	forBothPaths(t, func(t *testing.T, e engines.Engine, d *Directory) {
		s, key := d.NewSession(), []byte("actor")
		_, _, err := s.Get(ctx, key)
		wantErr(t, "Get before", err, engines.ErrNotFound)
		_, err = s.Renew(ctx, key, 1, lease.Renewal{Now: 1, ExpiresAt: 2})
		wantErr(t, "Renew before", err, engines.ErrNotFound)
		wantErr(t, "Release before", s.Release(ctx, key, 1), engines.ErrNotFound)

		v1 := must[engines.Version](t)(s.Acquire(ctx, key, newLease("a", 100, 200), 100))
		checkIndex(t, e)
		_, err = s.Acquire(ctx, key, newLease("b", 150, 250), 199)
		var held *HeldError
		if !errors.As(err, &held) || *held != (HeldError{"a", v1, 200}) || !errors.Is(err, ErrHeld) {
			t.Errorf("Acquire of a held lease: %v, want held by a at version %d until 200", err, v1)
		}
		v2 := must[engines.Version](t)(s.Renew(ctx, key, v1, lease.Renewal{Now: 150, ExpiresAt: 300}))
		_, err = s.Renew(ctx, key, v1, lease.Renewal{Now: 160, ExpiresAt: 300})
		wantErr(t, "Renew at an old version", err, engines.ErrConflict)
		wantErr(t, "Release at an old version", s.Release(ctx, key, v1), engines.ErrConflict)

		// The same node may acquire again, and fences itself off.
		v3 := must[engines.Version](t)(s.Acquire(ctx, key, newLease("a", 160, 400), 160))
		_, err = s.Renew(ctx, key, v2, lease.Renewal{Now: 170, ExpiresAt: 500})
		wantErr(t, "Renew by the former holder", err, engines.ErrConflict)
		if v3 <= v2 || v2 <= v1 {
			t.Errorf("versions %d, %d, %d do not rise", v1, v2, v3)
		}

		// It runs out at 400: b takes over, a is fenced off.
		_, err = s.Renew(ctx, key, v3, lease.Renewal{Now: 400, ExpiresAt: 500})
		wantErr(t, "Renew at expiry", err, lease.ErrExpired)
		v4 := must[engines.Version](t)(s.Acquire(ctx, key, newLease("b", 400, 600), 400))
		_, err = s.Renew(ctx, key, v3, lease.Renewal{Now: 410, ExpiresAt: 500})
		wantErr(t, "Renew by the old holder", err, engines.ErrConflict)
		wantErr(t, "Release by the old holder", s.Release(ctx, key, v3), engines.ErrConflict)
		raw, v, err := s.Get(ctx, key)
		if err != nil || v != v4 || string(lease.HolderOf(raw)) != "b" {
			t.Errorf("Get: %x at %d, %v, want b at %d", raw, v, err, v4)
		}
		checkIndex(t, e)

		v5 := must[engines.Version](t)(s.Update(ctx, key, v4, newLease("c", 450, 700), 450))
		_, err = s.Update(ctx, key, v4, newLease("b", 450, 700), 450)
		wantErr(t, "Update at an old version", err, engines.ErrConflict)
		_, err = s.Update(ctx, key, v5, newLease("c", 701, 800), 700)
		wantErr(t, "Update of an expired lease", err, lease.ErrExpired)
		checkIndex(t, e)
		if err := s.Release(ctx, key, v5); err != nil {
			t.Error(err)
		}
		v6 := must[engines.Version](t)(s.Acquire(ctx, key, newLease("d", 500, 900), 500))
		if v6 <= v5 {
			t.Errorf("version %d after a release, had %d", v6, v5)
		}
	})
}

func TestAcquireRefusesBadLeases(t *testing.T) {
	s := New(open(t), Options{}).NewSession()
	for what, c := range map[string]struct {
		key []byte
		l   *lease.Lease
	}{
		"no node":       {[]byte("k"), newLease("", 1, 9)},
		"expired":       {[]byte("k"), newLease("n", 1, 5)},
		"no key":        {nil, newLease("n", 1, 9)},
		"long node":     {[]byte("k"), newLease(string(make([]byte, 256)), 1, 9)},
		"long together": {make([]byte, 300), newLease(string(make([]byte, 200)), 1, 9)},
	} {
		_, err := s.Acquire(ctx, c.key, c.l, 5)
		wantErr(t, what, err, engines.ErrInvalid)
	}
}

func TestListByNode(t *testing.T) {
	forBothPaths(t, func(t *testing.T, _ engines.Engine, d *Directory) {
		s := d.NewSession()
		want := make(map[string][]string)
		for i := range 1500 {
			// Names that are prefixes of each other must not mix.
			node, key := []string{"n", "n1", "n11", ""}[i%3], fmt.Sprintf("key-%04d", i)
			must[engines.Version](t)(s.Acquire(ctx, []byte(key), newLease(node, 1, 100), 1))
			want[node] = append(want[node], key)
		}
		list := func(node string, limit, stop int) []string {
			t.Helper()
			var got []string
			n, err := s.ListByNode(ctx, node, limit, func(key []byte, v engines.Version, value []byte) error {
				if v == 0 || string(lease.HolderOf(value)) != node {
					t.Errorf("%q: version %d of %s", key, v, lease.HolderOf(value))
				}
				if got = append(got, string(key)); len(got) == stop {
					return engines.ErrStopScan
				}
				return nil
			})
			if err != nil || n != len(got) {
				t.Errorf("ListByNode: %d, %v, saw %d", n, err, len(got))
			}
			return got
		}
		for node, keys := range want {
			for _, limit := range []int{0, 1, 255, 256, 257, 499, 500, 501} {
				expect := keys
				if limit > 0 && limit < len(keys) {
					expect = keys[:limit]
				}
				if got := list(node, limit, -1); !slices.Equal(got, expect) {
					t.Errorf("node %q, limit %d: %d leases, want %d", node, limit, len(got), len(expect))
				}
			}
			if got := list(node, 0, 300); !slices.Equal(got, keys[:300]) {
				t.Errorf("node %q, stopped at 300: %d leases", node, len(got))
			}
		}
		if got := list("n2", 0, -1); len(got) != 0 {
			t.Errorf("a node without leases has %d", len(got))
		}
		mine := errors.New("mine")
		_, err := s.ListByNode(ctx, "n", 0, func([]byte, engines.Version, []byte) error { return mine })
		wantErr(t, "ListByNode whose yield fails", err, mine)
	})
}

func TestSweep(t *testing.T) {
	forBothPaths(t, func(t *testing.T, e engines.Engine, d *Directory) {
		s := d.NewSession()
		const n = 300
		key := func(i int) []byte { return fmt.Appendf(nil, "key-%04d", i) }
		held := make([]engines.Version, n)
		for i := range n {
			held[i] = must[engines.Version](t)(s.Acquire(ctx, key(i), newLease("node", -50, int64(i%100)-10), -50))
		}
		// A third is renewed, and its index records stay where they are.
		for i := 0; i < n; i += 3 {
			held[i] = must[engines.Version](t)(s.Renew(ctx, key(i), held[i], lease.Renewal{Now: -20, ExpiresAt: 1000}))
		}
		expired := 0
		for i := range n {
			if i%3 != 0 && i%100-10 <= 40 {
				expired++
			}
		}
		if got := must[int](t)(s.Sweep(ctx, 40, 7)); got != 7 {
			t.Errorf("Sweep limited to 7 removed %d", got)
		}
		checkIndex(t, e)
		if got := must[int](t)(s.Sweep(ctx, 40, 0)); got != expired-7 {
			t.Errorf("Sweep removed %d, want %d", got, expired-7)
		}
		checkIndex(t, e)
		if got := must[int](t)(s.Sweep(ctx, 40, 0)); got != 0 {
			t.Errorf("a second Sweep removed %d", got)
		}
		for i := range n {
			_, _, err := s.Get(ctx, key(i))
			if gone := i%3 != 0 && i%100-10 <= 40; gone != errors.Is(err, engines.ErrNotFound) {
				t.Errorf("lease %d after the sweep: %v, want gone: %v", i, err, gone)
			}
		}
		if got, want := must[int](t)(s.Sweep(ctx, 1000, 0)), n-expired; got != want {
			t.Errorf("last Sweep removed %d, want %d", got, want)
		}
		scan(t, e, engines.Index, func(k, _ []byte) { t.Errorf("index record %q is left", k) })
		v := must[engines.Version](t)(s.Acquire(ctx, key(0), newLease("other", 1, 9), 1))
		if v <= held[0] {
			t.Errorf("version %d after the sweep, had %d", v, held[0])
		}
	})
}

func TestRenewalsDoNotTouchTheIndex(t *testing.T) {
	forBothPaths(t, func(t *testing.T, e engines.Engine, d *Directory) {
		s := d.NewSession()
		v := must[engines.Version](t)(s.Acquire(ctx, []byte("k"), newLease("n", 1, 100), 1))
		snapshot := func() (all []string) {
			err := e.Scan(ctx, engines.Index, nil, nil, func(k, val []byte, v engines.Version) error {
				all = append(all, fmt.Sprintf("%x=%x@%d", k, val, v))
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			return all
		}
		before := snapshot()
		for i := range int64(10) {
			v = must[engines.Version](t)(s.Renew(ctx, []byte("k"), v, lease.Renewal{Now: 2 + i, ExpiresAt: 200 + i}))
		}
		if after := snapshot(); !slices.Equal(before, after) {
			t.Errorf("index before %v, after %v", before, after)
		}
	})
}

func TestLoadAndRemove(t *testing.T) {
	forBothPaths(t, func(t *testing.T, e engines.Engine, d *Directory) {
		s := d.NewSession()
		const n = 3000
		records := func(yield func([]byte, *lease.Lease) bool) {
			var key []byte // reused, as a generator would
			for i := range n {
				key = fmt.Appendf(key[:0], "key-%05d", i)
				if !yield(key, newLease(fmt.Sprintf("node-%d", i%7), 1, int64(100+i))) {
					return
				}
			}
		}
		if got := must[int](t)(s.Load(ctx, records)); got != n {
			t.Errorf("loaded %d, want %d", got, n)
		}
		checkIndex(t, e)
		before := e.Stats()
		if got, err := s.Load(ctx, records); got != 0 || !errors.Is(err, engines.ErrConflict) {
			t.Errorf("second load: %d, %v, want ErrConflict", got, err)
		}
		if after := e.Stats(); after.Records != before.Records {
			t.Errorf("records went from %d to %d", before.Records, after.Records)
		}
		got := must[int](t)(s.ListByNode(ctx, "node-3", 0, func([]byte, engines.Version, []byte) error { return nil }))
		if want := n / 7; got < want {
			t.Errorf("node-3 holds %d, want about %d", got, want)
		}
		removed := must[int](t)(s.Remove(ctx, func(yield func([]byte) bool) {
			for i := 0; i < n; i += 2 {
				if !yield(fmt.Appendf(nil, "key-%05d", i)) || (i%100 == 0 && !yield([]byte("nobody"))) {
					return
				}
			}
			yield([]byte("key-00001"))
			yield([]byte("key-00001")) // twice in one batch
		}))
		if removed != n/2+1 {
			t.Errorf("removed %d, want %d", removed, n/2+1)
		}
		checkIndex(t, e)
	})
}

func TestSessionOverNoop(t *testing.T) {
	e := must[engines.Engine](t)(noop.Driver{}.Open(ctx, engines.Options{Dir: filepath.Join(t.TempDir(), "noop")}))
	for _, generic := range []bool{false, true} {
		s := New(e, Options{Generic: generic}).NewSession()
		v := must[engines.Version](t)(s.Acquire(ctx, []byte("k"), newLease("n", 1, 100), 1))
		v = must[engines.Version](t)(s.Renew(ctx, []byte("k"), v, lease.Renewal{Now: 2, ExpiresAt: 200}))
		if err := s.Release(ctx, []byte("k"), v); err != nil {
			t.Error(err)
		}
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}

func TestHotPathsAllocateNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	forBothPaths(t, func(t *testing.T, _ engines.Engine, d *Directory) {
		s, key, l := d.NewSession(), []byte("key"), newLease("node", 1, 1<<50)
		v := must[engines.Version](t)(s.Acquire(ctx, key, l, 1))
		now := int64(2)
		for what, call := range map[string]func() error{
			"Get": func() error { _, _, err := s.Get(ctx, key); return err },
			"Renew": func() (err error) {
				v, err = s.Renew(ctx, key, v, lease.Renewal{Now: now, ExpiresAt: 1<<50 + now})
				return err
			},
			"Acquire": func() (err error) {
				v, err = s.Acquire(ctx, key, l, now)
				return err
			},
		} {
			if n := testing.AllocsPerRun(200, func() {
				if err := call(); err != nil {
					t.Fatal(err)
				}
			}); n != 0 {
				t.Errorf("%s: %v allocations, want none", what, n)
			}
		}
	})
}
