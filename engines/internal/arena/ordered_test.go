package arena

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"orbitbench/harness/patience"
)

// keyList is a Keys over plain slices: ref i is key i.
type keyList [][]byte

func (k keyList) Key(r Ref) []byte { return k[r] }

// randomKey makes keys that share prefixes, end in zeros and are prefixes of one another.
func randomKey(rng *rand.Rand) []byte {
	key := []byte("node-000")[:rng.IntN(9)]
	for range 1 + rng.IntN(20) {
		key = append(key, "\x00\x01ab"[rng.IntN(4)])
	}
	return key
}

func distinctKeys(rng *rand.Rand, n int) keyList {
	seen := map[string]bool{}
	keys := keyList{nil} // ref 0 names nothing
	for len(keys) <= n {
		if k := randomKey(rng); !seen[string(k)] {
			seen[string(k)] = true
			keys = append(keys, k)
		}
	}
	return keys
}

func newRand(t testing.TB) *rand.Rand {
	seed := patience.Seed(t)
	return rand.New(rand.NewPCG(seed, 1))
}

func sortedRefs(keys keyList, live map[Ref]bool) []Ref {
	var refs []Ref
	for r := range live {
		refs = append(refs, r)
	}
	slices.SortFunc(refs, func(x, y Ref) int { return bytes.Compare(keys[x], keys[y]) })
	return refs
}

func checkOrder(t *testing.T, o *Ordered, keys keyList, live map[Ref]bool) {
	t.Helper()
	want := sortedRefs(keys, live)
	got := o.Collect(nil, nil, nil, false, -1)
	if !slices.Equal(got, want) || o.Len() != len(want) {
		t.Fatalf("set of %d refs holds %d in another order than its keys", len(want), len(got))
	}
}

func TestOrderedAgainstModel(t *testing.T) {
	rng := newRand(t)
	keys := distinctKeys(rng, 4000)
	for _, built := range []bool{false, true} {
		live := map[Ref]bool{}
		o := NewOrdered(keys)
		if built {
			var refs []Ref
			for r := Ref(1); r < 2000; r++ {
				refs = append(refs, r)
				live[r] = true
			}
			rng.Shuffle(len(refs), func(i, j int) { refs[i], refs[j] = refs[j], refs[i] })
			o = Build(keys, refs)
			checkOrder(t, o, keys, live)
		}
		for step := range 20000 {
			r := Ref(1 + rng.IntN(len(keys)-1))
			if rng.IntN(100) < 55 && step < 15000 {
				o.Put(keys[r], r)
				live[r] = true
			} else if o.Delete(keys[r]) != live[r] {
				t.Fatalf("delete of key %q: want %v", keys[r], live[r])
			} else {
				delete(live, r)
			}
		}
		checkOrder(t, o, keys, live)
		checkRanges(t, rng, o, keys, live)
	}
}

func checkRanges(t *testing.T, rng *rand.Rand, o *Ordered, keys keyList, live map[Ref]bool) {
	t.Helper()
	all := sortedRefs(keys, live)
	for range 300 {
		from, to, after, limit := randomKey(rng), randomKey(rng), rng.IntN(2) == 0, 1+rng.IntN(500)
		var want []Ref
		for _, r := range all {
			c := bytes.Compare(keys[r], from)
			if (c > 0 || c == 0 && !after) && bytes.Compare(keys[r], to) < 0 && len(want) < limit {
				want = append(want, r)
			}
		}
		if got := o.Collect(nil, from, to, after, limit); !slices.Equal(got, want) {
			t.Fatalf("[%q, %q) after=%v limit %d: got %d refs, want %d", from, to, after, limit, len(got), len(want))
		}
	}
}

func TestOrderedReplacesAndGrowsAtTheEnd(t *testing.T) {
	keys := keyList{nil}
	o := NewOrdered(&keys)
	for i := range 3 * leafRefs {
		keys = append(keys, fmt.Appendf(nil, "key-%08d", i))
		o.Put(keys[i+1], Ref(i+1))
	}
	if len(o.leaves) != 3 {
		t.Fatalf("rising keys left %d leaves, want 3 full ones", len(o.leaves))
	}
	keys = append(keys, keys[5])
	o.Put(keys[5], Ref(len(keys)-1))
	if o.Len() != 3*leafRefs || o.Collect(nil, keys[5], nil, false, 1)[0] != Ref(len(keys)-1) {
		t.Fatal("Put of a present key did not replace its ref")
	}
}

func BenchmarkOrderedBuild(b *testing.B) {
	keys := make(keyList, 1<<20)
	refs := make([]Ref, 0, len(keys))
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range keys {
		keys[i] = binary.BigEndian.AppendUint64(fmt.Appendf(nil, "n/node-%04d/", rng.IntN(5)), rng.Uint64())
		refs = append(refs, Ref(i))
	}
	for b.Loop() {
		Build(keys, refs[1:])
	}
}
