package cowbtree

import (
	"bytes"
	"encoding/binary"
	"sync/atomic"
	"unsafe"

	"orbitbench/engines"
	"orbitbench/engines/internal/arena"
)

// Everything that a tree is made of is a block of the arena, outside the Go
// heap: records, separators, nodes, stubs of pages that have not been read yet, and the
// table of roots. A block belongs to the current tree until it leaves it; from
// then on it belongs to whoever may still read it (views.go, epoch.go).
//
// Readers hold no lock. What they read of a block never changes while they can see
// it, except words that are stored and loaded atomically: a node's ids, a stub's
// page, a root. The other fields of a header belong to the writer.

// ref names a block; 0 names none.
type ref = arena.Ref

const refUnit = 16 // bytes that a ref counts

// mem is the arena seen as plain memory.
type mem struct{ base unsafe.Pointer }

func (m mem) at(r ref) unsafe.Pointer   { return unsafe.Add(m.base, uintptr(r)*refUnit) }
func (m mem) node(r ref) *node          { return (*node)(m.at(r)) }
func (m mem) record(r ref) *record      { return (*record)(m.at(r)) }
func (m mem) separator(r ref) separator { return separator{(*separatorHead)(m.at(r))} }
func (m mem) roots(r ref) *roots        { return (*roots)(m.at(r)) }

// refOf is the ref of a record that record returned.
func (m mem) refOf(r *record) ref {
	return ref((uintptr(unsafe.Pointer(r)) - uintptr(m.base)) / refUnit)
}

// refOfNode is the ref of a node that node returned.
func (m mem) refOfNode(n *node) ref {
	return ref((uintptr(unsafe.Pointer(n)) - uintptr(m.base)) / refUnit)
}

// Kinds of nodes.
const (
	kindLeaf  = 1
	kindInner = 2
	kindStub  = 3 // a page on the device that has not been read
)

// node is the header of a leaf, an inner node or a stub. Behind it lie heads
// (the four key bytes behind the prefix, big endian), ids (records of a leaf, children
// of an inner node) and, in an inner node, refs of separators: n of each, with room for more.
// Entry 0 of an inner node has no separator: it holds everything below entry 1.
type node struct {
	kind    uint8
	level   uint8 // 0 in a leaf
	retired bool  // it has left the current tree; writer only
	_       uint8
	n       uint16
	prefix  uint16 // all keys (separators) of the node begin with the same bytes, this many at least
	born    uint64 // generation in which it was made
	batch   uint64 // batch in which it was made, 0 if it was alone
	slope   float64
	first   head     // heads[0], of an inner node heads[1]
	page    pageAddr // where it is stored; zero: it has changed since, or was never stored; for the writer
	payload uint32   // leaf: bytes of its records on the device
	room    uint16   // entries that the block has room for
	_       uint16
	word    uint32 // stub: the node read from its page, 0 until then; else: changes while a checkpoint runs; atomic
}

const nodeHeadBytes = 64

// entryBytes is what an entry takes in a node of that kind.
func entryBytes(kind uint8) int {
	if kind == kindLeaf {
		return headBytes + 4
	}
	return headBytes + 4 + 4
}

func nodeBytes(kind uint8, room int) int { return nodeHeadBytes + room*entryBytes(kind) }

// roomFor says for how many entries a node of n gets room: one of three sizes. More would
// save little, and all leaves of a store that is being filled grow and split at the same time, so that
// blocks of sizes in between would lie about unused. Of the leaves between half full and full that
// random keys make, three in five take the second size: 1.5 KiB for 184 of 256 keys, and not 2.25.
func roomFor(n, maxKeys int) int {
	if quarter := maxKeys / 4; n <= quarter {
		return quarter
	}
	if most := maxKeys * 23 / 32; n <= most {
		return most
	}
	return max(n, maxKeys)
}

func (n *node) size() uint32 { return uint32(nodeBytes(n.kind, int(n.room))) }

func (n *node) len() int { return int(n.n) }

func (n *node) heads() []head {
	return unsafe.Slice((*head)(unsafe.Add(unsafe.Pointer(n), nodeHeadBytes)), int(n.n))
}

func (n *node) head(i int) head {
	return *(*head)(unsafe.Add(unsafe.Pointer(n), nodeHeadBytes+uintptr(i)*headBytes))
}

func (n *node) idAt(i int) *uint32 {
	return (*uint32)(unsafe.Add(unsafe.Pointer(n), nodeHeadBytes+uintptr(n.room)*headBytes+uintptr(i)*4))
}

// id returns entry i, which another goroutine may be replacing.
func (n *node) id(i int) ref { return ref(atomic.LoadUint32(n.idAt(i))) }

// setID replaces entry i; readers see the old one or the new one.
func (n *node) setID(i int, r ref) { atomic.StoreUint32(n.idAt(i), uint32(r)) }

// ids is the memory of all entries, for the writer and for nodes not published yet.
func (n *node) ids() []ref { return unsafe.Slice((*ref)(n.idAt(0)), int(n.n)) }

// seps is the memory of all separators of an inner node.
func (n *node) seps() []ref {
	return unsafe.Slice((*ref)(unsafe.Add(unsafe.Pointer(n), nodeHeadBytes+uintptr(n.room)*(headBytes+4))), int(n.n))
}

func (n *node) loadedRef() ref { return ref(atomic.LoadUint32(&n.word)) }

// changes counts what happened to a node since a checkpoint began that can see it.
func (n *node) changes() uint32 { return atomic.LoadUint32(&n.word) }

// record is the header of a record, packed into two words; key and value follow.
//
//	first   version 56 bits | born, upper 8 bits
//	second  born, lower 34 bits | value length 21 bits | key length 9 bits
type record struct{ first, second uint64 }

const (
	recordHeadBytes = 16

	maxVersion = 1<<56 - 1 // of a record
	maxBorn    = 1<<42 - 1 // generation: a million views a second for 50 days

	bornLowBits = 34
	lengthBits  = 21 + 9
)

func (r *record) version() engines.Version { return engines.Version(r.first >> 8) }

// born is the generation in which it was made, or that of the leaf it was stored into.
func (r *record) born() uint64 { return r.first&0xff<<bornLowBits | r.second>>lengthBits }

func (r *record) keyLen() int { return int(r.second & (1<<9 - 1)) }

func (r *record) valueLen() int { return int(r.second >> 9 & (1<<21 - 1)) }

func (r *record) setVersion(v engines.Version) { r.first = uint64(v)<<8 | r.first&0xff }

func (r *record) setBorn(g uint64) {
	r.first = r.first&^0xff | g>>bornLowBits
	r.second = g<<lengthBits | r.second&(1<<lengthBits-1)
}

func recordBytes(key, value int) int { return recordHeadBytes + key + value }

func (r *record) size() int { return recordBytes(r.keyLen(), r.valueLen()) }

func (r *record) key() []byte {
	return unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(r), recordHeadBytes)), r.keyLen())
}

func (r *record) value() []byte {
	return unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(r), recordHeadBytes+uintptr(r.keyLen()))), r.valueLen())
}

// fill writes a record into a new block.
func (r *record) fill(v engines.Version, born uint64, key, value []byte) {
	r.first = uint64(v)<<8 | born>>bornLowBits
	r.second = born<<lengthBits | uint64(len(value))<<9 | uint64(len(key))
	copy(r.key(), key)
	copy(r.value(), value)
}

// copyFrom copies a record of n bytes, header included.
func (r *record) copyFrom(o *record, n int) {
	copy(unsafe.Slice((*byte)(unsafe.Pointer(r)), n), unsafe.Slice((*byte)(unsafe.Pointer(o)), n))
}

// separator is a key that divides two children of an inner node.
type separator struct{ h *separatorHead }

type separatorHead struct {
	born   uint64
	keyLen uint16
}

const separatorHeadBytes = 10

func (s separator) key() []byte {
	return unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(s.h), separatorHeadBytes)), int(s.h.keyLen))
}

func (s separator) size() int { return separatorHeadBytes + int(s.h.keyLen) }

// roots is the table of the roots of all keyspaces; storing its ref publishes a batch.
type roots struct {
	born  uint64
	batch uint64
	root  [engines.NumKeyspaces]uint32 // atomic; 0: the keyspace is empty
}

const rootsBytes = int(unsafe.Sizeof(roots{}))

func (r *roots) get(ks engines.Keyspace) ref { return ref(atomic.LoadUint32(&r.root[ks])) }

func (r *roots) set(ks engines.Keyspace, to ref) { atomic.StoreUint32(&r.root[ks], uint32(to)) }

// head is the part of a key that a node keeps beside its refs.
type head uint32

const headBytes = 4

// headOf returns the four bytes of a key behind its first p, as a number that
// orders as they do; a shorter key is filled up with zeros.
func headOf(key []byte, p int) head {
	if p >= len(key) {
		return 0
	}
	key = key[p:]
	if len(key) >= headBytes {
		return head(binary.BigEndian.Uint32(key))
	}
	var h head
	for i, c := range key {
		h |= head(c) << (24 - 8*i)
	}
	return h
}

// commonPrefix returns how many bytes a and b begin with in common.
func commonPrefix(a, b []byte) int {
	n := min(len(a), len(b))
	i := 0
	for i+8 <= n && binary.NativeEndian.Uint64(a[i:]) == binary.NativeEndian.Uint64(b[i:]) {
		i += 8
	}
	for i < n && a[i] == b[i] {
		i++
	}
	return i
}

// comparePrefix orders key against the first p bytes of sample: 0 if it begins with them.
func comparePrefix(key, sample []byte, p int) int {
	if len(key) >= p {
		return bytes.Compare(key[:p], sample[:p])
	}
	return bytes.Compare(key, sample[:p])
}
