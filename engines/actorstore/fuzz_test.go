package actorstore

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"orbitbench/engines"
	"orbitbench/engines/internal/index"
	"orbitbench/engines/lease"
)

// Each decoder takes what the encoder writes, byte for byte, or gives an error.

func FuzzLogRecord(f *testing.F) {
	delta := index.AppendDelta(nil, &index.Delta{ID: 7, Renewals: 8, Version: 9, Renewal: lease.Renewal{ExpiresAt: 10, Now: 11}})
	f.Add(uint8(kindRenewals), bytes.Repeat(delta, 3))
	batch := index.AppendOp(nil, &index.Op{Kind: engines.OpPut, Keyspace: engines.Nodes, ID: 256, Version: 3, Key: []byte("k"), Value: []byte("value")})
	batch = index.AppendOp(batch, &index.Op{Kind: engines.OpDelete, Keyspace: engines.Index, ID: 1, Version: 2})
	batch = index.AppendOp(batch, &index.Op{Kind: engines.OpRenew, ID: 1, Version: 2, Renewals: 5, Renewal: lease.Renewal{ExpiresAt: 1, Now: 2}})
	f.Add(uint8(kindBatch), batch)
	f.Add(uint8(kindCheckpoint), le.AppendUint64(nil, 5))
	f.Fuzz(func(t *testing.T, kind uint8, payload []byte) {
		var again []byte
		if kind == kindCheckpoint {
			if start, err := parseCheckpoint(payload); err == nil && !bytes.Equal(le.AppendUint64(nil, uint64(start)), payload) {
				t.Errorf("note %x: decoded it is %d", payload, start)
			}
			return
		}
		err := eachOp(kind, payload, func(_ int, o index.Op) error {
			if kind == kindRenewals {
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

func FuzzSeriesChunk(f *testing.F) {
	var b []byte
	for _, blk := range encodeBlocks(somePoints(f, rand.New(rand.NewPCG(1, 2)), 5)) {
		b = appendBlock(b, "metric", blk)
	}
	f.Add(seriesEnd{1, 5}.encode(b))
	f.Fuzz(func(t *testing.T, b []byte) {
		var again []byte
		end, err := eachBlock(b, func(metric string, blk *block) error { again = appendBlock(again, metric, blk); return nil })
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

// FuzzBlock: what decodes is what its points encode to, but that the writer takes
// the tail from the first point.
func FuzzBlock(f *testing.F) {
	for _, blk := range encodeBlocks(somePoints(f, rand.New(rand.NewPCG(1, 2)), 30)) {
		f.Add(blk.data, uint16(blk.n), blk.first, blk.last)
	}
	f.Fuzz(func(t *testing.T, data []byte, n uint16, first, last uint64) {
		b := &block{n: int(n), first: first, last: last, data: data}
		if b.check() != nil {
			return
		}
		var p point
		var before uint64
		w := newBlockWriter()
		for r := b.reader(); r.mustNext(&p); before = p.time {
			if w.n > 0 && p.time <= before {
				t.Fatalf("time %d follows %d", p.time, before)
			}
			w.add(p)
		}
		if again := w.block(); again.n != b.n || again.first != first || again.last != last || again.check() != nil {
			t.Errorf("encoded again it is %d points from %d to %d", again.n, again.first, again.last)
		}
	})
}
