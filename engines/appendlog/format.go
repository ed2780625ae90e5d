package appendlog

import (
	"encoding/binary"
	"fmt"

	"orbitbench/engines"
	"orbitbench/engines/internal/index"
	"orbitbench/engines/lease"
)

var le = binary.LittleEndian

// Payloads of log records (little endian). A record id names a record in the
// log and in snapshots: its low byte is the stripe, which is the top byte of
// the key's hash, the rest counts within the stripe.
//
// kindRenew, one renewal, 32 bytes:
//
//	 0       4          8              16            24            32
//	+-------+----------+--------------+-------------+-------------+
//	| id    | renewals | version      | expires_at  | now         |
//	+-------+----------+--------------+-------------+-------------+
//
// kindBatch, one batch: operations one after the other to the end of the
// payload, each an operation head and its body:
//
//	 0      1    2         4          8       12             20
//	+------+----+---------+----------+-------+--------------+------------------+
//	| op   | ks | key len | aux      | id    | version      | body             |
//	+------+----+---------+----------+-------+--------------+------------------+
//
//	op          aux              body
//	opPut       value length     key, value
//	opDelete    0                empty (key len is 0)
//	opRenew     renewals         expires_at i64, now i64 (key len is 0)
//
//	field       type  meaning
//	id          u32   record id
//	version     u64   the version after the operation; opDelete: one above the deleted one
//	renewals    u32   renewal_count after the renewal
//	expires_at  i64   ns since the Unix epoch
//	now         i64   last_renewed, ns since the Unix epoch
//
// Versions of one id only rise, also where the id went from a deleted key to
// another one, so replay applies an operation if its version is above that of
// what it finds, and applying a log twice changes nothing.
const (
	kindRenew = 1
	kindBatch = 2

	renewBytes  = 32
	opHeadBytes = 20

	opPut    = engines.OpPut
	opDelete = engines.OpDelete
	opRenew  = engines.OpRenew
)

// putRenew encodes a kindRenew payload.
func putRenew(b *[renewBytes]byte, d index.Delta) {
	le.PutUint32(b[0:], d.ID)
	le.PutUint32(b[4:], d.Renewals)
	le.PutUint64(b[8:], uint64(d.Version))
	le.PutUint64(b[16:], uint64(d.Renewal.ExpiresAt))
	le.PutUint64(b[24:], uint64(d.Renewal.Now))
}

// parseRenew decodes a kindRenew payload.
func parseRenew(b []byte) (index.Op, error) {
	if len(b) != renewBytes {
		return index.Op{}, fmt.Errorf("renewal of %d bytes, want %d", len(b), renewBytes)
	}
	o := index.Op{
		Kind:     opRenew,
		ID:       le.Uint32(b[0:]),
		Renewals: le.Uint32(b[4:]),
		Version:  engines.Version(le.Uint64(b[8:])),
		Renewal:  lease.Renewal{ExpiresAt: int64(le.Uint64(b[16:])), Now: int64(le.Uint64(b[24:]))},
	}
	if o.Version == 0 {
		return index.Op{}, fmt.Errorf("renewal of record %d to version 0", o.ID)
	}
	return o, nil
}

// appendOp encodes one operation of a batch.
func appendOp(dst []byte, o *index.Op) []byte {
	aux := o.Renewals
	if o.Kind == opPut {
		aux = uint32(len(o.Value))
	}
	dst = append(dst, byte(o.Kind), byte(o.Keyspace))
	dst = le.AppendUint16(dst, uint16(len(o.Key)))
	dst = le.AppendUint32(dst, aux)
	dst = le.AppendUint32(dst, o.ID)
	dst = le.AppendUint64(dst, uint64(o.Version))
	switch o.Kind {
	case opPut:
		dst = append(append(dst, o.Key...), o.Value...)
	case opRenew:
		dst = le.AppendUint64(dst, uint64(o.Renewal.ExpiresAt))
		dst = le.AppendUint64(dst, uint64(o.Renewal.Now))
	}
	return dst
}

// parseOp decodes the operation at the start of b and returns its length.
// Lengths are checked before they are used.
func parseOp(b []byte) (index.Op, int, error) {
	if len(b) < opHeadBytes {
		return index.Op{}, 0, fmt.Errorf("operation head cut off: %d of %d bytes", len(b), opHeadBytes)
	}
	keyLen, aux := int(le.Uint16(b[2:])), le.Uint32(b[4:])
	o := index.Op{Kind: engines.OpKind(b[0]), Keyspace: engines.Keyspace(b[1]), ID: le.Uint32(b[8:]), Version: engines.Version(le.Uint64(b[12:]))}
	if !o.Keyspace.Valid() || o.Version == 0 {
		return index.Op{}, 0, fmt.Errorf("operation in keyspace %d at version %d", b[1], o.Version)
	}
	body := b[opHeadBytes:]
	n := 0
	switch o.Kind {
	case opPut:
		if keyLen == 0 || keyLen > engines.MaxKeyBytes || aux > engines.MaxValueBytes {
			return index.Op{}, 0, fmt.Errorf("put with a key of %d and a value of %d bytes", keyLen, aux)
		}
		if n = keyLen + int(aux); n > len(body) {
			return index.Op{}, 0, fmt.Errorf("put cut off: %d of %d bytes", len(body), n)
		}
		o.Key, o.Value = body[:keyLen:keyLen], body[keyLen:n:n]
	case opDelete:
		if keyLen != 0 || aux != 0 {
			return index.Op{}, 0, fmt.Errorf("delete with lengths %d and %d, want 0", keyLen, aux)
		}
	case opRenew:
		if n = 16; keyLen != 0 || n > len(body) || o.Keyspace != engines.Leases {
			return index.Op{}, 0, fmt.Errorf("renewal with %d bytes and key length %d in %s", len(body), keyLen, o.Keyspace)
		}
		o.Renewals = aux
		o.Renewal = lease.Renewal{ExpiresAt: int64(le.Uint64(body)), Now: int64(le.Uint64(body[8:]))}
	default:
		return index.Op{}, 0, fmt.Errorf("unknown operation %d", o.Kind)
	}
	return o, opHeadBytes + n, nil
}

// eachOp decodes a log record and calls yield for each operation in it.
func eachOp(kind uint8, payload []byte, yield func(index.Op) error) error {
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
