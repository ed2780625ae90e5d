package memory

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"

	"orbitbench/engines"
)

// A backup is a header, and a body that is compressed as the flags say
// (integers are little endian):
//
//	+--------------------+---------+---------+------------+---------+------+
//	| magic "ORBMEMBK"   | version | flags   | generation | crc32c  | zero |
//	+--------------------+---------+---------+------------+---------+------+
//	 0                    8         12        16           24        28   32
//	+-----+----+---------+-----------+-----------+-----+-------+
//	| 1   | ks | key len | value len | version   | key | value |  a record
//	+-----+----+---------+-----------+-----------+-----+-------+
//	 0     1    2         4           8           16
//	+-----+--------------+--------------------------------------+
//	| 0   | records      | crc32c                               |  the end
//	+-----+--------------+--------------------------------------+
//	 0     1              9                                      13
//
//	field       type  meaning
//	version     u32   of this format: 1
//	flags       u32   bit 0: written by Close or Snapshot; bit 1: gzip
//	generation  u64   of the store when it was written, see home.go
//	crc32c      u32   Castagnoli, of header bytes 0 to 23; at the end: of the
//	                  body (uncompressed) up to this field
//	ks          u8    keyspace
//	key len     u16   1 to MaxKeyBytes
//	value len   u32   0 to MaxValueBytes
//	version     u64   of the record, at least 1
//	records     u64   how many there are
//
// Records stand in order of keyspace and key, each once. The file is written
// under another name and renamed when it is durable, so that a torn file is
// never expected: whatever does not fit is corruption.
const (
	formatMagic   = "ORBMEMBK"
	formatVersion = 1
	headerBytes   = 32
	recordBytes   = 16
	endBytes      = 13

	flagComplete = 1 << 0 // the store did not change after this was written
	flagGzip     = 1 << 1
	knownFlags   = flagComplete | flagGzip

	tagEnd    = 0
	tagRecord = 1
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	le         = binary.LittleEndian
)

// header is the head of a backup.
type header struct {
	flags      uint32
	generation uint64
}

func (h header) append(dst []byte) []byte {
	at := len(dst)
	dst = append(dst, formatMagic...)
	dst = le.AppendUint32(dst, formatVersion)
	dst = le.AppendUint32(dst, h.flags)
	dst = le.AppendUint64(dst, h.generation)
	dst = le.AppendUint32(dst, crc32.Checksum(dst[at:], castagnoli))
	return le.AppendUint32(dst, 0)
}

func parseHeader(b []byte) (header, error) {
	switch {
	case len(b) < headerBytes:
		return header{}, fmt.Errorf("header of %d bytes, want %d", len(b), headerBytes)
	case string(b[:8]) != formatMagic:
		return header{}, fmt.Errorf("magic is %q, want %q", b[:8], formatMagic)
	case le.Uint32(b[8:]) != formatVersion:
		return header{}, fmt.Errorf("format version is %d, want %d", le.Uint32(b[8:]), formatVersion)
	case crc32.Checksum(b[:24], castagnoli) != le.Uint32(b[24:]):
		return header{}, fmt.Errorf("header checksum is %08x, want %08x", le.Uint32(b[24:]), crc32.Checksum(b[:24], castagnoli))
	case le.Uint32(b[12:])&^knownFlags != 0:
		return header{}, fmt.Errorf("unknown flags %#x", le.Uint32(b[12:]))
	case le.Uint32(b[28:]) != 0:
		return header{}, errors.New("header padding is not zero")
	}
	return header{flags: le.Uint32(b[12:]), generation: le.Uint64(b[16:])}, nil
}

// record is one record of a backup; its slices are valid until the next one.
type record struct {
	ks      engines.Keyspace
	version engines.Version
	key     []byte
	value   []byte
}

// encoder writes a body.
type encoder struct {
	w     io.Writer
	sum   hash.Hash32
	count uint64
	buf   []byte
}

func newEncoder(w io.Writer) *encoder { return &encoder{w: w, sum: crc32.New(castagnoli)} }

func (e *encoder) write(b []byte) error {
	e.sum.Write(b) // a hash never fails
	_, err := e.w.Write(b)
	return err
}

func (e *encoder) record(r record) error {
	e.buf = append(e.buf[:0], tagRecord, byte(r.ks))
	e.buf = le.AppendUint16(e.buf, uint16(len(r.key)))
	e.buf = le.AppendUint32(e.buf, uint32(len(r.value)))
	e.buf = le.AppendUint64(e.buf, uint64(r.version))
	e.buf = append(append(e.buf, r.key...), r.value...)
	e.count++
	return e.write(e.buf)
}

func (e *encoder) end() error {
	e.buf = le.AppendUint64(append(e.buf[:0], tagEnd), e.count)
	if err := e.write(e.buf); err != nil {
		return err
	}
	_, err := e.w.Write(le.AppendUint32(nil, e.sum.Sum32()))
	return err
}

// decoder reads a body.
type decoder struct {
	r     io.Reader
	sum   hash.Hash32
	pos   int64 // bytes of the body read
	count uint64
	last  record // key copied
	buf   []byte
}

func newDecoder(r io.Reader) *decoder { return &decoder{r: r, sum: crc32.New(castagnoli)} }

func (d *decoder) read(n int) ([]byte, error) {
	at := len(d.buf)
	if cap(d.buf)-at < n {
		d.buf = append(make([]byte, 0, at+n), d.buf...)
	}
	d.buf = d.buf[:at+n]
	got, err := io.ReadFull(d.r, d.buf[at:])
	d.pos += int64(got)
	if errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("body ends in the middle of a record")
	}
	return d.buf[at:], err
}

// next returns the next record, or io.EOF after a valid end.
func (d *decoder) next() (record, error) {
	d.buf = d.buf[:0]
	head, err := d.read(1)
	if err != nil {
		return record{}, err
	}
	switch head[0] {
	case tagEnd:
		return record{}, d.finish()
	case tagRecord:
	default:
		return record{}, fmt.Errorf("record tag is %d, want %d or %d", head[0], tagRecord, tagEnd)
	}
	if _, err := d.read(recordBytes - 1); err != nil {
		return record{}, err
	}
	r := record{ks: engines.Keyspace(d.buf[1]), version: engines.Version(le.Uint64(d.buf[8:]))}
	keyLen, valueLen := int(le.Uint16(d.buf[2:])), int(le.Uint32(d.buf[4:]))
	switch {
	case !r.ks.Valid():
		return record{}, fmt.Errorf("unknown keyspace %d", uint8(r.ks))
	case keyLen == 0 || keyLen > engines.MaxKeyBytes:
		return record{}, fmt.Errorf("key of %d bytes, want 1 to %d", keyLen, engines.MaxKeyBytes)
	case valueLen > engines.MaxValueBytes:
		return record{}, fmt.Errorf("value of %d bytes, at most %d", valueLen, engines.MaxValueBytes)
	case r.version == 0:
		return record{}, errors.New("record with version 0")
	}
	body, err := d.read(keyLen + valueLen)
	if err != nil {
		return record{}, err
	}
	r.key, r.value = body[:keyLen], body[keyLen:]
	if d.count > 0 && (r.ks < d.last.ks || (r.ks == d.last.ks && bytes.Compare(r.key, d.last.key) <= 0)) {
		return record{}, errors.New("records are out of order")
	}
	d.last.ks, d.last.key = r.ks, append(d.last.key[:0], r.key...)
	d.sum.Write(d.buf) // a hash never fails
	d.count++
	return r, nil
}

// finish checks what follows the end tag, and that nothing follows that.
func (d *decoder) finish() error {
	if _, err := d.read(endBytes - 1); err != nil {
		return err
	}
	d.sum.Write(d.buf[:9])
	if n := le.Uint64(d.buf[1:]); n != d.count {
		return fmt.Errorf("end counts %d records, found %d", n, d.count)
	}
	if got, want := le.Uint32(d.buf[9:]), d.sum.Sum32(); got != want {
		return fmt.Errorf("body checksum is %08x, want %08x", got, want)
	}
	switch n, err := io.ReadFull(d.r, make([]byte, 1)); {
	case n > 0:
		return errors.New("bytes after the end")
	case err != io.EOF:
		return err
	}
	return io.EOF
}
