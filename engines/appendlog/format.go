package appendlog

import (
	"fmt"

	"orbitbench/engines"
	"orbitbench/engines/internal/index"
)

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

	renewBytes  = index.DeltaBytes
	opHeadBytes = 20

	opPut    = engines.OpPut
	opDelete = engines.OpDelete
	opRenew  = engines.OpRenew
)

// parseRenew decodes a kindRenew payload.
func parseRenew(b []byte) (index.Op, error) {
	if len(b) != renewBytes {
		return index.Op{}, fmt.Errorf("renewal of %d bytes, want %d", len(b), renewBytes)
	}
	return index.ParseDelta(b)
}

// eachOp decodes a log record and calls yield for each operation in it, with its offset in the payload.
func eachOp(kind uint8, payload []byte, yield func(at int, o index.Op) error) error {
	switch kind {
	case kindRenew:
		o, err := parseRenew(payload)
		if err != nil {
			return err
		}
		return yield(0, o)
	case kindBatch:
		return index.EachOp(payload, yield)
	}
	return fmt.Errorf("unknown record kind %d", kind)
}
