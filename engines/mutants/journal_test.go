package mutants

import (
	"bytes"
	"testing"

	"orbitbench/engines"
)

// FuzzDecodeLine: a line that is accepted says the same when it is encoded again.
func FuzzDecodeLine(f *testing.F) {
	for _, l := range []line{
		{}, {Clean: true}, {Reserved: 9, Jump: 7, Floor: 5},
		{Changes: []change{{Keyspace: engines.Index, Key: "k\xff", KeyBytes: []byte("k\xff"), Value: []byte("v"), Version: 3}}},
	} {
		text, err := l.encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
		f.Add(text[:len(text)-1])
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		l, ok := decodeLine(text)
		if !ok {
			return
		}
		again, err := l.encode()
		if err != nil {
			t.Fatal(err)
		}
		m, ok := decodeLine(again)
		third, err := m.encode()
		if !ok || err != nil || !bytes.Equal(again, third) {
			t.Fatalf("%q encodes to %q, which encodes to %q (%v)", text, again, third, err)
		}
	})
}
