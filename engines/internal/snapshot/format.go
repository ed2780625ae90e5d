package snapshot

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"orbitbench/engines"
	"orbitbench/engines/internal/vfs"
)

// A snapshot file; every part starts at a multiple of 4096:
//
//	0        4096      ...               index            size-4096   size
//	+--------+---------+-----+---------+-----------------+--------+
//	| header | chunk 0 | ... | chunk n | index           | footer |
//	+--------+---------+-----+---------+-----------------+--------+
//
// Integers are little endian; crc is CRC-32C; unused bytes are zero.
//
//	header (4096 bytes)                    footer (4096 bytes)
//	0    8  magic "obsnapsh"               0   8  magic "obsnapnd"
//	8    4  version 1                      8   8  chunks
//	12   4  metadata bytes                 16  8  records
//	16   8  format tag of the owner        24  8  payload bytes
//	24   n  metadata (at most 4000)        32  8  offset of the index
//	4092 4  crc of bytes 0..4092           40  4  crc of the index
//	                                       44  4  crc of the header
//	chunk                                  4092 4 crc of bytes 0..4092
//	0    4  crc of bytes 4..16+length
//	4    4  length of the payload          index: 24 bytes for each chunk
//	8    4  number of the chunk            0   8  offset of the chunk
//	12   4  records in it                  8   4  length of its payload
//	16   n  payload                        12  4  records in it
//	                                       16  4  crc of the chunk
//	                                       20  4  zero
const (
	headerMagic = "obsnapsh"
	footerMagic = "obsnapnd"
	version     = 1

	blockBytes  = vfs.BlockBytes
	chunkHeader = 16
	indexEntry  = 24
	metaStart   = 24
	blockCRC    = blockBytes - 4

	// MaxMeta is the longest metadata in bytes.
	MaxMeta = 4000
	// MaxRecord is the longest record in bytes.
	MaxRecord = 64 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

func roundUp(n int64) int64 { return (n + blockBytes - 1) &^ (blockBytes - 1) }

// chunk is an entry of the index.
type chunk struct {
	off     int64
	length  uint32
	records uint32
	crc     uint32
}

type footer struct {
	chunks, records, bytes uint64
	indexOff               int64
	indexCRC, headerCRC    uint32
}

// Tag names the owner's format and its version, such as "applog 1".
type Tag [8]byte

func encodeHeader(dst []byte, tag Tag, meta []byte) {
	clear(dst[:blockBytes])
	copy(dst, headerMagic)
	le := binary.LittleEndian
	le.PutUint32(dst[8:], version)
	le.PutUint32(dst[12:], uint32(len(meta)))
	copy(dst[16:metaStart], tag[:])
	copy(dst[metaStart:], meta)
	le.PutUint32(dst[blockCRC:], checksum(dst[:blockCRC]))
}

func decodeHeader(file string, b []byte, tag Tag) (meta []byte, err error) {
	le := binary.LittleEndian
	if err := checkBlock(file, 0, b, headerMagic); err != nil {
		return nil, err
	}
	if v := le.Uint32(b[8:]); v != version {
		return nil, fmt.Errorf("%w: %s: snapshot version %d, want %d", engines.ErrUnsupported, file, v, version)
	}
	if got := Tag(b[16:metaStart]); got != tag {
		return nil, fmt.Errorf("%w: %s: snapshot of format %q, want %q", engines.ErrUnsupported, file, got[:], tag[:])
	}
	n := le.Uint32(b[12:])
	if n > MaxMeta {
		return nil, corrupt(file, 12, "metadata of %d bytes, want at most %d", n, MaxMeta)
	}
	return b[metaStart : metaStart+n : metaStart+n], nil
}

func encodeFooter(dst []byte, f footer) {
	clear(dst[:blockBytes])
	copy(dst, footerMagic)
	le := binary.LittleEndian
	le.PutUint64(dst[8:], f.chunks)
	le.PutUint64(dst[16:], f.records)
	le.PutUint64(dst[24:], f.bytes)
	le.PutUint64(dst[32:], uint64(f.indexOff))
	le.PutUint32(dst[40:], f.indexCRC)
	le.PutUint32(dst[44:], f.headerCRC)
	le.PutUint32(dst[blockCRC:], checksum(dst[:blockCRC]))
}

// decodeFooter reads the footer of a file of size bytes and checks that the index
// lies between the header and it.
func decodeFooter(file string, b []byte, size int64) (f footer, err error) {
	at := size - blockBytes
	if err := checkBlock(file, at, b, footerMagic); err != nil {
		return f, err
	}
	le := binary.LittleEndian
	f = footer{
		chunks: le.Uint64(b[8:]), records: le.Uint64(b[16:]), bytes: le.Uint64(b[24:]),
		indexOff: int64(le.Uint64(b[32:])), indexCRC: le.Uint32(b[40:]), headerCRC: le.Uint32(b[44:]),
	}
	if f.indexOff < blockBytes || f.indexOff > at || f.indexOff%blockBytes != 0 ||
		f.chunks > uint64(size)/blockBytes || roundUp(int64(f.chunks)*indexEntry) != at-f.indexOff {
		return f, corrupt(file, at+8, "index of %d chunks at offset %d does not fit a file of %d bytes", f.chunks, f.indexOff, size)
	}
	return f, nil
}

func checkBlock(file string, at int64, b []byte, magic string) error {
	if string(b[:8]) != magic {
		return corrupt(file, at, "magic is %q, want %q", b[:8], magic)
	}
	if got, want := binary.LittleEndian.Uint32(b[blockCRC:]), checksum(b[:blockCRC]); got != want {
		return corrupt(file, at+blockCRC, "block checksum is %08x, want %08x", got, want)
	}
	return nil
}

func encodeIndex(dst []byte, chunks []chunk) {
	le := binary.LittleEndian
	for i, c := range chunks {
		e := dst[i*indexEntry:]
		le.PutUint64(e, uint64(c.off))
		le.PutUint32(e[8:], c.length)
		le.PutUint32(e[12:], c.records)
		le.PutUint32(e[16:], c.crc)
		le.PutUint32(e[20:], 0)
	}
}

// decodeIndex reads the index b and checks that its chunks fill the file from the
// header to it and add up to what the footer says.
func decodeIndex(file string, b []byte, f footer) ([]chunk, error) {
	if got := checksum(b); got != f.indexCRC {
		return nil, corrupt(file, f.indexOff, "index checksum is %08x, want %08x", got, f.indexCRC)
	}
	le := binary.LittleEndian
	chunks := make([]chunk, f.chunks)
	at := int64(blockBytes)
	var records, bytes uint64
	for i := range chunks {
		e := b[i*indexEntry:]
		c := chunk{off: int64(le.Uint64(e)), length: le.Uint32(e[8:]), records: le.Uint32(e[12:]), crc: le.Uint32(e[16:])}
		end := roundUp(c.off + chunkHeader + int64(c.length))
		if c.off != at || end > f.indexOff {
			return nil, corrupt(file, f.indexOff+int64(i*indexEntry), "chunk %d lies at %d..%d, want it to start at %d", i, c.off, end, at)
		}
		at = end
		records += uint64(c.records)
		bytes += uint64(c.length)
		chunks[i] = c
	}
	if at != f.indexOff || records != f.records || bytes != f.bytes {
		return nil, corrupt(file, f.indexOff, "chunks end at %d with %d records of %d bytes, the footer says %d with %d of %d",
			at, records, bytes, f.indexOff, f.records, f.bytes)
	}
	return chunks, nil
}

func encodeChunkHeader(dst []byte, number int, c chunk) uint32 {
	le := binary.LittleEndian
	le.PutUint32(dst[4:], c.length)
	le.PutUint32(dst[8:], uint32(number))
	le.PutUint32(dst[12:], c.records)
	crc := checksum(dst[4 : chunkHeader+int(c.length)])
	le.PutUint32(dst, crc)
	return crc
}

// sumChunk is the checksum of a chunk whose header is what its index entry says.
func sumChunk(head []byte, number int, c chunk, payload []byte) uint32 {
	le := binary.LittleEndian
	le.PutUint32(head[4:], c.length)
	le.PutUint32(head[8:], uint32(number))
	le.PutUint32(head[12:], c.records)
	return crc32.Update(checksum(head[4:chunkHeader]), castagnoli, payload)
}

// decodeChunk checks b, which holds the chunk from its header on.
func decodeChunk(file string, b []byte, number int, c chunk) ([]byte, error) {
	le := binary.LittleEndian
	end := chunkHeader + int(c.length)
	if got := checksum(b[4:end]); got != c.crc || le.Uint32(b) != c.crc {
		return nil, corrupt(file, c.off, "checksum of chunk %d is %08x, want %08x", number, got, c.crc)
	}
	if le.Uint32(b[4:]) != c.length || le.Uint32(b[8:]) != uint32(number) || le.Uint32(b[12:]) != c.records {
		return nil, corrupt(file, c.off, "header of chunk %d differs from its index entry", number)
	}
	return b[chunkHeader:end:end], nil
}

func corrupt(file string, off int64, format string, args ...any) error {
	return &engines.CorruptError{File: file, Offset: off, Reason: fmt.Sprintf(format, args...)}
}
