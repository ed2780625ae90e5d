package index

import (
	"fmt"

	"orbitbench/engines"
	"orbitbench/engines/lease"
)

// The bytes of operations in the files of engines (little endian).
//
// A delta is one renewal, 32 bytes:
//
//	 0       4          8              16            24            32
//	+-------+----------+--------------+-------------+-------------+
//	| id    | renewals | version      | expires_at  | now         |
//	+-------+----------+--------------+-------------+-------------+
//
// An operation is a head and its body:
//
//	 0      1    2         4          8       12             20
//	+------+----+---------+----------+-------+--------------+------------------+
//	| op   | ks | key len | aux      | id    | version      | body             |
//	+------+----+---------+----------+-------+--------------+------------------+
//
//	op          aux              body
//	OpPut       value length     key, value
//	OpDelete    0                empty (key len is 0)
//	OpRenew     renewals         expires_at i64, now i64 (key len is 0)
//
//	field       type  meaning
//	id          u32   record id: its low byte is the stripe, the top byte of the key's
//	                  hash; the rest counts within the stripe
//	version     u64   the version after the operation, below 2^61; OpDelete: one above the deleted one
//	renewals    u32   renewal_count after the renewal
//	expires_at  i64   ns since the Unix epoch
//	now         i64   last_renewed, ns since the Unix epoch
//
// Versions of one id only rise, also where the id went from a deleted key to
// another one, so replay applies an operation if its version is above that of
// what it finds, and applying a log twice changes nothing.
const (
	DeltaBytes  = 32
	opHeadBytes = 20
)

// AppendDelta encodes one renewal.
func AppendDelta(dst []byte, d *Delta) []byte {
	dst = le.AppendUint32(dst, d.ID)
	dst = le.AppendUint32(dst, d.Renewals)
	dst = le.AppendUint64(dst, uint64(d.Version))
	dst = le.AppendUint64(dst, uint64(d.Renewal.ExpiresAt))
	return le.AppendUint64(dst, uint64(d.Renewal.Now))
}

// ParseDelta decodes the renewal at the start of b.
func ParseDelta(b []byte) (Op, error) {
	id, version, err := deltaHead(b)
	if err != nil {
		return Op{}, err
	}
	return Op{
		Kind:     engines.OpRenew,
		ID:       id,
		Renewals: le.Uint32(b[4:]),
		Version:  version,
		Renewal:  lease.Renewal{ExpiresAt: int64(le.Uint64(b[16:])), Now: int64(le.Uint64(b[24:]))},
	}, nil
}

// deltaHead decodes what replay has to know of the renewal at the start of b before it is applied.
func deltaHead(b []byte) (id uint32, version engines.Version, err error) {
	if len(b) < DeltaBytes {
		return 0, 0, fmt.Errorf("renewal of %d bytes, want %d", len(b), DeltaBytes)
	}
	id, version = le.Uint32(b[0:]), engines.Version(le.Uint64(b[8:]))
	if version == 0 || version > MaxVersion {
		return 0, 0, fmt.Errorf("renewal of record %d to version %d", id, version)
	}
	return id, version, nil
}

// AppendOp encodes one operation of a batch.
func AppendOp(dst []byte, o *Op) []byte {
	aux := o.Renewals
	if o.Kind == engines.OpPut {
		aux = uint32(len(o.Value))
	}
	dst = append(dst, byte(o.Kind), byte(o.Keyspace))
	dst = le.AppendUint16(dst, uint16(len(o.Key)))
	dst = le.AppendUint32(dst, aux)
	dst = le.AppendUint32(dst, o.ID)
	dst = le.AppendUint64(dst, uint64(o.Version))
	switch o.Kind {
	case engines.OpPut:
		dst = append(append(dst, o.Key...), o.Value...)
	case engines.OpRenew:
		dst = le.AppendUint64(dst, uint64(o.Renewal.ExpiresAt))
		dst = le.AppendUint64(dst, uint64(o.Renewal.Now))
	}
	return dst
}

// ParseOp decodes the operation at the start of b and returns its length.
// Lengths are checked before they are used.
func ParseOp(b []byte) (Op, int, error) {
	if len(b) < opHeadBytes {
		return Op{}, 0, fmt.Errorf("operation head cut off: %d of %d bytes", len(b), opHeadBytes)
	}
	keyLen, aux := int(le.Uint16(b[2:])), le.Uint32(b[4:])
	o := Op{Kind: engines.OpKind(b[0]), Keyspace: engines.Keyspace(b[1]), ID: le.Uint32(b[8:]), Version: engines.Version(le.Uint64(b[12:]))}
	if !o.Keyspace.Valid() || o.Version == 0 || o.Version > MaxVersion {
		return Op{}, 0, fmt.Errorf("operation in keyspace %d at version %d", b[1], o.Version)
	}
	body := b[opHeadBytes:]
	n := 0
	switch o.Kind {
	case engines.OpPut:
		if keyLen == 0 || keyLen > engines.MaxKeyBytes || aux > engines.MaxValueBytes {
			return Op{}, 0, fmt.Errorf("put with a key of %d and a value of %d bytes", keyLen, aux)
		}
		if n = keyLen + int(aux); n > len(body) {
			return Op{}, 0, fmt.Errorf("put cut off: %d of %d bytes", len(body), n)
		}
		o.Key, o.Value = body[:keyLen:keyLen], body[keyLen:n:n]
	case engines.OpDelete:
		if keyLen != 0 || aux != 0 {
			return Op{}, 0, fmt.Errorf("delete with lengths %d and %d, want 0", keyLen, aux)
		}
	case engines.OpRenew:
		if n = 16; keyLen != 0 || n > len(body) || o.Keyspace != engines.Leases {
			return Op{}, 0, fmt.Errorf("renewal with %d bytes and key length %d in %s", len(body), keyLen, o.Keyspace)
		}
		o.Renewals = aux
		o.Renewal = lease.Renewal{ExpiresAt: int64(le.Uint64(body)), Now: int64(le.Uint64(body[8:]))}
	default:
		return Op{}, 0, fmt.Errorf("unknown operation %d", o.Kind)
	}
	return o, opHeadBytes + n, nil
}

// EachOp calls yield for each operation in the payload of a log record, with its offset in it.
// Key and value are parts of the payload. Errors: those of ParseOp and of yield.
func EachOp(payload []byte, yield func(at int, o Op) error) error {
	for at := 0; at < len(payload); {
		o, n, err := ParseOp(payload[at:])
		if err == nil {
			err = yield(at, o)
		}
		if err != nil {
			return err
		}
		at += n
	}
	return nil
}

// EachDelta is EachOp for a payload of deltas.
func EachDelta(payload []byte, yield func(at int, o Op) error) error {
	for at := 0; at < len(payload); at += DeltaBytes {
		o, err := ParseDelta(payload[at:])
		if err == nil {
			err = yield(at, o)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
