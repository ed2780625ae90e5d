package memory

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"orbitbench/harness/patience"
)

// TestOrderAgainstMap drives the sorted key set and a map with the same calls.
func TestOrderAgainstMap(t *testing.T) {
	seed := patience.Seed(t)
	rng := rand.New(rand.NewPCG(seed, 0))
	for _, pattern := range []string{"random", "rising", "falling"} {
		var o keyOrder
		model := make(map[string]bool)
		for i := range 6000 {
			n := i
			switch pattern {
			case "random":
				n = rng.IntN(3000)
			case "falling":
				n = 6000 - i
			}
			key := fmt.Sprintf("%05d", n)
			if pattern == "random" && rng.IntN(3) == 0 {
				o.remove(key)
				delete(model, key)
			} else {
				o.insert(key)
				model[key] = true
			}
		}
		all := slices.Sorted(maps.Keys(model))
		if got := o.collect(nil, nil, nil, 1<<30); !slices.Equal(got, all) {
			t.Fatalf("%s: %d keys, want %d", pattern, len(got), len(all))
		}
		for range 300 {
			from, to := fmt.Appendf(nil, "%05d", rng.IntN(6100)), fmt.Appendf(nil, "%05d", rng.IntN(6100))
			limit := rng.IntN(700)
			var want []string
			for _, k := range all {
				if k >= string(from) && k < string(to) && len(want) < limit {
					want = append(want, k)
				}
			}
			if got := o.collect(nil, from, to, limit); !slices.Equal(got, want) {
				t.Fatalf("%s: [%s, %s) limit %d: %d keys, want %d", pattern, from, to, limit, len(got), len(want))
			}
		}
		for _, k := range all {
			o.remove(k)
		}
		o.remove("nothing")
		if len(o.blocks) != 0 {
			t.Errorf("%s: %d blocks are left", pattern, len(o.blocks))
		}
	}
}
