package adapter

import (
	"encoding/binary"

	"orbitbench/engines"
)

// Ops are the operations of one transaction, as the commit of an adapter in C
// takes them (engines/lmdb, engines/sqlite), and a [Writer] of them:
//
//	 0        1          2             4               8
//	+--------+----------+-------------+---------------+-----------+-------------+
//	| put    | database | key length  | value length  | key ...   | value ...   |
//	+--------+----------+-------------+---------------+-----------+-------------+
//
// put is 0 for a deletion, which has no value. Integers are in the order of the
// machine, which reads them at once. The zero value is empty.
type Ops struct{ raw []byte }

// Reset empties o and keeps its memory.
func (o *Ops) Reset() { o.raw = o.raw[:0] }

func (o *Ops) head(put byte, db engines.Keyspace, key []byte, value int) {
	o.raw = append(o.raw, put, byte(db))
	o.raw = binary.NativeEndian.AppendUint16(o.raw, uint16(len(key)))
	o.raw = binary.NativeEndian.AppendUint32(o.raw, uint32(value))
	o.raw = append(o.raw, key...)
}

// Put stores a record. Its error is always nil.
func (o *Ops) Put(ks engines.Keyspace, key []byte, v engines.Version, value []byte) error {
	o.head(1, ks, key, VersionBytes+len(value))
	o.raw = AppendRecord(o.raw, v, value)
	return nil
}

// PutRaw stores bytes that are no record.
func (o *Ops) PutRaw(db engines.Keyspace, key, raw []byte) {
	o.head(1, db, key, len(raw))
	o.raw = append(o.raw, raw...)
}

// Delete deletes a record if it exists. Its error is always nil.
func (o *Ops) Delete(ks engines.Keyspace, key []byte) error {
	o.head(0, ks, key, 0)
	return nil
}

// Bytes returns the operations in that form, valid until the next change.
func (o *Ops) Bytes() []byte { return o.raw }
