package cowbtree

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"orbitbench/engines"
	"orbitbench/harness/patience"
)

// audit walks a tree and checks everything that its code relies on. It returns the
// records of a keyspace by key.
func (t *tree) audit(tb testing.TB, top ref, ks engines.Keyspace) map[string]uint64 {
	tb.Helper()
	all := map[string]uint64{}
	var last []byte
	var walk func(r ref, low, high []byte, root bool) int
	walk = func(r ref, low, high []byte, root bool) int {
		n := t.node(r)
		count := n.len()
		if count == 0 || count > t.maxKeys {
			tb.Fatalf("node of %d entries, at most %d", count, t.maxKeys)
		}
		for i := 1; i < count; i++ {
			if n.head(i) < n.head(i-1) && (n.kind == kindLeaf || i > 1) {
				tb.Fatalf("heads fall at entry %d", i)
			}
		}
		if n.kind == kindLeaf {
			var payload uint32
			for i, id := range n.ids() {
				rec := t.record(id)
				key := rec.key()
				switch {
				case last != nil && bytes.Compare(last, key) >= 0:
					tb.Fatalf("key %q after %q", key, last)
				case bytes.Compare(key, low) < 0 || high != nil && bytes.Compare(key, high) >= 0:
					tb.Fatalf("key %q outside of %q to %q", key, low, high)
				case headOf(key, int(n.prefix)) != n.head(i):
					tb.Fatalf("wrong head of %q", key)
				case commonPrefix(key, t.record(n.ids()[0]).key()) < int(n.prefix):
					tb.Fatalf("prefix %d is too long for %q", n.prefix, key)
				}
				payload += t.stored(id)
				last = bytes.Clone(key)
				all[string(key)] = uint64(rec.version())
			}
			if payload != n.payload {
				tb.Fatalf("payload %d, want %d", n.payload, payload)
			}
			return 0
		}
		if root && count == 1 {
			tb.Fatalf("root with one child")
		}
		height := -1
		for i, id := range n.ids() {
			from, to := low, high
			if i > 0 {
				from = t.separator(n.seps()[i]).key()
				if headOf(from, int(n.prefix)) != n.head(i) {
					tb.Fatalf("wrong head of separator %q", from)
				}
			}
			if i+1 < count {
				to = t.separator(n.seps()[i+1]).key()
			}
			h := walk(id, from, to, false)
			if height >= 0 && h != height || h != int(n.level)-1 {
				tb.Fatalf("children of level %d under one of level %d", h, n.level)
			}
			height = h
		}
		return height + 1
	}
	if r := t.roots(top).get(ks); r != 0 {
		walk(r, nil, nil, true)
	}
	return all
}

// treeModel drives a tree and a map side by side.
type treeModel struct {
	*tree
	tb    testing.TB
	rng   *rand.Rand
	want  [2]map[string]uint64 // of two keyspaces
	next  uint64
	keys  func(rng *rand.Rand) string
	views []modelView
	newer int // records that checkpoints have met at a later version
}

type modelView struct {
	v    *hold
	want [2]map[string]uint64
}

func (m *treeModel) step(inBatch bool) {
	ks := engines.Keyspace(m.rng.IntN(2))
	key := m.keys(m.rng)
	if m.rng.IntN(3) == 0 {
		_, had := m.want[ks][key]
		if m.remove(ks, []byte(key)) != had {
			m.tb.Fatalf("remove of %q: had it: %v", key, had)
		}
		delete(m.want[ks], key)
	} else {
		m.next++
		m.put(ks, m.newRecord(engines.Version(m.next), []byte(key), make([]byte, m.rng.IntN(90))))
		m.want[ks][key] = m.next
	}
	if !inBatch {
		m.flush()
	}
}

func (m *treeModel) batchOf(n int) {
	before := m.root.Load()
	seen := [2]map[string]uint64{maps.Clone(m.want[0]), maps.Clone(m.want[1])}
	m.begin()
	for range n {
		m.step(true)
	}
	// Readers must not have seen anything of it.
	for ks := range seen {
		if got := m.audit(m.tb, ref(before), engines.Keyspace(ks)); !maps.Equal(got, seen[ks]) {
			m.tb.Fatalf("a batch that is not committed shows in keyspace %d", ks)
		}
	}
	m.commit()
	m.flush()
}

func (m *treeModel) judge(top ref, want [2]map[string]uint64, what string) {
	m.tb.Helper()
	for ks := range want {
		if got := m.audit(m.tb, top, engines.Keyspace(ks)); !maps.Equal(got, want[ks]) {
			m.tb.Fatalf("%s: keyspace %d has %d records, want %d", what, ks, len(got), len(want[ks]))
		}
	}
}

// judgeCheckpoint: a checkpoint has the keys of its moment, each at the version of then or
// a later one.
func (m *treeModel) judgeCheckpoint(v modelView) {
	m.tb.Helper()
	for ks := range v.want {
		got := m.audit(m.tb, v.v.top, engines.Keyspace(ks))
		if len(got) != len(v.want[ks]) {
			m.tb.Fatalf("checkpoint: keyspace %d has %d records, want %d", ks, len(got), len(v.want[ks]))
		}
		for key, version := range v.want[ks] {
			if got[key] < version {
				m.tb.Fatalf("checkpoint: %q has version %d, want %d at least", key, got[key], version)
			}
			if got[key] > version {
				m.newer++
			}
		}
	}
}

func (m *treeModel) closeView(i int) {
	v := m.views[i]
	if v.v == m.checkpoint {
		m.judgeCheckpoint(v)
	} else {
		m.judge(v.v.top, v.want, "view")
	}
	m.views = slices.Delete(m.views, i, i+1)
	m.release(v.v)
	for m.settle(v.v, 7) {
	}
}

// drain frees everything that can be freed.
func (t *tree) drain() {
	for range 4 {
		t.collect()
	}
	t.trim()
}

var keyShapes = map[string]func(rng *rand.Rand) string{
	"uniform": func(rng *rand.Rand) string {
		k := rng.Uint64N(400) * 0x9e3779b97f4a7c15
		return fmt.Sprintf("%016x", k)
	},
	"long":     func(rng *rand.Rand) string { return strings.Repeat("same", 40) + fmt.Sprint(rng.IntN(300)) },
	"ties":     func(rng *rand.Rand) string { return "p" + strings.Repeat("\x00", rng.IntN(200)) },
	"mixed":    func(rng *rand.Rand) string { return strings.Repeat(string(rune('a'+rng.IntN(3))), 1+rng.IntN(100)) },
	"counting": func(rng *rand.Rand) string { return fmt.Sprintf("lease-%05d-tail-of-the-key", rng.IntN(500)) },
}

// TestTreeAgainstModel makes random changes, alone and in batches, with views of
// any age open, and compares every state with maps. In the end nothing may be left
// of the memory.
func TestTreeAgainstModel(t *testing.T) {
	for name, keys := range keyShapes {
		for _, maxKeys := range []int{4, 16, 256} {
			t.Run(fmt.Sprintf("%s/%d", name, maxKeys), func(t *testing.T) {
				seed := patience.Seed(t)
				h, err := newHeap()
				if err != nil {
					t.Fatal(err)
				}
				defer h.close()
				m := &treeModel{tree: newTree(h, maxKeys, 2048), tb: t, rng: rand.New(rand.NewPCG(seed, 1)), keys: keys}
				m.want = [2]map[string]uint64{{}, {}}
				defer func() {
					if t.Failed() {
						t.Logf("seed %d", seed)
					}
				}()
				empty := h.arena.UsedBytes()
				for i := range 3000 {
					switch r := m.rng.IntN(100); {
					case r < 80:
						m.step(false)
					case r < 90:
						m.batchOf(1 + m.rng.IntN(20))
					case r < 95 && len(m.views) < 5:
						m.views = append(m.views, modelView{m.hold(m.checkpoint == nil && m.rng.IntN(2) == 0), [2]map[string]uint64{maps.Clone(m.want[0]), maps.Clone(m.want[1])}})
					case len(m.views) > 0:
						m.closeView(m.rng.IntN(len(m.views)))
					}
					if i%100 == 0 {
						m.judge(m.top, m.want, "tree")
					}
				}
				m.judge(m.top, m.want, "tree")
				m.emptyOut(empty)
				if m.newer == 0 {
					t.Error("no checkpoint has met a newer record")
				}
			})
		}
	}
}

// emptyOut removes everything and looks whether all memory comes back.
func (m *treeModel) emptyOut(before int64) {
	m.tb.Helper()
	for len(m.views) > 0 {
		m.closeView(0)
	}
	for ks := range m.want {
		for key := range m.want[ks] {
			m.remove(engines.Keyspace(ks), []byte(key))
			m.flush()
		}
		m.want[ks] = map[string]uint64{}
	}
	m.judge(m.top, m.want, "empty tree")
	m.drain()
	if used := m.arena.UsedBytes(); used != before || m.held != 0 {
		m.tb.Fatalf("%d bytes in use and %d blocks in limbo after everything was removed, want %d and 0", used, m.held, before)
	}
}

// TestLookupFindsAll: a reader's lookup and the writer's agree on keys that are there
// and on those beside them.
func TestLookupFindsAll(t *testing.T) {
	for name, keys := range keyShapes {
		t.Run(name, func(t *testing.T) {
			h, err := newHeap()
			if err != nil {
				t.Fatal(err)
			}
			defer h.close()
			tr := newTree(h, 8, 64<<10)
			rng := rand.New(rand.NewPCG(3, 4))
			want := map[string]bool{}
			for range 400 {
				k := keys(rng)
				tr.put(0, tr.newRecord(1, []byte(k), nil))
				tr.flush()
				want[k] = true
			}
			for k := range want {
				for _, probe := range []string{k, k + "\x00", k[:len(k)-1], "", k + "z", "\xff" + k} {
					rec, stub := tr.lookup(tr.top, 0, []byte(probe))
					if stub != 0 || (rec != nil) != want[probe] {
						t.Fatalf("lookup of %q finds %v", probe, rec != nil)
					}
				}
			}
		})
	}
}

// TestRecordPacking: the two words of a record's header hold their extremes.
func TestRecordPacking(t *testing.T) {
	h, err := newHeap()
	if err != nil {
		t.Fatal(err)
	}
	defer h.close()
	for _, version := range []engines.Version{1, 1 << 40, maxVersion} {
		for _, born := range []uint64{1, 1<<bornLowBits - 1, 1 << bornLowBits, maxBorn} {
			for _, lengths := range [][2]int{{1, 0}, {engines.MaxKeyBytes, engines.MaxValueBytes}} {
				key, value := bytes.Repeat([]byte{0xff}, lengths[0]), bytes.Repeat([]byte{0xee}, lengths[1])
				r := h.record(h.alloc(recordBytes(len(key), len(value))))
				r.fill(version, born, key, value)
				for range 2 {
					if r.version() != version || r.born() != born || !bytes.Equal(r.key(), key) || !bytes.Equal(r.value(), value) {
						t.Fatalf("version %d, born %d, %d and %d bytes became %d, %d, %d and %d", version, born, len(key), len(value), r.version(), r.born(), r.keyLen(), r.valueLen())
					}
					r.setVersion(7)
					r.setBorn(9)
					if r.version() != 7 || r.born() != 9 || !bytes.Equal(r.key(), key) {
						t.Fatal("setting version and generation changes the rest")
					}
					r.setVersion(version)
					r.setBorn(born)
				}
			}
		}
	}
}
