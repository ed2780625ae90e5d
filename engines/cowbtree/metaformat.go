package cowbtree

import (
	"fmt"

	"orbitbench/engines"
)

// A meta block says which pages are a checkpoint (little endian), 4096 bytes. Checkpoints are
// numbered; an even one is written to block 0, an odd one to block 1, after
// its pages are durable. The valid block with the higher number counts.
//
//	offset size  field       meaning
//	0      8     magic       "obcowpgs"
//	8      4     format      1
//	12     4     zero
//	16     8     checkpoint  its number
//	24     8     seed        hash seed in META: which store the file belongs to
//	32     8     applied     log records up to this number are in the pages
//	40     8     up to       log records up to this number may be in the pages: renewals and
//	                         replacements that came while they were being written
//	48     8     floor       highest version that a deleted record had
//	56     8     highest     highest version ever assigned
//	64     4     blocks      length of the file in blocks, as far as the map covers it
//	68     12    map         address of the map; zero: only the meta blocks are used
//	80     120   roots       for each of 6 keyspaces: records u64, address of the root (zero: none)
//	200    3892  zero
//	4092   4     crc32c      CRC-32C of the bytes before it
const (
	pagesMagic     = "obcowpgs"
	pagesFormat    = 1
	firstPageBlock = 2
	metaSum        = blockBytes - 4
	metaRoots      = 80
	metaRootBytes  = 20
	metaEnd        = metaRoots + engines.NumKeyspaces*metaRootBytes
)

// pagesMeta is the content of a meta block.
type pagesMeta struct {
	checkpoint uint64
	seed       uint64
	applied    uint64
	upTo       uint64
	floor      uint64
	highest    uint64
	blocks     uint32
	mapPage    pageAddr
	roots      [engines.NumKeyspaces]pageAddr
	counts     [engines.NumKeyspaces]uint64
}

// encode writes the meta block to b.
func (m *pagesMeta) encode(b []byte) {
	b = b[:blockBytes]
	clear(b)
	copy(b, pagesMagic)
	le.PutUint32(b[8:], pagesFormat)
	for i, v := range []uint64{m.checkpoint, m.seed, m.applied, m.upTo, m.floor, m.highest} {
		le.PutUint64(b[16+8*i:], v)
	}
	le.PutUint32(b[64:], m.blocks)
	m.mapPage.put(b[68:])
	for i := range m.roots {
		at := b[metaRoots+i*metaRootBytes:]
		le.PutUint64(at, m.counts[i])
		m.roots[i].put(at[8:])
	}
	le.PutUint32(b[metaSum:], crc(b[:metaSum]))
}

// decodePagesMeta is the inverse of encode for the meta block at index slot. Errors: *CorruptError.
func decodePagesMeta(file string, slot int, b []byte) (pagesMeta, error) {
	damaged := func(at int, format string, args ...any) (pagesMeta, error) {
		return pagesMeta{}, &engines.CorruptError{File: file, Offset: int64(slot*blockBytes + at), Reason: "meta block: " + fmt.Sprintf(format, args...)}
	}
	if len(b) != blockBytes {
		return damaged(0, "%d bytes, want %d", len(b), blockBytes)
	}
	m := pagesMeta{
		checkpoint: le.Uint64(b[16:]), seed: le.Uint64(b[24:]), applied: le.Uint64(b[32:]), upTo: le.Uint64(b[40:]),
		floor: le.Uint64(b[48:]), highest: le.Uint64(b[56:]),
		blocks: le.Uint32(b[64:]), mapPage: getAddr(b[68:]),
	}
	switch {
	case string(b[:8]) != pagesMagic:
		return damaged(0, "magic %q, want %q", b[:8], pagesMagic)
	case crc(b[:metaSum]) != le.Uint32(b[metaSum:]):
		return damaged(metaSum, "checksum %08x, want %08x", le.Uint32(b[metaSum:]), crc(b[:metaSum]))
	case le.Uint32(b[8:]) != pagesFormat:
		return damaged(8, "format %d, this program reads %d", le.Uint32(b[8:]), pagesFormat)
	case le.Uint32(b[12:]) != 0:
		return damaged(12, "reserved bytes are not zero")
	case int(m.checkpoint%2) != slot:
		return damaged(16, "checkpoint %d, which belongs into block %d", m.checkpoint, m.checkpoint%2)
	case m.upTo < m.applied:
		return damaged(40, "log applied up to %d, at most up to %d", m.applied, m.upTo)
	case m.blocks < firstPageBlock:
		return damaged(64, "file of %d blocks", m.blocks)
	}
	for i := range m.roots {
		at := metaRoots + i*metaRootBytes
		m.counts[i], m.roots[i] = le.Uint64(b[at:]), getAddr(b[at+8:])
		if m.roots[i].some() != (m.counts[i] > 0) || m.roots[i].some() && m.roots[i].within(m.blocks) != nil || !m.roots[i].some() && m.roots[i] != (pageAddr{}) {
			return damaged(at, "%d records under a page of %d bytes at block %d", m.counts[i], m.roots[i].bytes, m.roots[i].block)
		}
	}
	if m.mapPage != (pageAddr{}) && m.mapPage.within(m.blocks) != nil {
		return damaged(68, "map of %d bytes at block %d", m.mapPage.bytes, m.mapPage.block)
	}
	for i, c := range b[metaEnd:metaSum] {
		if c != 0 {
			return damaged(metaEnd+i, "reserved bytes are not zero")
		}
	}
	return m, nil
}

// within is check for a page of a file of that many blocks.
func (a pageAddr) within(blocks uint32) error {
	if err := a.check(); err != nil {
		return err
	}
	if uint64(a.block)+uint64(a.blocks()) > uint64(blocks) {
		return fmt.Errorf("page of %d bytes at block %d lies beyond the file of %d blocks", a.bytes, a.block, blocks)
	}
	return nil
}
