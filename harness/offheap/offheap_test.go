package offheap

import "testing"

func TestArena(t *testing.T) {
	var a Arena
	small, large := Take[uint32](&a, 10), Take[uint64](&a, 1<<20)
	if len(small) != 10 || len(large) != 1<<20 || Take[uint8](&a, 0) != nil {
		t.Fatalf("%d and %d elements", len(small), len(large))
	}
	before := a.Resident()
	for i := range large {
		if large[i] != 0 {
			t.Fatalf("element %d is %d", i, large[i])
		}
		large[i] = uint64(i)
	}
	if after := a.Resident(); after-before < 7<<20 {
		t.Errorf("%d bytes resident, then %d after writing 8 MiB", before, after)
	}
	a.Release()
	if n := a.Resident(); n != 0 {
		t.Errorf("%d bytes resident after Release", n)
	}
}
