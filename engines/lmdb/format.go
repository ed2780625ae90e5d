package lmdb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"orbitbench/engines"
)

// The parts of LMDB's file (version 1, 64 bits, little endian) that verify.go
// and a look at the size of the file need. Page 0 and page 1 are meta pages;
// the one with the higher transaction counts.
//
//	page:  0          8      10      12      14      16
//	      +----------+------+-------+-------+-------+------------------
//	      | number   | pad  | flags | lower | upper | offsets of nodes, u16 each,
//	      +----------+------+-------+-------+-------+ up to lower ... nodes from upper
//	      an overflow page has its count of pages (u32) at 12 and its bytes from 16 on
//
//	meta, from byte 16 of its page:
//	       0       4         8         16        24          72          120         128
//	      +-------+---------+---------+---------+-----------+-----------+-----------+-------------+
//	      | magic | version | address | mapsize | free tree | main tree | last page | transaction |
//	      +-------+---------+---------+---------+-----------+-----------+-----------+-------------+
//
//	tree:  0     4       6       8          16       24         32        40
//	      +-----+-------+-------+----------+--------+----------+---------+------+
//	      | pad | flags | depth | branches | leaves | overflow | entries | root |
//	      +-----+-------+-------+----------+--------+----------+---------+------+
//	      pad of the free tree is the page size
//
//	node:  0    2    4       6          8
//	      +----+----+-------+----------+---------------------------------------
//	      | lo | hi | flags | key size | key, then the value
//	      +----+----+-------+----------+---------------------------------------
//	      in a leaf the value has lo|hi<<16 bytes; with flag 1 they lie on overflow
//	      pages whose number stands here, with flag 2 they are a tree; in a branch
//	      lo|hi<<16|flags<<32 is the child
const (
	pageHead = 16
	nodeHead = 8
	metaSize = 136
	treeSize = 48

	metaMagic   = 0xBEEFC0DE
	metaVersion = 1

	flagBranch   = 0x01
	flagLeaf     = 0x02
	flagOverflow = 0x04
	flagMeta     = 0x08

	nodeBig  = 0x01
	nodeTree = 0x02

	noPage = ^uint64(0)
)

var le = binary.LittleEndian

// tree is the head of a B+ tree.
type tree struct {
	depth                               uint16
	branches, leaves, overflow, entries uint64
	root                                uint64
}

func parseTree(b []byte) tree {
	return tree{
		depth: le.Uint16(b[6:]), branches: le.Uint64(b[8:]), leaves: le.Uint64(b[16:]),
		overflow: le.Uint64(b[24:]), entries: le.Uint64(b[32:]), root: le.Uint64(b[40:]),
	}
}

// meta is a meta page.
type meta struct {
	pageSize   int64
	free, main tree
	last       uint64 // number of the last page in use
	txn        uint64
}

// bytes is how long the file must be at least.
func (m *meta) bytes() int64 { return int64(m.last+1) * m.pageSize }

// parseMeta decodes the first bytes of a meta page.
func parseMeta(b []byte) (m meta, err error) {
	if len(b) < pageHead+metaSize {
		return m, fmt.Errorf("meta page of %d bytes, want %d", len(b), pageHead+metaSize)
	}
	if flags := le.Uint16(b[10:]); flags&flagMeta == 0 {
		return m, fmt.Errorf("page flags %#x, want those of a meta page", flags)
	}
	b = b[pageHead:]
	if magic := le.Uint32(b); magic != metaMagic {
		return m, fmt.Errorf("magic is %#x, want %#x", magic, metaMagic)
	}
	if version := le.Uint32(b[4:]); version != metaVersion {
		return m, fmt.Errorf("format version is %d, want %d", version, metaVersion)
	}
	m = meta{
		pageSize: int64(le.Uint32(b[24:])),
		free:     parseTree(b[24:]), main: parseTree(b[24+treeSize:]),
		last: le.Uint64(b[24+2*treeSize:]), txn: le.Uint64(b[32+2*treeSize:]),
	}
	switch {
	case m.pageSize < 512 || m.pageSize > 1<<16 || m.pageSize&(m.pageSize-1) != 0:
		return m, fmt.Errorf("page size is %d, want a power of two from 512 to 65536", m.pageSize)
	case m.last < 1 || m.last >= 1<<47:
		return m, fmt.Errorf("last page is %d", m.last)
	}
	return m, nil
}

// readMeta returns the meta page that counts. Damage is a *CorruptError.
func readMeta(f io.ReaderAt, path string) (meta, error) {
	first, err := readMetaAt(f, path, 0)
	if err != nil {
		return meta{}, err
	}
	second, err := readMetaAt(f, path, first.pageSize)
	switch {
	case err != nil:
		return meta{}, err
	case second.pageSize != first.pageSize:
		return meta{}, &engines.CorruptError{File: path, Offset: first.pageSize, Reason: fmt.Sprintf("page size is %d here, %d in the other meta page", second.pageSize, first.pageSize)}
	case second.txn > first.txn:
		return second, nil
	}
	return first, nil
}

func readMetaAt(f io.ReaderAt, path string, at int64) (meta, error) {
	raw := make([]byte, pageHead+metaSize)
	n, err := f.ReadAt(raw, at)
	if err != nil && !errors.Is(err, io.EOF) {
		return meta{}, err
	}
	m, err := parseMeta(raw[:n])
	if err != nil {
		return m, &engines.CorruptError{File: path, Offset: at, Reason: err.Error()}
	}
	return m, nil
}
