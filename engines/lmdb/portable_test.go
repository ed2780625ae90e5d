package lmdb

import (
	"bytes"
	"context"
	"errors"
	"os"
	"testing"

	"orbitbench/engines"
)

// These tests need neither cgo nor the library.

// goldenRecords are in testdata/store.mdb, which the library wrote (TestGolden -update).
const goldenRecords = 100 - 1 + 2 - 1

func golden(t testing.TB) []byte {
	t.Helper()
	raw, err := os.ReadFile("testdata/store.mdb")
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func verify(raw []byte) (uint64, error) {
	v := &verifier{ctx: context.Background(), file: bytes.NewReader(raw), path: "store.mdb", size: int64(len(raw))}
	err := v.run()
	return v.records, err
}

func TestConfigureRefuses(t *testing.T) {
	for name, value := range map[string]any{
		"map_size": 1, "max_readers": 0, "version_stride": 0, "no_sync": "yes", "cache": "mine", "no_such_option": 1,
	} {
		if _, err := configure(engines.Options{Config: map[string]any{name: value}}); !errors.Is(err, engines.ErrInvalid) {
			t.Errorf("%s = %v: %v, want ErrInvalid", name, value, err)
		}
	}
	if _, err := configure(engines.Options{Durability: engines.Durability{Class: engines.Interval, Window: 1}}); !errors.Is(err, engines.ErrUnsupported) {
		t.Errorf("class interval: %v, want ErrUnsupported", err)
	}
}

func TestVerifyGolden(t *testing.T) {
	if n, err := verify(golden(t)); err != nil || n != goldenRecords {
		t.Errorf("%d records, %v, want %d", n, err, goldenRecords)
	}
}

// TestVerifyFindsDamage damages what the trees hang by, everywhere it stands.
func TestVerifyFindsDamage(t *testing.T) {
	whole := golden(t)
	m, err := readMeta(bytes.NewReader(whole), "")
	if err != nil {
		t.Fatal(err)
	}
	damaged := func(what string, at int64, change func(raw []byte)) {
		raw := bytes.Clone(whole)
		change(raw)
		var damage *engines.CorruptError
		if _, err := verify(raw); !errors.As(err, &damage) {
			t.Errorf("%s at %d: %v, want ErrCorrupt", what, at, err)
		}
	}
	pages := 0
	for p := uint64(2); p <= m.last; p++ {
		at := int64(p) * m.pageSize
		kind := le.Uint16(whole[at+10:])
		if le.Uint64(whole[at:]) != p || kind&(flagBranch|flagLeaf) == 0 || !reached(t, whole, at) {
			continue // an overflow page, or one that is free
		}
		pages++
		damaged("page number", at, func(raw []byte) { raw[at] ^= 1 })
		damaged("kind", at, func(raw []byte) { raw[at+10] ^= flagBranch | flagLeaf })
		damaged("lower bound", at, func(raw []byte) { le.PutUint16(raw[at+12:], le.Uint16(raw[at+12:])-2) })
		damaged("upper bound", at, func(raw []byte) { le.PutUint16(raw[at+14:], 0xffff) })
		damaged("node offset", at, func(raw []byte) { le.PutUint16(raw[at+pageHead:], 3) })
		damaged("zeroes", at, func(raw []byte) { clear(raw[at : at+m.pageSize]) })
		damaged("another page's bytes", at, func(raw []byte) { copy(raw[at:at+m.pageSize], raw[:m.pageSize]) })
	}
	if pages < 8 {
		t.Errorf("%d pages were damaged, want those of every tree", pages)
	}
	for cut := 0; cut < int(m.bytes()); cut += 997 {
		if _, err := verify(whole[:cut]); !errors.Is(err, engines.ErrCorrupt) {
			t.Errorf("cut to %d bytes: %v, want ErrCorrupt", cut, err)
		}
	}
}

// reached reports whether the page at an offset is part of a tree.
func reached(t *testing.T, whole []byte, at int64) bool {
	t.Helper()
	raw := bytes.Clone(whole)
	le.PutUint64(raw[at:], 1<<40)
	_, err := verify(raw)
	return err != nil
}

// FuzzVerify patches the golden file anywhere: no panic, and an error is ErrCorrupt.
func FuzzVerify(f *testing.F) {
	whole := golden(f)
	f.Add(uint32(0), []byte{1})
	f.Add(uint32(4096+16+120), []byte{255, 255})
	f.Add(uint32(2*4096+12), []byte{18, 0, 19, 0})
	f.Fuzz(func(t *testing.T, at uint32, patch []byte) {
		raw := bytes.Clone(whole)
		copy(raw[int(at)%len(raw):], patch)
		if _, err := verify(raw); err != nil && !errors.Is(err, engines.ErrCorrupt) {
			t.Fatalf("%v, want ErrCorrupt", err)
		}
	})
}
