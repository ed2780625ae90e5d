package mmapwal

import (
	"fmt"

	"orbitbench/engines"
	"orbitbench/engines/lease"
)

// Payloads of log records (little endian). ref names a record by its place in the
// table: page number << 8 | offset in the page / 16. stripe is 0 to 719.
//
// kindRenew, one renewal, 32 bytes:
//
//	 0       4        6    8              16            24            32
//	+-------+--------+----+--------------+-------------+-------------+
//	| ref   | stripe | 0  | version      | expires_at  | now         |
//	+-------+--------+----+--------------+-------------+-------------+
//
// kindBatch, one batch, operations one behind the other:
//
//	 0      1    2        4         6     8       12      16             24
//	+------+----+--------+---------+-----+-------+-------+--------------+-------------+
//	| op   | 0  | stripe | key len | 0   | val   | ref   | version      | body        |
//	|      |    |        |         |     | len   |       |              |             |
//	+------+----+--------+---------+-----+-------+-------+--------------+-------------+
//
//	op 1 put      ref is where the record goes; body: key, value
//	op 2 delete   ref is where it is; key len and val len 0, no body; version is one above the deleted one
//	op 3 renew    ref is where it is; key len and val len 0; body: expires_at, now
//
// kindClaim, pages that a stripe has taken from the pool, 12 bytes:
//
//	 0        2     3    4          8          12
//	+--------+-----+----+----------+----------+
//	| stripe | use | 0  | first    | pages    |
//	+--------+-----+----+----------+----------+
//
//	use 1 slab: each page for one; 2 spare: for index and ledger; 3 span: one of all pages
//
// Operations of one stripe are applied in the order of the log. A renewal is applied
// if its version is above that of the record: the table may be ahead of it.
const (
	kindRenew = 1
	kindBatch = 2
	kindClaim = 3

	renewBytes  = 32
	opHeadBytes = 24
	claimBytes  = 12

	opPut    = uint8(engines.OpPut)
	opDelete = uint8(engines.OpDelete)
	opRenew  = uint8(engines.OpRenew)
	opClaim  = uint8(0xff) // in memory only

	useSlab  = 1
	useSpare = 2
	useSpan  = 3
)

// op is one operation of the log in decoded form.
type op struct {
	kind       uint8
	stripe     uint16
	ref        ref
	version    engines.Version
	renewal    lease.Renewal
	key, value []byte // opPut; parts of the payload
}

// claim is a decoded kindClaim payload.
type claim struct {
	stripe   uint16
	use      uint8
	first, n uint32
}

func putClaim(b *[claimBytes]byte, c claim) {
	le.PutUint16(b[0:], c.stripe)
	b[2], b[3] = c.use, 0
	le.PutUint32(b[4:], c.first)
	le.PutUint32(b[8:], c.n)
}

// parseClaim decodes a kindClaim payload.
func parseClaim(b []byte) (claim, error) {
	if len(b) != claimBytes {
		return claim{}, fmt.Errorf("claim of %d bytes, want %d", len(b), claimBytes)
	}
	c := claim{stripe: le.Uint16(b[0:]), use: b[2], first: le.Uint32(b[4:]), n: le.Uint32(b[8:])}
	switch {
	case c.stripe >= numStripes || b[3] != 0:
		return claim{}, fmt.Errorf("claim by stripe %d, byte 3 is %d", c.stripe, b[3])
	case c.use < useSlab || c.use > useSpan:
		return claim{}, fmt.Errorf("claim for use %d", c.use)
	case c.n == 0 || c.n >= groupLen || c.first&groupMask == 0 || c.first&groupMask+c.n > groupLen || c.first >= maxPages:
		return claim{}, fmt.Errorf("claim of %d pages from %d on", c.n, c.first)
	}
	return c, nil
}

// putRenew encodes a kindRenew payload.
func putRenew(b *[renewBytes]byte, stripe uint16, at ref, v engines.Version, r lease.Renewal) {
	le.PutUint32(b[0:], uint32(at))
	le.PutUint16(b[4:], stripe)
	le.PutUint16(b[6:], 0)
	le.PutUint64(b[8:], uint64(v))
	le.PutUint64(b[16:], uint64(r.ExpiresAt))
	le.PutUint64(b[24:], uint64(r.Now))
}

// parseRenew decodes a kindRenew payload.
func parseRenew(b []byte) (op, error) {
	if len(b) != renewBytes {
		return op{}, fmt.Errorf("renewal of %d bytes, want %d", len(b), renewBytes)
	}
	o := op{
		kind:    opRenew,
		ref:     ref(le.Uint32(b[0:])),
		stripe:  le.Uint16(b[4:]),
		version: engines.Version(le.Uint64(b[8:])),
		renewal: lease.Renewal{ExpiresAt: int64(le.Uint64(b[16:])), Now: int64(le.Uint64(b[24:]))},
	}
	if le.Uint16(b[6:]) != 0 {
		return op{}, fmt.Errorf("renewal with bytes 6 and 7 set")
	}
	return o, o.check()
}

// check reports what no operation may say.
func (o *op) check() error {
	switch {
	case o.stripe >= numStripes || o.version == 0 || o.ref.page()&groupMask == 0 || o.ref.offset() < pageHead:
		return fmt.Errorf("operation %d of stripe %d at place %#x, version %d", o.kind, o.stripe, uint32(o.ref), o.version)
	case o.kind == opRenew && keyspaceOf(o.stripe) != engines.Leases:
		return fmt.Errorf("renewal in stripe %d, which is of %s", o.stripe, keyspaceOf(o.stripe))
	}
	return nil
}

// appendOp encodes one operation of a batch.
func appendOp(dst []byte, o *op) []byte {
	dst = append(dst, o.kind, 0)
	dst = le.AppendUint16(dst, o.stripe)
	dst = le.AppendUint16(dst, uint16(len(o.key)))
	dst = append(dst, 0, 0)
	dst = le.AppendUint32(dst, uint32(len(o.value)))
	dst = le.AppendUint32(dst, uint32(o.ref))
	dst = le.AppendUint64(dst, uint64(o.version))
	switch o.kind {
	case opPut:
		dst = append(append(dst, o.key...), o.value...)
	case opRenew:
		dst = le.AppendUint64(dst, uint64(o.renewal.ExpiresAt))
		dst = le.AppendUint64(dst, uint64(o.renewal.Now))
	}
	return dst
}

// parseOp decodes the operation at the start of b and returns its length.
// Lengths are checked before they are used.
func parseOp(b []byte) (op, int, error) {
	if len(b) < opHeadBytes {
		return op{}, 0, fmt.Errorf("operation head cut off: %d of %d bytes", len(b), opHeadBytes)
	}
	keyLen, valueLen := int(le.Uint16(b[4:])), le.Uint32(b[8:])
	o := op{kind: b[0], stripe: le.Uint16(b[2:]), ref: ref(le.Uint32(b[12:])), version: engines.Version(le.Uint64(b[16:]))}
	if b[1] != 0 || b[6] != 0 || b[7] != 0 {
		return op{}, 0, fmt.Errorf("operation %d with bytes set that must be 0", o.kind)
	}
	if err := o.check(); err != nil {
		return op{}, 0, err
	}
	body := b[opHeadBytes:]
	n := 0
	switch o.kind {
	case opPut:
		if keyLen == 0 || keyLen > engines.MaxKeyBytes || valueLen > engines.MaxValueBytes {
			return op{}, 0, fmt.Errorf("put with a key of %d and a value of %d bytes", keyLen, valueLen)
		}
		if n = keyLen + int(valueLen); n > len(body) {
			return op{}, 0, fmt.Errorf("put cut off: %d of %d bytes", len(body), n)
		}
		o.key, o.value = body[:keyLen:keyLen], body[keyLen:n:n]
	case opDelete, opRenew:
		if keyLen != 0 || valueLen != 0 {
			return op{}, 0, fmt.Errorf("operation %d with lengths %d and %d, want 0", o.kind, keyLen, valueLen)
		}
		if o.kind == opDelete {
			break
		}
		if n = 16; n > len(body) {
			return op{}, 0, fmt.Errorf("renewal cut off: %d of %d bytes", len(body), n)
		}
		o.renewal = lease.Renewal{ExpiresAt: int64(le.Uint64(body)), Now: int64(le.Uint64(body[8:]))}
	default:
		return op{}, 0, fmt.Errorf("unknown operation %d", o.kind)
	}
	return o, opHeadBytes + n, nil
}

// eachOp decodes a log record but kindClaim and calls yield for each operation in it.
func eachOp(kind uint8, payload []byte, yield func(op) error) error {
	switch kind {
	case kindRenew:
		o, err := parseRenew(payload)
		if err != nil {
			return err
		}
		return yield(o)
	case kindBatch:
		for len(payload) > 0 {
			o, n, err := parseOp(payload)
			if err != nil {
				return err
			}
			if err := yield(o); err != nil {
				return err
			}
			payload = payload[n:]
		}
		return nil
	}
	return fmt.Errorf("unknown record kind %d", kind)
}
