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
	b := index.AppendOp(nil, &index.Op{Kind: opPut, Keyspace: engines.Nodes, ID: 256, Version: 3, Key: []byte("k"), Value: []byte("value")})
	end := snapshotEnd{end: 5}
	end.floors[3] = 8
	f.Add(end.encode(b))
	f.Fuzz(func(t *testing.T, b []byte) {
		var again []byte
		end, err := eachRecord(b, func(o *index.Op) error { again = index.AppendOp(again, o); return nil })
		if err != nil {
			return
		}
		if end != nil {
			again = end.encode(again)
		}
		if !bytes.Equal(again, b) {
			t.Errorf("chunk %x: decoded and encoded it is %x", b, again)
		}
	})
}

func FuzzSnapshotHead(f *testing.F) {
	h := snapshotHead{seed: 1, start: 2}
	h.live[9] = 4
	f.Add(h.encode(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, err := decodeSnapshotHead(b); err == nil && !bytes.Equal(h.encode(nil), b) {
			t.Errorf("head %x: decoded and encoded it is %x", b, h.encode(nil))
		}
	})
}
