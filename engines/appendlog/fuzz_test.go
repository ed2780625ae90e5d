package appendlog

import (
	"bytes"
	"testing"

	"orbitbench/engines"
	"orbitbench/engines/internal/index"
	"orbitbench/engines/lease"
)

// Each decoder takes what the encoder writes, byte for byte, or gives an error.

func FuzzLogRecord(f *testing.F) {
	f.Add(uint8(kindRenew), index.AppendDelta(nil, &index.Delta{ID: 7, Renewals: 8, Version: 9, Renewal: lease.Renewal{ExpiresAt: 10, Now: 11}}))
	batch := index.AppendOp(nil, &index.Op{Kind: opPut, Keyspace: engines.Nodes, ID: 256, Version: 3, Key: []byte("k"), Value: []byte("value")})
	batch = index.AppendOp(batch, &index.Op{Kind: opDelete, Keyspace: engines.Index, ID: 1, Version: 2})
	batch = index.AppendOp(batch, &index.Op{Kind: opRenew, ID: 1, Version: 2, Renewals: 5, Renewal: lease.Renewal{ExpiresAt: 1, Now: 2}})
	f.Add(uint8(kindBatch), batch)
	f.Fuzz(func(t *testing.T, kind uint8, payload []byte) {
		var again []byte
		err := eachOp(kind, payload, func(o index.Op) error {
			if kind == kindRenew {
				again = index.AppendDelta(again, &index.Delta{ID: o.ID, Renewals: o.Renewals, Version: o.Version, Renewal: o.Renewal})
				return nil
			}
			again = index.AppendOp(again, &o)
			return nil
		})
		if err == nil && !bytes.Equal(again, payload) {
			t.Errorf("record of kind %d: decoded and encoded it is another: %x, was %x", kind, again, payload)
		}
	})
}

func FuzzSnapshotChunk(f *testing.F) {
	b := index.AppendBlock(nil, &index.Op{Kind: opPut, Keyspace: engines.Nodes, ID: 256, Version: 3, Key: []byte("k"), Value: []byte("value")})
	f.Add(index.AppendBlock(b, &index.Op{Kind: opPut, Keyspace: engines.Leases, ID: 512, Version: 4, Key: []byte("l"), Value: make([]byte, 2000)}))
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

func FuzzSnapshotHead(f *testing.F) {
	h := snapshotHead{seed: 1, start: 2}
	f.Add(h.encode(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, err := decodeSnapshotHead(b); err == nil && !bytes.Equal(h.encode(nil), b) {
			t.Errorf("head %x: decoded and encoded it is %x", b, h.encode(nil))
		}
	})
}

func FuzzSnapshotEnd(f *testing.F) {
	end := snapshotEnd{end: 5, tags: []uint32{7, 9}}
	end.stripes[3] = index.StripeInfo{Records: 2, Bytes: 64, Floor: 8, Highest: 9}
	f.Add(end.encode(nil), 2)
	f.Fuzz(func(t *testing.T, b []byte, chunks int) {
		if chunks < 0 || chunks > 1<<20 {
			return
		}
		if end, err := decodeSnapshotEnd(b, chunks); err == nil && !bytes.Equal(end.encode(nil), b) {
			t.Errorf("end %x: decoded and encoded it is %x", b, end.encode(nil))
		}
	})
}
