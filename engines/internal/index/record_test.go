package index

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"orbitbench/engines"
	"orbitbench/engines/internal/arena"
	"orbitbench/engines/internal/wal"
)

// TestBlockIsFixed: snapshots hold these bytes.
func TestBlockIsFixed(t *testing.T) {
	o := Op{Kind: engines.OpPut, Keyspace: engines.Index, ID: 0x0a0b0c0d, Version: MaxVersion - 1, Key: []byte("key"), Value: []byte("value")}
	const want = "feffffffffffffbf" + "0d0c0b0a" + "05006000" + "6b6579" + "76616c7565" + "0000000000000000"
	if got := hex.EncodeToString(AppendBlock(nil, &o)); got != want {
		t.Errorf("block %s, want %s: snapshots written before cannot be read", got, want)
	}
}

// The largest key and value, and each keyspace, keep apart from each other and from the flags.
func TestRecordFields(t *testing.T) {
	for _, keyLen := range []int{1, 28, engines.MaxKeyBytes} {
		for _, valueLen := range []int{0, 196, engines.MaxValueBytes} {
			for _, ks := range engines.AllKeyspaces() {
				o := Op{Kind: engines.OpPut, Keyspace: ks, ID: 0xffffffff, Version: MaxVersion, Key: bytes.Repeat([]byte("k"), keyLen), Value: bytes.Repeat([]byte("v"), valueLen)}
				b := AppendBlock(nil, &o)
				got, size, err := DecodeBlock(b)
				if err != nil || size != len(b) || got.Keyspace != ks || got.ID != o.ID || got.Version != o.Version || !bytes.Equal(got.Key, o.Key) || !bytes.Equal(got.Value, o.Value) {
					t.Fatalf("keyspace %s, key of %d, value of %d bytes: %d bytes, %v", ks, keyLen, valueLen, size, err)
				}
				r := record(b)
				r.setHeld(true)
				r.setRead(true)
				r.setVersion(1)
				if !r.held() || !r.wasRead() || r.version() != 1 || r.keyspace() != ks || r.keyLen() != keyLen || r.valueLen() != valueLen {
					t.Fatalf("keyspace %s, key of %d, value of %d bytes: the flags change them", ks, keyLen, valueLen)
				}
				r.setHeld(false)
				r.setValueLen(valueLen / 2)
				if r.held() || !r.wasRead() || r.keyLen() != keyLen || r.valueLen() != valueLen/2 || r.id() != o.ID {
					t.Fatalf("keyspace %s, key of %d, value of %d bytes: its length changes them", ks, keyLen, valueLen)
				}
			}
		}
	}
}

func TestBlocksThatCannotBe(t *testing.T) {
	good := AppendBlock(nil, &Op{Kind: engines.OpPut, Keyspace: engines.Nodes, ID: 1, Version: 1, Key: []byte("key"), Value: make([]byte, 100)})
	for reason, spoil := range map[string]func(r record) record{
		"bytes where a block begins": func(r record) record { return r[:recHead-1] },
		"are left":                   func(r record) record { return r[:len(r)-16] },
		"which does not exist":       func(r record) record { r[recVersion+7] |= 7 << 5; return r },
		"has version 0":              func(r record) record { r.setVersion(0); return r },
		"marked as in use":           func(r record) record { r.setHeld(true); return r },
		"is marked as in use":        func(r record) record { r.setRead(true); return r },
		"a key of 0":                 func(r record) record { le.PutUint32(r[recSizes:], 100); return r },
		"a key of 449": func(r record) record {
			le.PutUint32(r[recSizes:], 449<<valueBits)
			return append(r, make(record, 500)...)
		},
		"a value of 1048577": func(r record) record {
			le.PutUint32(r[recSizes:], 3<<valueBits|1<<20+1)
			return append(r, make(record, 2<<20)...)
		},
	} {
		if _, _, err := DecodeBlock(spoil(bytes.Clone(good))); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("a block with %s: %v", reason, err)
		}
	}
}

// A version that a record cannot hold is refused by what reads the log.
func TestVersionsOfTheLog(t *testing.T) {
	for v, ok := range map[engines.Version]bool{0: false, 1: true, MaxVersion: true, MaxVersion + 1: false} {
		if _, err := ParseDelta(AppendDelta(nil, &Delta{ID: 1, Version: v})); (err == nil) != ok {
			t.Errorf("renewal to version %d: %v", v, err)
		}
		for _, kind := range []engines.OpKind{engines.OpPut, engines.OpDelete, engines.OpRenew} {
			o := Op{Kind: kind, ID: 1, Version: v}
			if kind == engines.OpPut {
				o.Key = []byte("k")
			}
			if _, _, err := ParseOp(AppendOp(nil, &o)); (err == nil) != ok {
				t.Errorf("operation %d to version %d: %v", kind, v, err)
			}
		}
	}
}

// The commit that holds a record is found among those on others and slots that are free.
func TestHolder(t *testing.T) {
	var s stripe
	for ref := range arena.Ref(5) {
		s.hold(make(record, recHead), pending{lsn: 1, ref: ref})
	}
	s.pending[1].lsn = 0 // done, and what it was on is held anew
	s.hold(make(record, recHead), pending{lsn: 2, ref: 1})
	for ref, want := range map[arena.Ref]uint32{0: 0, 1: 5, 2: 2, 4: 4} {
		if got := s.holder(ref); got != want {
			t.Errorf("record %d is held by slot %d, want %d", ref, got, want)
		}
	}
}

// A lease that is renewed again changes its delta; one whose place another has taken gets one more.
func TestPlacesOfDeltas(t *testing.T) {
	ix := &Index{lazy: &lazy{journal: &deltaJournal{}}}
	s := &stripe{lazyStripe: lazyStripe{places: make([]uint16, maxDeltas)}}
	other := uint32(maxDeltas * Stripes) // shares the place of id 0
	for i, id := range []uint32{0, 256, 0, other, other, 0, 256} {
		if err := ix.note(s, Delta{ID: id, Version: engines.Version(i + 1)}); err != nil {
			t.Fatal(err)
		}
	}
	want := []Delta{{ID: 0, Version: 3}, {ID: 256, Version: 7}, {ID: other, Version: 5}, {ID: 0, Version: 6}}
	check := func(want []Delta) {
		t.Helper()
		if len(s.deltas) != len(want) {
			t.Fatalf("list %v, want %v", s.deltas, want)
		}
		for i := range want {
			if s.deltas[i] != want[i] {
				t.Fatalf("list %v, want %v", s.deltas, want)
			}
		}
	}
	check(want)
	if err := ix.logDeltas(s); err != nil {
		t.Fatal(err)
	}
	for i, id := range []uint32{256, 0, 256} {
		if err := ix.note(s, Delta{ID: id, Version: engines.Version(i + 8)}); err != nil {
			t.Fatal(err)
		}
	}
	check([]Delta{{ID: 256, Version: 10}, {ID: 0, Version: 9}})
}

// deltaJournal takes every list.
type deltaJournal struct{ LazyJournal }

func (*deltaJournal) LogDeltas(buf []byte, _ []Delta) (wal.LSN, []byte, error) { return 1, buf, nil }
