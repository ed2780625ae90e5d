package index

import (
	"encoding/binary"

	"orbitbench/engines"
	"orbitbench/engines/internal/arena"
)

var le = binary.LittleEndian

// A record in memory, 16-byte aligned in the arena. Snapshots hold records in this
// layout as well (block.go), so it is part of file formats; pend is 0 there.
//
//	 0               8       12      16      20    22  23  24
//	+---------------+-------+-------+-------+-----+---+---+--------+--------+
//	| version       | id    | pend  | value | key |ks | r | key    | value  |
//	|               |       |       | bytes |bytes|   |   |        |        |
//	+---------------+-------+-------+-------+-----+---+---+--------+--------+
//
// version 0: the key exists for the index only. It is being created by a commit
// that is not durable yet, or it was deleted and a view still knows it.
// pend: class sync: 1 + the slot of the stripe's pending commit on this record, or
// 0. Lazy renewals: 1 + the place of its delta in the stripe's list, if it is there.
// r: 1 if a record of the query cache was read since eviction looked at it.
// Everything is guarded by the stripe's lock but the key and its length, which
// never change while the block is in use.
const (
	recVersion  = 0
	recID       = 8
	recPend     = 12
	recValueLen = 16
	recKeyLen   = 20
	recKeyspace = 22
	recRead     = 23
	recHead     = 24
)

type record []byte

func (r record) version() engines.Version     { return engines.Version(le.Uint64(r[recVersion:])) }
func (r record) setVersion(v engines.Version) { le.PutUint64(r[recVersion:], uint64(v)) }
func (r record) id() uint32                   { return le.Uint32(r[recID:]) }
func (r record) pend() uint32                 { return le.Uint32(r[recPend:]) }
func (r record) setPend(p uint32)             { le.PutUint32(r[recPend:], p) }
func (r record) valueLen() int                { return int(le.Uint32(r[recValueLen:])) }
func (r record) setValueLen(n int)            { le.PutUint32(r[recValueLen:], uint32(n)) }
func (r record) keyLen() int                  { return int(le.Uint16(r[recKeyLen:])) }
func (r record) keyspace() engines.Keyspace   { return engines.Keyspace(r[recKeyspace]) }
func (r record) key() []byte                  { return r[recHead : recHead+r.keyLen()] }
func (r record) size() int                    { return recHead + r.keyLen() + r.valueLen() }

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

// put writes a whole record.
func (r record) put(id uint32, v engines.Version, ks engines.Keyspace, key, value []byte) {
	r.setVersion(v)
	le.PutUint32(r[recID:], id)
	r.setPend(0)
	r.setValueLen(len(value))
	le.PutUint16(r[recKeyLen:], uint16(len(key)))
	r[recKeyspace], r[recRead] = byte(ks), 0
	copy(r[recHead:], key)
	copy(r[recHead+len(key):], value)
}
