package mmapwal

import (
	"encoding/binary"
	"math/bits"

	"orbitbench/engines"
)

var le = binary.LittleEndian

// The table is a file of pages of 4096 bytes (little endian). Every 512th page
// holds the checksums of the 511 that follow it (sums.go); the others belong to a
// stripe or are free. A stripe's pages are of four kinds.
//
// A slab holds records of one size class, each in a slot:
//
//	 0    1       2      4        8        10  12     16               32
//	+----+-------+------+--------+--------+---+------+----------------+--------+--------+-- - -
//	| 1  | class | used | entry  | stripe | 0 | page | slots in use   | slot 0 | slot 1 |
//	+----+-------+------+--------+--------+---+------+----------------+--------+--------+-- - -
//
// A span is a run of pages with one record that no slab takes:
//
//	 0    1   2       4        8        10  12     16        32
//	+----+---+-------+--------+--------+---+------+---------+----------------- - - -
//	| 3  | 0 | pages | entry  | stripe | 0 | page | zeros   | record, through all pages
//	+----+---+-------+--------+--------+---+------+---------+----------------- - - -
//
//	field         type   meaning
//	used          u16    slots in use
//	entry         u32    where the stripe's ledger lists the page
//	stripe        u16    number of the stripe that has the page
//	page          u32    its own number
//	slots in use  128 b  bit i: slot i is in use, or reserved by a commit that is not durable yet
//	pages         u16    length of the span
//
// An index page is 512 entries of a tag (upper half) and a record's ref (lower
// half), 0 is empty; a search begins at the tag's low 9 bits and goes round the page.
// A ledger page is 512 entries that list the stripe's pages (ledger.go).
//
// A record, 16-byte aligned:
//
//	 0               8        12      16        18      19  20     24      24+key
//	+---------------+--------+-------+---------+-------+---+------+-------+----------+
//	| version       | value  | tag   | key     | state | 0 | 0    | key   | value    |
//	|               | bytes  |       | bytes   |       |   |      |       |          |
//	+---------------+--------+-------+---------+-------+---+------+-------+----------+
//
// Version, lengths and the head of a lease are in its first 64 to 76 bytes: a
// renewal touches nothing else. tag is the low half of the key's hash.
// state: 0 free, 1 in use, 2 reserved: readers do not see it.
const (
	pageBytes = 4096
	pageShift = 12
	groupBits = 9
	groupLen  = 1 << groupBits // pages between two pages of sums
	groupMask = groupLen - 1

	kindSlab = 1
	kindSpan = 3

	pageHead    = 32
	pageUsed    = 2 // slab
	pageCount   = 2 // span
	pageEntry   = 4
	pageStripe  = 8
	pageNumber  = 12
	pageInUse   = 16
	minSlot     = 48
	maxSlabSlot = pageBytes - pageHead

	recVersion  = 0
	recValueLen = 8
	recTag      = 12
	recKeyLen   = 16
	recState    = 18
	recHead     = 24

	stateFree     = 0
	stateUsed     = 1
	stateReserved = 2

	entriesPerPage = pageBytes / 8
)

// ref names a record: its page, and its place in the page in units of 16 bytes.
type ref uint32

// maxPages is what a ref can address: 64 GiB.
const maxPages = 1 << 24

func makeRef(page uint32, off int) ref { return ref(page<<8 | uint32(off)>>4) }
func (r ref) page() uint32             { return uint32(r) >> 8 }
func (r ref) offset() int              { return int(r&0xff) << 4 }

// class is a size of slots.
type class struct {
	slot  int // bytes
	slots int // in a page
}

// classes are the slot sizes, largest first: for each number of slots in a page the
// largest multiple of 16 that fits, 48 to 4064 bytes.
var classes = makeClasses()

// classFor gives the smallest class that takes n bytes, by (n+15)/16.
var classFor = makeClassFor()

func makeClasses() []class {
	var all []class
	for n := 1; ; n++ {
		size := (pageBytes - pageHead) / n &^ 15
		if size < minSlot {
			return all
		}
		if k := len(all); k > 0 && all[k-1].slot == size {
			all[k-1].slots = n
			continue
		}
		all = append(all, class{size, n})
	}
}

func makeClassFor() [maxSlabSlot/16 + 1]uint8 {
	var table [maxSlabSlot/16 + 1]uint8
	for units := range table {
		for c := len(classes) - 1; c >= 0; c-- {
			if classes[c].slot >= units*16 {
				table[units] = uint8(c)
				break
			}
		}
	}
	return table
}

// classOf returns the class for a record of n bytes, or false if it takes a span.
func classOf(n int) (uint8, bool) {
	if n > maxSlabSlot {
		return 0, false
	}
	return classFor[(n+15)/16], true
}

// spanPages returns the length of the span for a record of n bytes.
func spanPages(n int) uint32 { return uint32((pageHead + n + pageBytes - 1) / pageBytes) }

// page is the memory of one page.
type page = [pageBytes]byte

func slabUsed(p *page) int                { return int(le.Uint16(p[pageUsed:])) }
func setSlabUsed(p *page, n int)          { le.PutUint16(p[pageUsed:], uint16(n)) }
func entryOf(p *page) uint32              { return le.Uint32(p[pageEntry:]) }
func inUse(p *page, w int) uint64         { return le.Uint64(p[pageInUse+8*w:]) }
func setInUse(p *page, w int, v uint64)   { le.PutUint64(p[pageInUse+8*w:], v) }
func slotOffset(c uint8, slot int) int    { return pageHead + slot*classes[c].slot }
func slotIsUsed(p *page, slot int) bool   { return inUse(p, slot>>6)>>(slot&63)&1 != 0 }
func markSlot(p *page, slot int)          { setInUse(p, slot>>6, inUse(p, slot>>6)|1<<(slot&63)) }
func unmarkSlot(p *page, slot int)        { setInUse(p, slot>>6, inUse(p, slot>>6)&^(1<<(slot&63))) }
func indexEntry(p *page, i uint32) uint64 { return le.Uint64(p[i*8:]) }
func setIndexEntry(p *page, i uint32, v uint64) {
	le.PutUint64(p[i*8:], v)
}

// freeSlot returns the first free slot of a slab of the class, or -1.
func freeSlot(p *page, c uint8) int {
	slot := bits.TrailingZeros64(^inUse(p, 0))
	if slot == 64 {
		slot += bits.TrailingZeros64(^inUse(p, 1))
	}
	if slot >= classes[c].slots {
		return -1
	}
	return slot
}

// initPage writes the head of a slab (a is its class) or span (n pages).
func initPage(p *page, kind, a uint8, n uint16, entry uint32, stripe uint16, number uint32) {
	clear(p[:pageHead])
	p[0], p[1] = kind, a
	le.PutUint16(p[2:], n)
	le.PutUint32(p[pageEntry:], entry)
	le.PutUint16(p[pageStripe:], stripe)
	le.PutUint32(p[pageNumber:], number)
}

// record is the memory of a record, from its head to its end.
type record []byte

func (r record) version() engines.Version     { return engines.Version(le.Uint64(r[recVersion:])) }
func (r record) setVersion(v engines.Version) { le.PutUint64(r[recVersion:], uint64(v)) }
func (r record) valueLen() int                { return int(le.Uint32(r[recValueLen:])) }
func (r record) tag() uint32                  { return le.Uint32(r[recTag:]) }
func (r record) keyLen() int                  { return int(le.Uint16(r[recKeyLen:])) }
func (r record) state() uint8                 { return r[recState] }
func (r record) setState(s uint8)             { r[recState] = s }
func (r record) key() []byte                  { n := r.keyLen(); return r[recHead : recHead+n : recHead+n] }
func (r record) value() []byte                { return r[recHead+r.keyLen():] }

// fill writes a whole record.
func (r record) fill(v engines.Version, state uint8, tag uint32, key, value []byte) {
	r.setVersion(v)
	le.PutUint32(r[recValueLen:], uint32(len(value)))
	le.PutUint32(r[recTag:], tag)
	le.PutUint16(r[recKeyLen:], uint16(len(key)))
	r[recState], r[recState+1] = state, 0
	le.PutUint32(r[20:], 0)
	copy(r[recHead:], key)
	copy(r[recHead+len(key):], value)
}

func recordBytes(keyLen, valueLen int) int { return recHead + keyLen + valueLen }
