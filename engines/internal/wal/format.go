package wal

import (
	"encoding/binary"
	"fmt"

	"orbitbench/engines"
	"orbitbench/engines/internal/frame"
	"orbitbench/engines/internal/vfs"
)

// A segment file NNNNNNNN.wal:
//
//	0                 4096                                             size
//	+--------+--------+--------+--------+---   ---+--------+-----------+
//	| header | zeros  | record | record |   ...   |  seal  | zeros or  |
//	| 64     |        |        |        |         |        | old bytes |
//	+--------+--------+--------+--------+---   ---+--------+-----------+
//
// Header (integers little endian):
//
//	offset size  field        meaning
//	0      8     magic        "obwalseg"
//	8      4     version      1
//	12     4     flags        bit 0 ordered, bit 1 closed
//	16     8     epoch        incarnation of the log's segments: each one started has the next
//	24     8     size         bytes of the file
//	32     8     close_seq    closed: number of the last record of the log
//	40     8     close_end    closed: offset behind the last record
//	48     12    zero
//	60     4     crc32c       of bytes 0..60
//
// Records are package frame's; their epoch is the header's. Kinds from KindReserved
// up are the log's own; their seq is that of the last record before them:
//
//	kind  name  payload
//	0xf0  seal  8: epoch of the next segment; ends the segment
//	0xf1  mark  8: every record up to this number was durable before the mark was written
const (
	segmentMagic   = "obwalseg"
	segmentVersion = 1
	headerBytes    = 64
	dataStart      = vfs.BlockBytes // offset of the first record

	flagOrdered = 1 << 0 // a group was written only after the group before it was durable
	flagClosed  = 1 << 1 // the log was closed; nothing follows close_end

	kindSeal = 0xf0
	kindMark = 0xf1
)

// KindReserved is the lowest kind that Append refuses: it and those above are the log's own.
const KindReserved = 0xf0

// sealBytes is kept free at the end of every segment for its seal.
var sealBytes = int64(frame.Size(8))

// segmentHeader is the decoded header of a segment file.
type segmentHeader struct {
	ordered, closed bool
	epoch           uint64
	size            int64
	closeSeq        LSN
	closeEnd        int64
}

func (h segmentHeader) encode(dst []byte) {
	clear(dst[:headerBytes])
	copy(dst, segmentMagic)
	le := binary.LittleEndian
	le.PutUint32(dst[8:], segmentVersion)
	var flags uint32
	if h.ordered {
		flags |= flagOrdered
	}
	if h.closed {
		flags |= flagClosed
		le.PutUint64(dst[32:], uint64(h.closeSeq))
		le.PutUint64(dst[40:], uint64(h.closeEnd))
	}
	le.PutUint32(dst[12:], flags)
	le.PutUint64(dst[16:], h.epoch)
	le.PutUint64(dst[24:], uint64(h.size))
	le.PutUint32(dst[60:], frame.PayloadSum(0, dst[:60]))
}

// decodeSegmentHeader reads a header. empty is true for a file whose making was
// cut short: the header, written last, is all zeros.
func decodeSegmentHeader(file string, b []byte) (h segmentHeader, empty bool, err error) {
	damaged := func(off int64, format string, args ...any) (segmentHeader, bool, error) {
		return segmentHeader{}, false, &engines.CorruptError{File: file, Offset: off, Reason: fmt.Sprintf(format, args...)}
	}
	if len(b) < headerBytes {
		return damaged(0, "segment header has %d bytes, want %d", len(b), headerBytes)
	}
	b = b[:headerBytes]
	if allZero(b) {
		return segmentHeader{}, true, nil
	}
	le := binary.LittleEndian
	if string(b[:8]) != segmentMagic {
		return damaged(0, "segment magic is %q, want %q", b[:8], segmentMagic)
	}
	if got, want := le.Uint32(b[60:]), frame.PayloadSum(0, b[:60]); got != want {
		return damaged(60, "segment header checksum is %08x, want %08x", got, want)
	}
	if v := le.Uint32(b[8:]); v != segmentVersion {
		return segmentHeader{}, false, fmt.Errorf("%w: %s: segment version %d, want %d", engines.ErrUnsupported, file, v, segmentVersion)
	}
	flags := le.Uint32(b[12:])
	h = segmentHeader{
		ordered:  flags&flagOrdered != 0,
		closed:   flags&flagClosed != 0,
		epoch:    le.Uint64(b[16:]),
		size:     int64(le.Uint64(b[24:])),
		closeSeq: LSN(le.Uint64(b[32:])),
		closeEnd: int64(le.Uint64(b[40:])),
	}
	switch {
	case flags&^uint32(flagOrdered|flagClosed) != 0:
		return damaged(12, "unknown segment flags %#x", flags)
	case h.epoch == 0:
		return damaged(16, "segment epoch is 0")
	case h.size < minSegmentBytes || h.size%vfs.BlockBytes != 0:
		return damaged(24, "segment size is %d, want a multiple of %d from %d", h.size, vfs.BlockBytes, minSegmentBytes)
	case h.closed && (h.closeEnd < dataStart || h.closeEnd > h.size):
		return damaged(40, "segment closed at offset %d of %d", h.closeEnd, h.size)
	case !h.closed && (h.closeSeq != 0 || h.closeEnd != 0):
		return damaged(32, "open segment has a close position")
	}
	return h, false, nil
}

func allZero(b []byte) bool {
	for len(b) >= 8 {
		if binary.LittleEndian.Uint64(b) != 0 {
			return false
		}
		b = b[8:]
	}
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// putInternal writes a seal or a mark to dst and returns its size.
func putInternal(dst []byte, kind uint8, seq LSN, group uint8, first bool, value uint64, mask uint32) int {
	n := frame.Size(8)
	binary.LittleEndian.PutUint64(dst[frame.HeaderBytes:n], value)
	sum := frame.PayloadSum(0, dst[frame.HeaderBytes:n])
	frame.Put(dst, frame.Header{Seq: uint64(seq), Length: 8, Kind: kind, Group: group, First: first}, sum, mask)
	return n
}

func le64(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }
