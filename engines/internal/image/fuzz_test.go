package image

import (
	"bytes"
	"testing"

	"orbitbench/engines"
	"orbitbench/engines/internal/index"
)

// Each decoder takes what the encoder writes, byte for byte, or gives an error.

func FuzzChunk(f *testing.F) {
	b := index.AppendBlock(nil, &index.Op{Kind: engines.OpPut, Keyspace: engines.Nodes, ID: 256, Version: 3, Key: []byte("k"), Value: []byte("value")})
	f.Add(index.AppendBlock(b, &index.Op{Kind: engines.OpPut, Keyspace: engines.Leases, ID: 512, Version: 4, Key: []byte("l"), Value: make([]byte, 2000)}))
	f.Fuzz(func(t *testing.T, b []byte) {
		var again []byte
		if err := eachBlock(b, func(o *index.Op) error { again = index.AppendBlock(again, o); return nil }); err != nil {
			return
		}
		// The padding of a block may be anything.
		if len(again) != len(b) {
			t.Errorf("chunk %x: decoded and encoded it is %x", b, again)
		}
		var third []byte
		if err := eachBlock(again, func(o *index.Op) error { third = index.AppendBlock(third, o); return nil }); err != nil || !bytes.Equal(third, again) {
			t.Errorf("chunk %x: decoded and encoded again it is %x, %v", again, third, err)
		}
	})
}

func FuzzHead(f *testing.F) {
	h := head{seed: 1, start: 2}
	f.Add(h.encode(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, err := decodeHead(b); err == nil && !bytes.Equal(h.encode(nil), b) {
			t.Errorf("head %x: decoded and encoded it is %x", b, h.encode(nil))
		}
	})
}

func FuzzEnd(f *testing.F) {
	e := end{upTo: 5, tags: []uint32{7, 9}}
	e.stripes[3] = index.StripeInfo{Records: 2, Bytes: 64, Floor: 8, Highest: 9}
	f.Add(e.encode(nil), 2)
	f.Fuzz(func(t *testing.T, b []byte, chunks int) {
		if chunks < 0 || chunks > 1<<20 {
			return
		}
		if e, err := decodeEnd(b, chunks); err == nil && !bytes.Equal(e.encode(nil), b) {
			t.Errorf("end %x: decoded and encoded it is %x", b, e.encode(nil))
		}
	})
}
