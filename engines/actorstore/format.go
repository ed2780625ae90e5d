package actorstore

import (
	"encoding/binary"
	"fmt"

	"orbitbench/engines"
	"orbitbench/engines/internal/index"
	"orbitbench/engines/internal/wal"
)

var (
	le = binary.LittleEndian
	be = binary.BigEndian
)

// Payloads of log records (little endian). A record id names a record in the
// log and in checkpoints: its low byte is the stripe, which is the top byte of
// the key's hash, the rest counts within the stripe. Deltas and operations are
// those of package index (format.go).
//
// kindRenewals, renewals that were acknowledged in any order: one delta of 32
// bytes after the other to the end of the payload, one at least. Class interval
// logs what a stripe has gathered, the other classes one at a time:
//
//	 0       4          8              16            24            32
//	+-------+----------+--------------+-------------+-------------+
//	| id    | renewals | version      | expires_at  | now         |
//	+-------+----------+--------------+-------------+-------------+
//
// kindBatch, one batch: operations one after the other to the end of the
// payload, one at least, each an operation head and its body:
//
//	 0      1    2         4          8       12             20
//	+------+----+---------+----------+-------+--------------+------------------+
//	| op   | ks | key len | aux      | id    | version      | body             |
//	+------+----+---------+----------+-------+--------------+------------------+
//
// kindCheckpoint says that a checkpoint is durable, whose start it names (u64). Behind it
// ids of sealed points are used again, so that replay must not begin before that start.
//
// A delta carries the whole outcome of every renewal before it, so a lease that
// was renewed several times in a round has one delta. An operation is applied
// if its version is above that of what replay finds under its id.
const (
	kindRenewals   = 1
	kindBatch      = 2
	kindCheckpoint = 3
)

// parseCheckpoint decodes the payload of a kindCheckpoint.
func parseCheckpoint(payload []byte) (start wal.LSN, err error) {
	if len(payload) != 8 {
		return 0, fmt.Errorf("note of a checkpoint of %d bytes, want 8", len(payload))
	}
	if start = wal.LSN(le.Uint64(payload)); start == 0 {
		return 0, fmt.Errorf("note of a checkpoint that begins at record 0")
	}
	return start, nil
}

// eachReplayed is eachOp for records of a log that is replayed from start on. A
// note of a later checkpoint is an error: that checkpoint is missing.
func eachReplayed(r wal.Record, start wal.LSN, yield func(at int, o index.Op) error) error {
	if r.Kind != kindCheckpoint {
		return eachOp(r.Kind, r.Payload, yield)
	}
	noted, err := parseCheckpoint(r.Payload)
	if err == nil && noted > start {
		err = fmt.Errorf("%s is missing, which it says was written", checkpoints.Name(noted))
	}
	return err
}

// eachOp decodes a log record and calls yield for each operation in it, with its offset in the payload.
func eachOp(kind uint8, payload []byte, yield func(at int, o index.Op) error) error {
	switch {
	case kind != kindRenewals && kind != kindBatch:
		return fmt.Errorf("unknown record kind %d", kind)
	case len(payload) == 0:
		return fmt.Errorf("record of kind %d without an operation", kind)
	case kind == kindRenewals:
		return index.EachDelta(payload, yield)
	}
	return index.EachOp(payload, func(at int, o index.Op) error {
		if o.Kind == engines.OpDelete && o.Keyspace == engines.TimeSeries {
			return fmt.Errorf("delete in %s, which is appended to only", o.Keyspace)
		}
		return yield(at, o)
	})
}
