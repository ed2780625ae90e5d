package image

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"orbitbench/engines"
	"orbitbench/engines/internal/index"
	"orbitbench/engines/internal/snapshot"
	"orbitbench/engines/internal/wal"
)

var le = binary.LittleEndian

// An image is named by the engine's prefix and the 16 hex digits of its start. Its
// frame (header, chunks, index and footer, all with checksums) is that of
// package snapshot with the engine's tag. What is in it (little endian):
//
//	metadata in the header, 16 bytes:
//
//	 0           8        16
//	+-----------+--------+
//	| hash seed | start  |
//	+-----------+--------+
//
//	chunks: the records of stripe 0, of stripe 1 and so on, as blocks. Within a
//	stripe they are in the order of their tags, the low half of the key's hash. A block, padded with zeros to the size of its class:
//
//	 0                   8      12                                   16
//	+--------------+----+------+---------------+-------------+------+-----+-------+-------+
//	| version      | ks | id   | value len     | key len     | 0    | key | value | zeros |
//	| 61 bits      | 3  |      | 21 bits       | 9           | 2    |     |       |       |
//	+--------------+----+------+---------------+-------------+------+-----+-------+-------+
//
//	Of a word that holds several numbers the first has the low bits.
//
//	The last chunk holds the end alone:
//
//	 0      1     9                                                9+28*256          +4 for each chunk before
//	+------+-----+------------------------------------------------+-----------------+
//	| 'E'  | end | for each stripe: records u32,                  | tag of the first|
//	|      |     | bytes u64, floor u64, highest version u64      | block of each   |
//	|      |     |                                                | chunk, u32      |
//	+------+-----+------------------------------------------------+-----------------+
//
//	field            meaning
//	hash seed        that of META
//	start            replay begins with this log record
//	end              the log must hold every record from start to here; 0: none
//	bytes            of all blocks of the stripe
//	floor            the highest version of a deleted record
//	highest version  of any record in the stripe
//
// The size of a block is a multiple of 16 up to 1 KiB, and above it a multiple of an eighth of the
// next lower power of two.
const (
	headBytes   = 8 + 8
	endKind     = 'E'
	endStripe   = 4 + 8 + 8 + 8
	endStripes  = 1 + 8
	endTags     = endStripes + endStripe*index.Stripes
	endTagBytes = 4

	maxStripe = 64 << 30 // bytes; more cannot be addressed in memory
)

type head struct {
	seed  uint64
	start wal.LSN
}

func (h *head) encode(dst []byte) []byte {
	dst = le.AppendUint64(dst, h.seed)
	return le.AppendUint64(dst, uint64(h.start))
}

func decodeHead(b []byte) (h head, err error) {
	if len(b) != headBytes {
		return h, fmt.Errorf("metadata of %d bytes, want %d", len(b), headBytes)
	}
	return head{seed: le.Uint64(b), start: wal.LSN(le.Uint64(b[8:]))}, nil
}

type end struct {
	upTo    wal.LSN
	stripes [index.Stripes]index.StripeInfo
	tags    []uint32 // first tag of each chunk
}

func (t *end) encode(dst []byte) []byte {
	dst = append(dst, endKind)
	dst = le.AppendUint64(dst, uint64(t.upTo))
	for i := range t.stripes {
		s := &t.stripes[i]
		dst = le.AppendUint32(dst, s.Records)
		dst = le.AppendUint64(dst, uint64(s.Bytes))
		dst = le.AppendUint64(dst, uint64(s.Floor))
		dst = le.AppendUint64(dst, uint64(s.Highest))
	}
	for _, tag := range t.tags {
		dst = le.AppendUint32(dst, tag)
	}
	return dst
}

// decodeEnd decodes the end of an image that has so many chunks before it.
func decodeEnd(b []byte, chunks int) (*end, error) {
	if want := endTags + endTagBytes*chunks; len(b) != want || b[0] != endKind {
		return nil, fmt.Errorf("end of %d bytes, want type E and %d", len(b), want)
	}
	t := &end{upTo: wal.LSN(le.Uint64(b[1:])), tags: make([]uint32, chunks)}
	for i := range t.stripes {
		e := b[endStripes+i*endStripe:]
		t.stripes[i] = index.StripeInfo{
			Records: le.Uint32(e), Bytes: int64(le.Uint64(e[4:])),
			Floor: engines.Version(le.Uint64(e[12:])), Highest: engines.Version(le.Uint64(e[20:])),
		}
		if s := &t.stripes[i]; s.Records > index.MaxLocal || s.Bytes < 0 || s.Bytes > maxStripe || s.Bytes%16 != 0 || (s.Records == 0) != (s.Bytes == 0) {
			return nil, fmt.Errorf("stripe %d has %d records of %d bytes", i, s.Records, s.Bytes)
		}
	}
	for i := range t.tags {
		t.tags[i] = le.Uint32(b[endTags+endTagBytes*i:])
	}
	return t, nil
}

// eachBlock decodes the blocks of a chunk and calls yield for each record.
func eachBlock(b []byte, yield func(*index.Op) error) error {
	for len(b) > 0 {
		o, n, err := index.DecodeBlock(b)
		if err != nil {
			return err
		}
		if err := yield(&o); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// Format is what an engine calls its images.
type Format struct {
	Tag    snapshot.Tag // with the number of the format
	Prefix string       // of their names, such as "snapshot-"
}

// Name returns the base name of an image by the log record at which replay begins.
func (f Format) Name(start wal.LSN) string { return fmt.Sprintf("%s%016x", f.Prefix, uint64(start)) }

// Start is the inverse of Name; ok is false if it is no such name.
func (f Format) Start(name string) (start wal.LSN, ok bool) {
	digits, ok := strings.CutPrefix(name, f.Prefix)
	if !ok || len(digits) != 16 {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 16, 64)
	return wal.LSN(n), err == nil && f.Name(wal.LSN(n)) == name
}
