package cowbtree

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/klauspost/compress/s2"

	"orbitbench/engines"
)

// The page file (little endian) is made of blocks of 4096 bytes:
//
//	0         1         2                                            blocks
//	+---------+---------+------+-----------+------+---   ---+--------+
//	| meta    | meta    | page | page      | free |   ...   |  page  |
//	| even    | odd     |      |           |      |         |        |
//	+---------+---------+------+-----------+------+---   ---+--------+
//
// A page takes as many whole blocks as it needs. What names a page is its address, in
// the parent or in a meta block: first block u32, bytes u32, crc32c u32. The crc32c in the
// address tells an older page in the same place from the one that is meant.
//
// Page:
//
//	 0        4        8        12     13      14      16           24      28      32
//	+--------+--------+--------+------+-------+-------+------------+-------+-------+---------+
//	| crc32c | bytes  | block  | kind | level | count | checkpoint | plain | zero  | payload |
//	+--------+--------+--------+------+-------+-------+------------+-------+-------+---------+
//
//	field       type  meaning
//	crc32c      u32   CRC-32C (Castagnoli) of bytes 4 to bytes
//	bytes       u32   length of the page, this header included
//	block       u32   where the page belongs
//	kind        u8    1 leaf, 2 inner, 4 map
//	level       u8    0 for a leaf, one more than its children for an inner page
//	count       u16   entries
//	checkpoint  u64   number of the checkpoint that wrote it
//	plain       u32   length of the payload before it was compressed (S2 block format), 0: it is not
//	payload     leaf: records; inner: children; map: one bit for each block, set if it is used
//
// A record of a leaf, in key order:      A child of an inner page, in key order:
//
//	 0         8           12       14            0          2       6       10     14
//	+---------+-----------+--------+-----+-----+  +---------+-------+-------+------+-----------+
//	| version | value len | key len| key |value|  | sep len | block | bytes | crc  | separator |
//	| u64     | u32       | u16    |     |     |  | u16     | u32   | u32   | u32  |           |
//	+---------+-----------+--------+-----+-----+  +---------+-------+-------+------+-----------+
//
// The first child has no separator (sep len 0); that of another one is above all keys
// before it and not above its own.
const (
	blockBytes     = 4096
	pageHeadBytes  = 32
	pageRecordHead = 14
	pageChildHead  = 14

	kindMap = 4

	// maxPageBytes bounds a page: a leaf of 64 KiB to which the longest record
	// was added thrice, or the map of a file of a terabyte.
	maxPageBytes = 32 << 20
)

var (
	le         = binary.LittleEndian
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

func crc(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// pageAddr names a page; the zero value names none.
type pageAddr struct{ block, bytes, crc uint32 }

func (a pageAddr) some() bool { return a.block != 0 }

func (a pageAddr) blocks() uint32 { return (a.bytes + blockBytes - 1) / blockBytes }

func (a pageAddr) offset() int64 { return int64(a.block) * blockBytes }

func (a pageAddr) put(b []byte) {
	le.PutUint32(b, a.block)
	le.PutUint32(b[4:], a.bytes)
	le.PutUint32(b[8:], a.crc)
}

func getAddr(b []byte) pageAddr {
	return pageAddr{le.Uint32(b), le.Uint32(b[4:]), le.Uint32(b[8:])}
}

// page is a decoded page.
type page struct {
	kind, level uint8
	count       int
	checkpoint  uint64
	plain       uint32 // as stored
	payload     []byte // not compressed any more
}

// seal writes the header of a page whose payload is in b behind it, and returns
// its address.
func (p *page) seal(b []byte, block uint32) pageAddr {
	le.PutUint32(b[4:], uint32(len(b)))
	le.PutUint32(b[8:], block)
	b[12], b[13] = p.kind, p.level
	le.PutUint16(b[14:], uint16(p.count))
	le.PutUint64(b[16:], p.checkpoint)
	le.PutUint32(b[24:], p.plain)
	le.PutUint32(b[28:], 0)
	sum := crc(b[4:])
	le.PutUint32(b, sum)
	return pageAddr{block, uint32(len(b)), sum}
}

// openPage checks a page against its address and takes its header off. scratch, which may be
// nil, is memory for a payload that is compressed.
func openPage(file string, a pageAddr, b, scratch []byte) (page, error) {
	damaged := func(at int64, format string, args ...any) (page, error) {
		return page{}, &engines.CorruptError{File: file, Offset: a.offset() + at, Reason: "page: " + fmt.Sprintf(format, args...)}
	}
	if len(b) < pageHeadBytes {
		return damaged(0, "%d bytes, want %d at least", len(b), pageHeadBytes)
	}
	p := page{kind: b[12], level: b[13], count: int(le.Uint16(b[14:])), checkpoint: le.Uint64(b[16:]), plain: le.Uint32(b[24:]), payload: b[pageHeadBytes:]}
	sum := crc(b[4:])
	switch {
	case sum != le.Uint32(b):
		return damaged(0, "checksum is %08x, its bytes give %08x", le.Uint32(b), sum)
	case sum != a.crc:
		return damaged(0, "checksum is %08x, its parent wants %08x: it is of another checkpoint", sum, a.crc)
	case int(le.Uint32(b[4:])) != len(b):
		return damaged(4, "length is %d, its parent says %d", le.Uint32(b[4:]), len(b))
	case le.Uint32(b[8:]) != a.block:
		return damaged(8, "it belongs to block %d", le.Uint32(b[8:]))
	case p.kind != kindLeaf && p.kind != kindInner && p.kind != kindMap:
		return damaged(12, "unknown kind %d", p.kind)
	case (p.kind == kindInner) != (p.level > 0) || p.level >= maxHeight-1:
		return damaged(13, "level %d of a page of kind %d", p.level, p.kind)
	case p.plain > maxPageBytes:
		return damaged(24, "uncompressed length is %d", p.plain)
	case le.Uint32(b[28:]) != 0:
		return damaged(28, "reserved bytes are not zero")
	}
	if p.plain == 0 {
		return p, nil
	}
	if n, err := s2.DecodedLen(p.payload); err != nil || n != int(p.plain) {
		return damaged(pageHeadBytes, "compressed payload of %d bytes, the header says %d (%v)", n, p.plain, err)
	}
	var err error
	if p.payload, err = s2.Decode(scratch, p.payload); err != nil {
		return damaged(pageHeadBytes, "compressed payload: %v", err)
	}
	return p, nil
}

// appendRecord adds a record to the payload of a leaf.
func appendRecord(b []byte, version uint64, key, value []byte) []byte {
	b = le.AppendUint64(b, version)
	b = le.AppendUint32(b, uint32(len(value)))
	b = le.AppendUint16(b, uint16(len(key)))
	b = append(b, key...)
	return append(b, value...)
}

// eachRecord decodes the payload of a leaf. Slices are parts of it.
func (p *page) eachRecord(yield func(version uint64, key, value []byte) error) error {
	b := p.payload
	for i := range p.count {
		if len(b) < pageRecordHead {
			return fmt.Errorf("record %d of %d is cut off", i, p.count)
		}
		version, v, k := le.Uint64(b), int(le.Uint32(b[8:])), int(le.Uint16(b[12:]))
		if version == 0 || version > maxVersion || k == 0 || k > engines.MaxKeyBytes || v > engines.MaxValueBytes {
			return fmt.Errorf("record %d has version %d, a key of %d and a value of %d bytes", i, version, k, v)
		}
		b = b[pageRecordHead:]
		if len(b) < k+v {
			return fmt.Errorf("record %d of %d is cut off", i, p.count)
		}
		if err := yield(version, b[:k:k], b[k:k+v:k+v]); err != nil {
			return err
		}
		b = b[k+v:]
	}
	if len(b) > 0 || p.count == 0 {
		return fmt.Errorf("leaf of %d records with %d bytes behind them", p.count, len(b))
	}
	return nil
}

// appendChild adds a child to the payload of an inner page.
func appendChild(b []byte, a pageAddr, sep []byte) []byte {
	b = le.AppendUint16(b, uint16(len(sep)))
	b = le.AppendUint32(b, a.block)
	b = le.AppendUint32(b, a.bytes)
	b = le.AppendUint32(b, a.crc)
	return append(b, sep...)
}

// eachChild decodes the payload of an inner page.
func (p *page) eachChild(yield func(a pageAddr, sep []byte) error) error {
	b := p.payload
	for i := range p.count {
		if len(b) < pageChildHead {
			return fmt.Errorf("child %d of %d is cut off", i, p.count)
		}
		n, a := int(le.Uint16(b)), getAddr(b[2:])
		b = b[pageChildHead:]
		if (n == 0) != (i == 0) || n > engines.MaxKeyBytes || len(b) < n || a.check() != nil {
			return fmt.Errorf("child %d at block %d with %d bytes and a separator of %d", i, a.block, a.bytes, n)
		}
		if err := yield(a, b[:n:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	if len(b) > 0 || p.count == 0 {
		return fmt.Errorf("inner page of %d children with %d bytes behind them", p.count, len(b))
	}
	return nil
}

// check says what is wrong with an address that should name a page.
func (a pageAddr) check() error {
	if a.block < firstPageBlock || a.bytes < pageHeadBytes || a.bytes > maxPageBytes {
		return fmt.Errorf("page of %d bytes at block %d", a.bytes, a.block)
	}
	return nil
}
