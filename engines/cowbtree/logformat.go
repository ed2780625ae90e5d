package cowbtree

import (
	"fmt"

	"orbitbench/engines"
	"orbitbench/engines/lease"
)

// Payloads of log records (little endian).
//
// kindRenew, one renewal, 28 bytes and the key to the end of the payload:
//
//	 0         8            16      24         28
//	+---------+------------+-------+----------+-----+
//	| version | expires_at | now   | renewals | key |
//	+---------+------------+-------+----------+-----+
//
// kindBatch, one batch: operations one after the other to the end of the
// payload, each an operation head, its key and its body:
//
//	 0      1    2         4      8         16
//	+------+----+---------+------+---------+-----+------+
//	| op   | ks | key len | aux  | version | key | body |
//	+------+----+---------+------+---------+-----+------+
//
//	op          aux              body
//	opPut       value length     value
//	opDelete    0                empty
//	opRenew     renewals         expires_at i64, now i64
//
//	field       type  meaning
//	version     u64   the version after the operation; opDelete: one above the deleted one
//	renewals    u32   renewal_count after the renewal
//	expires_at  i64   ns since the Unix epoch
//	now         i64   last_renewed, ns since the Unix epoch
const (
	kindRenew = 1
	kindBatch = 2

	renewHeadBytes = 28
	opHeadBytes    = 16

	opPut    = uint8(engines.OpPut)
	opDelete = uint8(engines.OpDelete)
	opRenew  = uint8(engines.OpRenew)
)

// op is one operation of the log in decoded form. Slices are parts of the payload.
type op struct {
	kind       uint8
	ks         engines.Keyspace
	renewals   uint32
	version    engines.Version
	renewal    lease.Renewal
	key, value []byte
}

// putRenew encodes a kindRenew payload but for its key.
func putRenew(b *[renewHeadBytes]byte, renewals uint32, v engines.Version, r lease.Renewal) {
	le.PutUint64(b[0:], uint64(v))
	le.PutUint64(b[8:], uint64(r.ExpiresAt))
	le.PutUint64(b[16:], uint64(r.Now))
	le.PutUint32(b[24:], renewals)
}

// parseRenew decodes a kindRenew payload.
func parseRenew(b []byte) (op, error) {
	if len(b) <= renewHeadBytes || len(b) > renewHeadBytes+engines.MaxKeyBytes {
		return op{}, fmt.Errorf("renewal of %d bytes, want %d to %d", len(b), renewHeadBytes+1, renewHeadBytes+engines.MaxKeyBytes)
	}
	o := op{
		kind: opRenew, ks: engines.Leases,
		version:  engines.Version(le.Uint64(b)),
		renewal:  lease.Renewal{ExpiresAt: int64(le.Uint64(b[8:])), Now: int64(le.Uint64(b[16:]))},
		renewals: le.Uint32(b[24:]),
		key:      b[renewHeadBytes:],
	}
	if o.version == 0 || o.version > maxVersion {
		return op{}, fmt.Errorf("renewal of %x to version %d", o.key, o.version)
	}
	return o, nil
}

// appendOp encodes one operation of a batch.
func appendOp(dst []byte, o *op) []byte {
	aux := o.renewals
	if o.kind == opPut {
		aux = uint32(len(o.value))
	}
	dst = append(dst, o.kind, byte(o.ks))
	dst = le.AppendUint16(dst, uint16(len(o.key)))
	dst = le.AppendUint32(dst, aux)
	dst = le.AppendUint64(dst, uint64(o.version))
	dst = append(dst, o.key...)
	switch o.kind {
	case opPut:
		dst = append(dst, o.value...)
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
	k, aux := int(le.Uint16(b[2:])), le.Uint32(b[4:])
	o := op{kind: b[0], ks: engines.Keyspace(b[1]), version: engines.Version(le.Uint64(b[8:]))}
	body := 0
	switch {
	case !o.ks.Valid() || o.version == 0 || o.version > maxVersion || k == 0 || k > engines.MaxKeyBytes:
		return op{}, 0, fmt.Errorf("operation in keyspace %d at version %d with a key of %d bytes", b[1], o.version, k)
	case o.kind == opPut && aux <= engines.MaxValueBytes:
		body = int(aux)
	case o.kind == opDelete && aux == 0:
	case o.kind == opRenew && o.ks == engines.Leases:
		body = 16
	default:
		return op{}, 0, fmt.Errorf("operation %d in %s with %d in its fourth field", o.kind, o.ks, aux)
	}
	n := opHeadBytes + k + body
	if n > len(b) {
		return op{}, 0, fmt.Errorf("operation cut off: %d of %d bytes", len(b), n)
	}
	o.key = b[opHeadBytes : opHeadBytes+k : opHeadBytes+k]
	rest := b[opHeadBytes+k : n : n]
	switch o.kind {
	case opPut:
		o.value = rest
	case opRenew:
		o.renewals = aux
		o.renewal = lease.Renewal{ExpiresAt: int64(le.Uint64(rest)), Now: int64(le.Uint64(rest[8:]))}
	}
	return o, n, nil
}

// eachOp decodes a log record and calls yield for each operation in it.
func eachOp(kind uint8, payload []byte, yield func(*op) error) error {
	switch kind {
	case kindRenew:
		o, err := parseRenew(payload)
		if err != nil {
			return err
		}
		return yield(&o)
	case kindBatch:
		if len(payload) == 0 {
			return fmt.Errorf("batch without operations")
		}
		for len(payload) > 0 {
			o, n, err := parseOp(payload)
			if err != nil {
				return err
			}
			if err := yield(&o); err != nil {
				return err
			}
			payload = payload[n:]
		}
		return nil
	}
	return fmt.Errorf("unknown record kind %d", kind)
}
