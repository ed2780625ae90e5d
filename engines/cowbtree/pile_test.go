package cowbtree

import (
	"slices"
	"testing"
)

// A pile gives back what was put on it, last first, and its memory, and has none of it on the Go heap.
func TestPile(t *testing.T) {
	h, err := newHeap()
	if err != nil {
		t.Fatal(err)
	}
	defer h.close()
	var p pile
	if _, ok := h.pop(&p); ok {
		t.Fatal("an empty pile gave something")
	}
	before := h.arena.UsedBytes()
	var model []dropped
	for _, grow := range []int{1, pileEntries - 1, 1, -1, 2*pileEntries + 3, -pileEntries - 5, pileEntries} {
		for ; grow > 0; grow-- {
			d := dropped{block{ref(len(model) + 1), uint32(grow)}, uint64(len(model)), grow%2 == 0}
			model = append(model, d)
			h.push(&p, d)
		}
		for ; grow < 0; grow++ {
			last := len(model) - 1
			if d, ok := h.pop(&p); !ok || d != model[last] {
				t.Fatalf("popped %v, %v, want %v", d, ok, model[last])
			}
			model = model[:last]
		}
	}
	slices.Reverse(model)
	for _, want := range model {
		if d, ok := h.pop(&p); !ok || d != want {
			t.Fatalf("popped %v, %v, want %v", d, ok, want)
		}
	}
	h.trim()
	if _, ok := h.pop(&p); ok || p.top != 0 || h.arena.UsedBytes() != before {
		t.Fatalf("a pile that is empty again has more, or holds %d bytes", h.arena.UsedBytes()-before)
	}
	if n := testing.AllocsPerRun(10*pileEntries, func() { h.push(&p, dropped{}) }); n != 0 {
		t.Errorf("%v allocations for each entry", n)
	}
}
