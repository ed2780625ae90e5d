package arena

import (
	"errors"
	"testing"
)

func newTables(t testing.TB, n int, entries int64) *Tables {
	tabs, err := NewTables(n, entries)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tabs.Close(); err != nil {
			t.Error(err)
		}
	})
	return tabs
}

func (t *Table) find(tag uint32, r Ref) (uint32, bool) {
	for pos := t.Start(tag); ; pos++ {
		var got Ref
		if got, pos = t.Next(tag, pos); got == 0 {
			return 0, false
		} else if got == r {
			return pos, true
		}
	}
}

// Tables that share a reservation hold what a map holds, while they grow from the heap into pages and shrink.
func TestTablesAgainstModel(t *testing.T) {
	for name, tagOf := range map[string]func(n uint32) uint32{
		"tags that collide":          func(n uint32) uint32 { return n % 3000 * 1431655 },
		"tags at the end that wrap":  func(n uint32) uint32 { return 0xffffffff - n%7 },
		"tags spread over all lines": func(n uint32) uint32 { return n * 0x9e3779b1 },
	} {
		t.Run(name, func(t *testing.T) {
			rng := newRand(t)
			tabs := newTables(t, 3, 1<<20)
			tables := []Table{tabs.Table(0), tabs.Table(1), tabs.Table(2)}
			models := []map[Ref]uint32{{}, {}, {}} // ref -> tag
			steps := 30000
			if name == "tags at the end that wrap" {
				steps = 3000 // one run of entries: every search passes most of it
			}
			next := Ref(1)
			for step := range steps {
				i := rng.IntN(3)
				tab, model := &tables[i], models[i]
				if rng.IntN(100) < 60 && step < steps*2/3 {
					tag := tagOf(uint32(next))
					if err := tab.Insert(tag, next); err != nil {
						t.Fatal(err)
					}
					model[next] = tag
					next++
					continue
				}
				for r, tag := range model {
					pos, ok := tab.find(tag, r)
					if !ok {
						t.Fatalf("ref %d is lost", r)
					}
					tab.Remove(pos)
					delete(model, r)
					break
				}
			}
			for i, model := range models {
				tab := &tables[i]
				if tab.Len() != len(model) {
					t.Fatalf("table of %d, model of %d", tab.Len(), len(model))
				}
				for r, tag := range model {
					if _, ok := tab.find(tag, r); !ok {
						t.Fatalf("ref %d is lost", r)
					}
				}
				seen := 0
				tab.All(func(r Ref) bool {
					if _, ok := model[r]; ok {
						seen++
					}
					return true
				})
				if seen != len(model) {
					t.Fatalf("All gave %d of %d", seen, len(model))
				}
			}
		})
	}
}

// At every size a table has room for an entry more and wastes no more than its step:
// a quarter of what it holds where it has few pages, and less with more of them.
func TestTableGrowsInSmallSteps(t *testing.T) {
	tabs := newTables(t, 2, 100_000)
	tab, reserved := tabs.Table(1), tabs.Table(0)
	for n := 1; n <= 50_000; n++ {
		if err := tab.Insert(uint32(n)*0x9e3779b1, Ref(n)); err != nil {
			t.Fatal(err)
		}
		if !fits(n, int(tab.size)) || tab.size%lineSlots != 0 {
			t.Fatalf("%d entries in %d slots", n, tab.size)
		}
		if n > 3000 && float64(tab.size) > float64(n)*8/7*(1+1./8)+pageSlots {
			t.Fatalf("%d entries in %d slots", n, tab.size)
		}
	}
	if err := reserved.Reserve(50_000); err != nil {
		t.Fatal(err)
	}
	size := reserved.size
	for n := 1; n <= 50_000; n++ {
		if err := reserved.Insert(uint32(n)*0x9e3779b1, Ref(n)); err != nil {
			t.Fatal(err)
		}
	}
	if reserved.size != size || size > 50_000*8/7+pageSlots {
		t.Fatalf("%d slots for 50000 entries, and %d when they were there", size, reserved.size)
	}
	for n := 1; n <= 50_000; n++ {
		for _, tab := range []*Table{&tab, &reserved} {
			if _, ok := tab.find(uint32(n)*0x9e3779b1, Ref(n)); !ok {
				t.Fatalf("ref %d is lost", n)
			}
		}
	}
}

// Reserve gives room for exactly what is asked for, at every size.
func TestTableReserve(t *testing.T) {
	tabs := newTables(t, 1, 5000)
	for n := range 5000 {
		tab := tabs.Table(0)
		if err := tab.Reserve(n); err != nil {
			t.Fatal(err)
		}
		if !fits(n, int(tab.size)) {
			t.Fatalf("%d slots reserved for %d entries", tab.size, n)
		}
	}
}

// A table whose part of the reservation is used up says so and keeps what it has.
func TestTableIsFull(t *testing.T) {
	tabs := newTables(t, 2, 1000)
	tab := tabs.Table(1)
	n := uint32(0)
	for {
		if err := tab.Insert(n*0x9e3779b1, Ref(n+1)); errors.Is(err, ErrFull) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n < 1000 || tab.Len() != int(n) {
		t.Fatalf("full at %d entries, holds %d", n, tab.Len())
	}
	for i := range n {
		if _, ok := tab.find(i*0x9e3779b1, Ref(i+1)); !ok {
			t.Fatalf("ref %d is lost", i+1)
		}
	}
	if err := tab.Reserve(1 << 20); !errors.Is(err, ErrFull) {
		t.Fatalf("reserving more than there is: %v", err)
	}
}
