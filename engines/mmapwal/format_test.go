package mmapwal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"orbitbench/engines"
	"orbitbench/engines/internal/damagetest"
	"orbitbench/engines/internal/vfs"
)

// TestWrongRoots: magic, format, shape and checksum of the root are told apart.
func TestWrongRoots(t *testing.T) {
	good := (&root{extentPages: 512, seed: 1, start: 2, cut: 2, size: 512, next: 9}).encode()
	_, err := decodeRoot("root", 0, good)
	require.NoError(t, err)
	for _, c := range []struct {
		off  int
		sum  bool
		want string
	}{
		{0, false, "magic"}, {8, true, "format"}, {12, true, "extents"}, {56, true, "stripes"}, {20, false, "checksum"},
		{24, true, "cut"}, {32, true, ""}, {48, true, "pages in extents"}, {len(good) - 2, false, "checksum"},
	} {
		b := bytes.Clone(good)
		b[c.off] ^= 0xff
		if c.sum {
			le.PutUint32(b[len(b)-4:], checksum(b[:len(b)-4]))
		}
		_, err := decodeRoot("root", 0, b)
		if c.want == "" {
			require.NoError(t, err, "byte %d", c.off)
			continue
		}
		require.ErrorIs(t, err, engines.ErrCorrupt, "byte %d", c.off)
		require.ErrorContains(t, err, c.want, "byte %d", c.off)
	}
	for _, n := range []int{0, 7, rootHead, len(good) - 1} {
		_, err := decodeRoot("root", 0, good[:n])
		require.ErrorIs(t, err, engines.ErrCorrupt, "%d bytes", n)
	}
}

// TestClasses: every length has the smallest slot that takes it, and slots fit into a page.
func TestClasses(t *testing.T) {
	for i, c := range classes {
		require.LessOrEqual(t, pageHead+c.slots*c.slot, pageBytes)
		require.LessOrEqual(t, c.slots, 128)
		require.Zero(t, c.slot%16)
		if i > 0 {
			require.Less(t, c.slot, classes[i-1].slot)
		}
	}
	for n := recHead + 1; n <= maxSlabSlot; n++ {
		c, ok := classOf(n)
		require.True(t, ok)
		require.GreaterOrEqual(t, classes[c].slot, n)
		if int(c)+1 < len(classes) {
			require.Less(t, classes[c+1].slot, n)
		}
	}
	_, ok := classOf(maxSlabSlot + 1)
	require.False(t, ok)
	require.EqualValues(t, 2, spanPages(maxSlabSlot+1))
}

// TestStripes: the tables lie one behind the other, and each stripe knows its keyspace.
func TestStripes(t *testing.T) {
	next := uint16(0)
	for _, ks := range engines.AllKeyspaces() {
		require.Equal(t, next, firstStripe[ks])
		for range 1 << stripeBits[ks] {
			require.Equal(t, ks, keyspaceOf(next))
			next++
		}
	}
	require.EqualValues(t, numStripes, next)
}

// stale replaces a page of the table in m by what it was in an earlier state.
func stale(t *testing.T, m, old *vfs.Mem, p uint32) {
	t.Helper()
	before, err := vfs.ReadFile(old, path.Join(crashDir, tableName))
	require.NoError(t, err)
	require.NoError(t, m.Edit(path.Join(crashDir, tableName), func(b []byte) []byte {
		copy(b[p*pageBytes:(p+1)*pageBytes], before[p*pageBytes:])
		return b
	}))
}

// TestStalePages: an old block under the right number is told, be it a record's page, an index
// page, a ledger, or a page of sums; an older root is told by the pages of sums.
func TestStalePages(t *testing.T) {
	mem := vfs.NewMem()
	config := map[string]any{"extent_bytes": 2 << 20, "segment_bytes": 16384, "checkpoint_log_bytes": -1}
	e := mustOpen(t, mem, syncClass, config)
	for i := range 300 {
		put(t, e, engines.Nodes, fmt.Sprint("node", i), "one")
	}
	require.NoError(t, e.Checkpoint(context.Background()))
	old := clone(mem)
	for i := range 300 {
		put(t, e, engines.Nodes, fmt.Sprint("node", i), "two")
		put(t, e, engines.Nodes, fmt.Sprint("new", i), strings.Repeat("new", i))
	}
	want := readAll(t, e)
	mustClose(t, e)
	r, err := readRoot(old, crashDir)
	require.NoError(t, err)
	told := 0
	for p := range r.next {
		m := clone(mem)
		stale(t, m, old, p)
		if same(t, m, mem) {
			continue
		}
		if damagetest.Noticed(t, subject, m, want, fmt.Sprintf("old page %d", p), syncClass) {
			told++
		}
	}
	require.Greater(t, told, 30)
	m := clone(mem)
	oldRoot, err := vfs.ReadFile(old, path.Join(crashDir, rootName))
	require.NoError(t, err)
	require.NoError(t, m.Edit(path.Join(crashDir, rootName), func([]byte) []byte { return oldRoot }))
	require.True(t, damagetest.Noticed(t, subject, m, want, "old root", syncClass))
}

func same(t *testing.T, a, b *vfs.Mem) bool {
	t.Helper()
	x, err := vfs.ReadFile(a, path.Join(crashDir, tableName))
	require.NoError(t, err)
	y, err := vfs.ReadFile(b, path.Join(crashDir, tableName))
	require.NoError(t, err)
	return bytes.Equal(x, y)
}

// TestAuditFindsWhatDoesNotFit: each of these breaks the structure of an open table in one place.
func TestAuditFindsWhatDoesNotFit(t *testing.T) {
	for name, spoil := range map[string]func(e *engine, s *stripe, r ref, rec record){
		"a slot that nobody uses": func(e *engine, s *stripe, r ref, rec record) {
			markSlot(e.page(r.page()), classes[e.page(r.page())[1]].slots-1)
		},
		"a count of slots":          func(e *engine, s *stripe, r ref, rec record) { setSlabUsed(e.page(r.page()), 9) },
		"a record in no entry":      func(e *engine, s *stripe, r ref, rec record) { e.remove(s, rec.tag(), r) },
		"an entry at another place": func(e *engine, s *stripe, r ref, rec record) { e.replaceRef(s, rec.tag(), r, r+1) },
		"a key with another hash":   func(e *engine, s *stripe, r ref, rec record) { rec.key()[0] ^= 1 },
		"a record that is reserved": func(e *engine, s *stripe, r ref, rec record) { rec.setState(stateReserved) },
		"a count of records":        func(e *engine, s *stripe, r ref, rec record) { s.live++ },
		"a page of another stripe":  func(e *engine, s *stripe, r ref, rec record) { le.PutUint16(e.page(r.page())[pageStripe:], 5) },
		"a page that is free":       func(e *engine, s *stripe, r ref, rec record) { e.giveBack(r.page(), 1) },
		"a page in no list":         func(e *engine, s *stripe, r ref, rec record) { e.pool.next++ },
		"a ledger with another kind": func(e *engine, s *stripe, r ref, rec record) {
			e.setEntry(s, entryOf(e.page(r.page())), ledgerEntry{r.page(), 7, 0, 0})
		},
		"a slab that is not full": func(e *engine, s *stripe, r ref, rec record) {
			e.setEntry(s, entryOf(e.page(r.page())), ledgerEntry{r.page(), ledgerSlab, e.page(r.page())[1], 1})
		},
	} {
		e := mustOpen(t, vfs.NewMem(), engines.Durability{Class: engines.None}, map[string]any{"extent_bytes": 2 << 20, "segment_bytes": 1 << 20, "checkpoint_on_close": false})
		put(t, e, engines.Nodes, "key", "value")
		if err := e.auditLive(); err != nil {
			t.Fatalf("before: %v", err)
		}
		h := e.hash(engines.Nodes, []byte("key"))
		s := e.stripe(engines.Nodes, h)
		r, rec, err := e.find(s, uint32(h), []byte("key"))
		require.NoError(t, err)
		spoil(e, s, r, rec)
		if err := e.auditLive(); !errors.Is(err, engines.ErrCorrupt) {
			t.Errorf("%s: audit gives %v, want ErrCorrupt", name, err)
		}
		mustClose(t, e)
	}
}
