//go:build rocksdb && cgo

package rocksdb

import (
	"encoding/binary"

	"orbitbench/engines"
	"orbitbench/engines/adapter"
)

// A batch in the form in which RocksDB keeps one (rocksdb/db/write_batch.cc):
//
//	 0                8              12
//	+----------------+--------------+-------------------------------
//	| sequence, u64  | count, u32   | records ...
//	+----------------+--------------+-------------------------------
//
//	record: tag, u8
//	        column family, varint32   (not with the tags of the default one)
//	        length of the key, varint32; the key
//	        length of the value, varint32; the value   (puts only)
//
// Integers are little endian; the sequence is set by RocksDB.
const (
	batchHead = 12

	tagPut      = 0x01 // in the default column family
	tagDeleteCF = 0x04
	tagPutCF    = 0x05
)

// batch builds the bytes of a RocksDB batch. The zero value is not usable: see reset.
type batch struct {
	rep []byte
}

func (b *batch) reset() {
	if cap(b.rep) < batchHead {
		b.rep = make([]byte, 0, 1024)
	}
	b.rep = b.rep[:batchHead]
	clear(b.rep)
}

func (b *batch) count(add uint32) {
	binary.LittleEndian.PutUint32(b.rep[8:], binary.LittleEndian.Uint32(b.rep[8:])+add)
}

// put adds a record of a keyspace's column family.
func (b *batch) put(cf uint32, key []byte, v engines.Version, value []byte) {
	b.rep = append(b.rep, tagPutCF)
	b.rep = binary.AppendUvarint(b.rep, uint64(cf))
	b.bytes(key)
	b.rep = binary.AppendUvarint(b.rep, uint64(adapter.VersionBytes+len(value)))
	b.rep = adapter.AppendRecord(b.rep, v, value)
	b.count(1)
}

// delete adds a deletion in a keyspace's column family.
func (b *batch) delete(cf uint32, key []byte) {
	b.rep = append(b.rep, tagDeleteCF)
	b.rep = binary.AppendUvarint(b.rep, uint64(cf))
	b.bytes(key)
	b.count(1)
}

// putDefault adds a value of the default column family.
func (b *batch) putDefault(key, value []byte) {
	b.rep = append(b.rep, tagPut)
	b.bytes(key)
	b.bytes(value)
	b.count(1)
}

func (b *batch) bytes(p []byte) {
	b.rep = binary.AppendUvarint(b.rep, uint64(len(p)))
	b.rep = append(b.rep, p...)
}
