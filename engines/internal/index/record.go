package index

import (
	"encoding/binary"

	"orbitbench/engines"
	"orbitbench/engines/internal/arena"
)

var le = binary.LittleEndian

// A record in memory, 16-byte aligned in the arena. Snapshots hold records in this
// layout as well (block.go), so it is part of file formats; read and held are 0 there.
//
//	 0                       8       12      16
//	+-----------------------+-------+-------+--------+--------+
//	| version        | ks   | id    | sizes | key    | value  |
//	| 61 bits        | 3    |       |       |        |        |
//	+-----------------------+-------+-------+--------+--------+
//
//	sizes, from the lowest bit
//	+----------------------+------------------+------+------+
//	| value bytes, 21 bits | key bytes,  9    | read | held |
//	+----------------------+------------------+------+------+
//
// version 0: the key exists for the index only. It is being created by a commit
// that is not durable yet, or it was deleted and a view still knows it.
// read: a record of the query cache was read since eviction looked at it.
// held: one of the stripe's pending commits is on this record (class sync).
// Everything is guarded by the stripe's lock but the key, which never changes while the block is in use.
const (
	recVersion = 0
	recID      = 8
	recSizes   = 12
	recHead    = 16

	versionBits = 61
	valueBits   = 21
	keyBits     = 9
	readBit     = 1 << (valueBits + keyBits)
	heldBit     = readBit << 1
	sizeMask    = readBit - 1

	// MaxVersion is the highest version that a record can have.
	MaxVersion engines.Version = 1<<versionBits - 1
)

// What a record must hold has a place in its head.
const (
	_ = uint(1<<valueBits - 1 - engines.MaxValueBytes)
	_ = uint(1<<keyBits - 1 - engines.MaxKeyBytes)
	_ = uint(1<<(64-versionBits) - engines.NumKeyspaces)
)

type record []byte

func (r record) word() uint64             { return le.Uint64(r[recVersion:]) }
func (r record) version() engines.Version { return engines.Version(r.word()) & MaxVersion }
func (r record) keyspace() engines.Keyspace {
	return engines.Keyspace(r.word() >> versionBits)
}

// setVersion sets a version of at most MaxVersion.
func (r record) setVersion(v engines.Version) {
	le.PutUint64(r[recVersion:], r.word()&^uint64(MaxVersion)|uint64(v))
}

func (r record) id() uint32    { return le.Uint32(r[recID:]) }
func (r record) sizes() uint32 { return le.Uint32(r[recSizes:]) }
func (r record) valueLen() int { return int(r.sizes() & (1<<valueBits - 1)) }
func (r record) keyLen() int   { return int(r.sizes() & sizeMask >> valueBits) }
func (r record) key() []byte   { return r[recHead : recHead+r.keyLen()] }
func (r record) size() int     { return recHead + r.keyLen() + r.valueLen() }
func (r record) wasRead() bool { return r.sizes()&readBit != 0 }
func (r record) held() bool    { return r.sizes()&heldBit != 0 }

func (r record) setRead(on bool) { r.flag(readBit, on) }
func (r record) setHeld(on bool) { r.flag(heldBit, on) }

func (r record) flag(bit uint32, on bool) {
	sizes := r.sizes() &^ bit
	if on {
		sizes |= bit
	}
	le.PutUint32(r[recSizes:], sizes)
}

func (r record) setValueLen(n int) {
	le.PutUint32(r[recSizes:], r.sizes()&^(1<<valueBits-1)|uint32(n))
}

func (r record) value() []byte {
	begin := recHead + r.keyLen()
	return r[begin : begin+r.valueLen()]
}

// newRecord writes a record into a new block. Errors: arena.ErrFull.
func newRecord(a *arena.Arena, id uint32, v engines.Version, ks engines.Keyspace, key, value []byte) (arena.Ref, record, error) {
	ref, err := a.Alloc(recHead + len(key) + len(value))
	if err != nil {
		return 0, nil, err
	}
	r := record(a.From(ref))
	r.put(id, v, ks, key, value)
	return ref, r, nil
}

// put writes a whole record, which is neither read nor held.
func (r record) put(id uint32, v engines.Version, ks engines.Keyspace, key, value []byte) {
	le.PutUint64(r[recVersion:], uint64(ks)<<versionBits|uint64(v))
	le.PutUint32(r[recID:], id)
	le.PutUint32(r[recSizes:], uint32(len(key))<<valueBits|uint32(len(value)))
	copy(r[recHead:], key)
	copy(r[recHead+len(key):], value)
}
