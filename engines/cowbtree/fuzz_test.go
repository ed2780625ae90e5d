package cowbtree

import (
	"bytes"
	"testing"

	"github.com/klauspost/compress/s2"

	"orbitbench/engines"
	"orbitbench/engines/internal/meta"
	"orbitbench/engines/lease"
)

// Each decoder takes what the encoder writes, byte for byte, or gives an error.

func FuzzLogRecord(f *testing.F) {
	var head [renewHeadBytes]byte
	putRenew(&head, 8, 9, lease.Renewal{ExpiresAt: 10, Now: 11})
	f.Add(uint8(kindRenew), append(head[:], "key"...))
	batch := appendOp(nil, &op{kind: opPut, ks: engines.Nodes, version: 3, key: []byte("k"), value: []byte("value")})
	batch = appendOp(batch, &op{kind: opDelete, ks: engines.Index, version: 2, key: []byte("gone")})
	batch = appendOp(batch, &op{kind: opRenew, version: 2, renewals: 5, key: []byte("lease"), renewal: lease.Renewal{ExpiresAt: 1, Now: 2}})
	f.Add(uint8(kindBatch), batch)
	f.Fuzz(func(t *testing.T, kind uint8, payload []byte) {
		var again []byte
		err := eachOp(kind, payload, func(o *op) error {
			if kind == kindRenew {
				var b [renewHeadBytes]byte
				putRenew(&b, o.renewals, o.version, o.renewal)
				again = append(append(again, b[:]...), o.key...)
				return nil
			}
			again = appendOp(again, o)
			return nil
		})
		if err == nil && !bytes.Equal(again, payload) {
			t.Errorf("record of kind %d: decoded and encoded it is another: %x, was %x", kind, again, payload)
		}
	})
}

// sealed makes a page of a payload.
func sealed(p page, payload []byte) (pageAddr, []byte) {
	b := append(make([]byte, pageHeadBytes), payload...)
	return p.seal(b, 7), b
}

func FuzzPage(f *testing.F) {
	leaf := appendRecord(appendRecord(nil, 1, []byte("a"), nil), 2, []byte("b"), []byte("value"))
	inner := appendChild(appendChild(nil, pageAddr{2, 100, 5}, nil), pageAddr{3, 4096, 6}, []byte("sep"))
	_, b := sealed(page{kind: kindLeaf, count: 2, checkpoint: 4}, leaf)
	f.Add(b)
	_, b = sealed(page{kind: kindInner, level: 1, count: 2}, inner)
	f.Add(b)
	_, b = sealed(page{kind: kindMap}, make([]byte, 16))
	f.Add(b)
	packed := s2.Encode(nil, bytes.Repeat(leaf, 1))
	_, b = sealed(page{kind: kindLeaf, count: 2, plain: uint32(len(leaf))}, packed)
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < pageHeadBytes {
			return
		}
		b = bytes.Clone(b)
		le.PutUint32(b, crc(b[4:])) // let the fuzzer past the checksum
		a := pageAddr{le.Uint32(b[8:]), uint32(len(b)), le.Uint32(b)}
		p, err := openPage("pages", a, b, nil)
		if err != nil {
			return
		}
		var again []byte
		switch p.kind {
		case kindLeaf:
			err = p.eachRecord(func(v uint64, key, value []byte) error { again = appendRecord(again, v, key, value); return nil })
		case kindInner:
			err = p.eachChild(func(a pageAddr, sep []byte) error { again = appendChild(again, a, sep); return nil })
		default:
			again = p.payload
		}
		if err != nil {
			return
		}
		if !bytes.Equal(again, p.payload) {
			t.Errorf("payload %x: decoded and encoded it is %x", p.payload, again)
		}
		if p.plain == 0 {
			if got, page := sealed(p, again); got.crc != a.crc && a.block == 7 {
				t.Errorf("page %x: decoded and encoded it is %x", b, page)
			}
		}
	})
}

func FuzzPagesMeta(f *testing.F) {
	m := pagesMeta{checkpoint: 3, seed: 1, applied: 9, upTo: 9, floor: 4, highest: 8, blocks: 64, mapPage: pageAddr{2, 40, 1}}
	m.roots[0], m.counts[0] = pageAddr{3, 100, 9}, 5
	b := make([]byte, blockBytes)
	m.encode(b)
	f.Add(b[:metaEnd])
	f.Fuzz(func(t *testing.T, head []byte) {
		b := make([]byte, blockBytes)
		copy(b[:metaEnd], head)
		le.PutUint32(b[metaSum:], crc(b[:metaSum]))
		for slot := range 2 {
			m, err := decodePagesMeta("pages", slot, b)
			if err != nil {
				continue
			}
			again := make([]byte, blockBytes)
			if m.encode(again); !bytes.Equal(again, b) {
				t.Errorf("meta block %x: decoded and encoded it is %x", b[:metaEnd], again[:metaEnd])
			}
		}
	})
}

func FuzzMeta(f *testing.F) {
	f.Add(metaFormat.Encode(meta.Meta{Seed: 1, Base: 2, Ceiling: 3, Last: 4}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := metaFormat.Decode("META", b); err == nil && !bytes.Equal(metaFormat.Encode(m), b) {
			t.Errorf("META %x: decoded and encoded it is %x", b, metaFormat.Encode(m))
		}
	})
}
