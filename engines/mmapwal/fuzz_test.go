package mmapwal

import (
	"bytes"
	"errors"
	"testing"

	"orbitbench/engines"
	"orbitbench/engines/lease"
)

// Each decoder takes what the encoder writes, byte for byte, or gives an error.

func FuzzLogRecord(f *testing.F) {
	var renew [renewBytes]byte
	putRenew(&renew, 7, makeRef(3, pageHead), 9, lease.Renewal{ExpiresAt: 10, Now: 11})
	f.Add(uint8(kindRenew), renew[:])
	batch := appendOp(nil, &op{kind: opPut, stripe: 300, ref: makeRef(5, pageHead), version: 3, key: []byte("k"), value: []byte("value")})
	batch = appendOp(batch, &op{kind: opDelete, stripe: 719, ref: makeRef(6, 256), version: 2})
	batch = appendOp(batch, &op{kind: opRenew, stripe: 1, ref: makeRef(7, 272), version: 2, renewal: lease.Renewal{ExpiresAt: 1, Now: 2}})
	f.Add(uint8(kindBatch), batch)
	var c [claimBytes]byte
	putClaim(&c, claim{stripe: 9, use: useSpan, first: 600, n: 4})
	f.Add(uint8(kindClaim), c[:])
	f.Fuzz(func(t *testing.T, kind uint8, payload []byte) {
		var again []byte
		var err error
		if kind == kindClaim {
			var c claim
			var b [claimBytes]byte
			c, err = parseClaim(payload)
			putClaim(&b, c)
			again = b[:]
		} else {
			err = eachOp(kind, payload, func(o op) error {
				if kind == kindRenew {
					var b [renewBytes]byte
					putRenew(&b, o.stripe, o.ref, o.version, o.renewal)
					again = append(again, b[:]...)
					return nil
				}
				again = appendOp(again, &o)
				return nil
			})
		}
		if err == nil && !bytes.Equal(again, payload) {
			t.Errorf("record of kind %d: decoded and encoded it is another: %x, was %x", kind, again, payload)
		}
	})
}

func FuzzRoot(f *testing.F) {
	r := &root{extentPages: 512, seed: 1, start: 2, cut: 3, end: 3, size: 1024, next: 700, free: []uint64{1 << 5}, sums: []uint32{7, 8}}
	r.stripes[9] = rootStripe{live: 4, floor: 5, highest: 6, ledgers: []uint32{11, 12}}
	r.loose = []loose{{makeRef(13, pageHead), 9, true}, {makeRef(14, 64), 10, false}}
	f.Add(r.encode())
	f.Add((&root{extentPages: 4096, start: 1, cut: 1}).encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 4 { // let the fuzzer past the checksum
			b = bytes.Clone(b)
			le.PutUint32(b[len(b)-4:], checksum(b[:len(b)-4]))
		}
		r, err := decodeRoot("root", 0, b)
		if err != nil {
			if !errors.Is(err, engines.ErrCorrupt) {
				t.Errorf("root %x: %v, want ErrCorrupt", b, err)
			}
			return
		}
		if !bytes.Equal(r.encode(), b) {
			t.Errorf("root %x: decoded and encoded it is %x", b, r.encode())
		}
	})
}

func FuzzLedgerEntry(f *testing.F) {
	f.Add(ledgerEntry{5, ledgerIndex, 3, 6}.encode())
	f.Add(ledgerEntry{600, ledgerSpan, 0, 9}.encode())
	f.Fuzz(func(t *testing.T, w uint64) {
		l := decodeLedger(w)
		if l.encode() != w {
			t.Errorf("entry %016x: decoded and encoded it is %016x", w, l.encode())
		}
		if l.check(1024) == nil && (l.page >= 1024 || l.page+l.pages() > 1024 || l.page&groupMask == 0) {
			t.Errorf("entry %016x, pages %d and %d more of 1024, is accepted", w, l.page, l.pages())
		}
	})
}

func FuzzCheckpointChunk(f *testing.F) {
	page := append([]byte{entryPage, 0, 0, 0, 5, 0, 0, 0}, make([]byte, pageBytes)...)
	f.Add(append(page, entryRoot, 0, 0, 0, 3, 0, 0, 0, 'a', 'b', 'c'))
	f.Fuzz(func(t *testing.T, b []byte) {
		var again []byte
		err := eachEntry(b, func(p uint32, mem []byte) error {
			again = le.AppendUint32(le.AppendUint32(again, entryPage), p)
			again = append(again, mem...)
			return nil
		}, func(root []byte) error {
			again = le.AppendUint32(le.AppendUint32(again, entryRoot), uint32(len(root)))
			again = append(again, root...)
			return nil
		})
		if err == nil && !bytes.Equal(b, again) {
			t.Errorf("chunk %x: decoded and encoded it is %x", b, again)
		}
	})
}
