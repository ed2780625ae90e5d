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
		err := eachOp(kind, payload, func(_ int, o index.Op) error {
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
