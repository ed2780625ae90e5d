package lmdb

import (
	"encoding/binary"

	"orbitbench/engines"
	"orbitbench/engines/adapter"
)

// ops are the operations of one transaction, as lm_commit (shim.h) takes them:
//
//	 0        1          2             4               8
//	+--------+----------+-------------+---------------+-----------+-------------+
//	| put    | database | key length  | value length  | key ...   | value ...   |
//	+--------+----------+-------------+---------------+-----------+-------------+
//
// put is 0 for a deletion, which has no value. Integers are in the order of the
// machine, which reads them at once.
type ops struct{ raw []byte }

func (o *ops) reset() { o.raw = o.raw[:0] }

func (o *ops) head(put byte, db engines.Keyspace, key []byte, value int) {
	o.raw = append(o.raw, put, byte(db))
	o.raw = binary.NativeEndian.AppendUint16(o.raw, uint16(len(key)))
	o.raw = binary.NativeEndian.AppendUint32(o.raw, uint32(value))
	o.raw = append(o.raw, key...)
}

// put stores a record.
func (o *ops) put(ks engines.Keyspace, key []byte, v engines.Version, value []byte) {
	o.head(1, ks, key, adapter.VersionBytes+len(value))
	o.raw = adapter.AppendRecord(o.raw, v, value)
}

// putRaw stores bytes that are no record.
func (o *ops) putRaw(db engines.Keyspace, key, raw []byte) {
	o.head(1, db, key, len(raw))
	o.raw = append(o.raw, raw...)
}

// remove deletes a record if it exists.
func (o *ops) remove(ks engines.Keyspace, key []byte) { o.head(0, ks, key, 0) }
