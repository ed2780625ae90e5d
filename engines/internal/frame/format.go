package frame

import (
	"encoding/binary"
	"hash/crc32"
)

// A record:
//
//	 0        4         7     8                    15       16          16+length  padded to 8
//	+--------+---------+-----+---------------------+--------+-----------+---------+
//	| crc32c | length  |kind | seq                 | group  | payload   | zeros   |
//	+--------+---------+-----+---------------------+--------+-----------+---------+
//
//	offset size  field   meaning (integers little endian)
//	0      4     crc32c  CRC-32C (Castagnoli) of payload, then of header bytes 4..16, XOR EpochMask(epoch)
//	4      3     length  payload bytes, 0 to MaxPayload
//	7      1     kind    1 to 255; what it means is the log's affair
//	8      7     seq     sequence number, 0 to MaxSeq
//	15     1     group   bit 7: first record of a group; bits 0-6: group number modulo 128
//	16     n     payload
//
// The payload comes first in the checksum so that the long part of it can be
// computed before the record's number is known, outside any lock.
const (
	HeaderBytes = 16
	Align       = 8
	MaxPayload  = 1<<24 - 1
	MaxSeq      = 1<<56 - 1
	MaxGroup    = 1<<7 - 1

	firstBit = 1 << 7
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Header is a record without its payload.
type Header struct {
	Seq    uint64 // 0 to MaxSeq
	Length uint32 // payload bytes
	Kind   uint8  // not 0
	Group  uint8  // 0 to MaxGroup
	First  bool   // first record of its group
}

// Size returns the bytes that a record with a payload of n bytes takes.
func Size(n int) int { return (HeaderBytes + n + Align - 1) &^ (Align - 1) }

// PayloadSum starts (sum 0) or continues the checksum of a payload given in parts.
func PayloadSum(sum uint32, part []byte) uint32 { return crc32.Update(sum, castagnoli, part) }

// EpochMask is what the checksum of a record is XORed with. It maps epochs to
// masks one to one (the finaliser of a 32-bit mixer, each step of which can be
// undone), so intact bytes of one epoch fail for sure under another, unless the
// two differ by a multiple of 2^32.
func EpochMask(epoch uint64) uint32 {
	x := uint32(epoch)
	x ^= x >> 16
	x *= 0x7feb352d
	x ^= x >> 15
	x *= 0x846ca68b
	x ^= x >> 16
	return x
}

// Put writes the header of a record to dst[:HeaderBytes]; sum is the PayloadSum
// of its payload and mask the EpochMask of the file.
func Put(dst []byte, h Header, sum, mask uint32) {
	_ = dst[HeaderBytes-1]
	binary.LittleEndian.PutUint32(dst[4:], h.Length|uint32(h.Kind)<<24)
	group := h.Group
	if h.First {
		group |= firstBit
	}
	binary.LittleEndian.PutUint64(dst[8:], h.Seq|uint64(group)<<56)
	binary.LittleEndian.PutUint32(dst, crc32.Update(sum, castagnoli, dst[4:HeaderBytes])^mask)
}

// Peek decodes the header at b[:HeaderBytes] without judging it.
func Peek(b []byte) Header {
	_ = b[HeaderBytes-1]
	lk := binary.LittleEndian.Uint32(b[4:])
	sg := binary.LittleEndian.Uint64(b[8:])
	return Header{
		Seq:    sg & MaxSeq,
		Length: lk & MaxPayload,
		Kind:   uint8(lk >> 24),
		Group:  uint8(sg>>56) & MaxGroup,
		First:  sg>>56&firstBit != 0,
	}
}

// Parse reads the record at the start of b. The payload is part of b. ok is
// false if b holds no whole record of this mask: it is cut off, its checksum is
// wrong, or its kind is 0.
func Parse(b []byte, mask uint32) (h Header, payload []byte, ok bool) {
	if len(b) < HeaderBytes {
		return Header{}, nil, false
	}
	h = Peek(b)
	if h.Kind == 0 || int(h.Length) > len(b)-HeaderBytes {
		return Header{}, nil, false
	}
	payload = b[HeaderBytes : HeaderBytes+int(h.Length) : HeaderBytes+int(h.Length)]
	if !Matches(b, PayloadSum(0, payload), mask) {
		return Header{}, nil, false
	}
	return h, payload, true
}

// Matches reports whether the header at b[:HeaderBytes] is that of a payload with this PayloadSum.
func Matches(b []byte, sum, mask uint32) bool {
	return crc32.Update(sum, castagnoli, b[4:HeaderBytes])^mask == binary.LittleEndian.Uint32(b)
}
