package adapter

import (
	"bytes"
	"errors"
	"testing"
)

func FuzzDecodeRecord(f *testing.F) {
	f.Add(AppendRecord(nil, 1, nil))
	f.Add(AppendRecord(nil, 1<<63, []byte("value")))
	f.Add([]byte("short"))
	f.Add(make([]byte, VersionBytes))
	f.Fuzz(func(t *testing.T, raw []byte) {
		v, value, err := DecodeRecord(raw)
		if err != nil {
			if !errors.Is(err, ErrRecord) {
				t.Fatalf("error %v, want ErrRecord", err)
			}
			return
		}
		if again := AppendRecord(nil, v, value); !bytes.Equal(again, raw) {
			t.Fatalf("%x decodes and encodes as %x", raw, again)
		}
		put := make([]byte, len(raw))
		PutRecord(put, v, value)
		if !bytes.Equal(put, raw) {
			t.Fatalf("PutRecord gives %x, want %x", put, raw)
		}
	})
}

func TestDecodeRecordRefuses(t *testing.T) {
	for _, raw := range [][]byte{nil, make([]byte, VersionBytes-1), make([]byte, VersionBytes), make([]byte, VersionBytes+4)} {
		if _, _, err := DecodeRecord(raw); !errors.Is(err, ErrRecord) {
			t.Errorf("DecodeRecord(%x): %v, want ErrRecord", raw, err)
		}
	}
}

func FuzzVersionState(f *testing.F) {
	for _, s := range []VersionState{{}, {Ceiling: 7}, {Ceiling: 1 << 40, Floor: 1 << 20}} {
		raw, err := s.AppendBinary(nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var s VersionState
		if err := s.UnmarshalBinary(raw); err != nil {
			if !errors.Is(err, ErrRecord) {
				t.Fatalf("error %v, want ErrRecord", err)
			}
			return
		}
		again, err := s.AppendBinary(nil)
		if err != nil || !bytes.Equal(again, raw) {
			t.Fatalf("%x decodes and encodes as %x (%v)", raw, again, err)
		}
	})
}

func TestVersionStateRefusesDamage(t *testing.T) {
	raw, err := VersionState{Ceiling: 1 << 40, Floor: 9}.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw {
		for bit := range 8 {
			damaged := bytes.Clone(raw)
			damaged[i] ^= 1 << bit
			var s VersionState
			if err := s.UnmarshalBinary(damaged); !errors.Is(err, ErrRecord) {
				t.Errorf("byte %d, bit %d flipped: %v, want ErrRecord", i, bit, err)
			}
		}
	}
	reversed, err := VersionState{Ceiling: 1, Floor: 2}.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := new(VersionState).UnmarshalBinary(reversed); !errors.Is(err, ErrRecord) {
		t.Errorf("floor above ceiling: %v, want ErrRecord", err)
	}
}
