package actorstore

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"

	"orbitbench/engines"
)

// A block holds points of one metric in rising order of their timestamps, in
// memory and in checkpoints alike:
//
//	 0          4            4+n
//	+----------+------------+---------+---------+-- - - --+
//	| tail len | tail       | point   | point   |         |
//	+----------+------------+---------+---------+-- - - --+
//
//	point, number values first:
//	+------+----------------+---------------+-------------------+
//	| head | time, varint   | version,      | xor, 0 to 8 bytes |
//	|      |                | varint        |                   |
//	+------+----------------+---------------+-------------------+
//
//	point, any other value:
//	+------+----------------+---------------+---------+---------+
//	| 0    | time, varint   | version,      | length, | value   |
//	|      |                | varint        | uvarint |         |
//	+------+----------------+---------------+---------+---------+
//
//	field     meaning
//	tail len  u32, bytes of tail
//	tail      what number values have behind byte 9: a number value is 0x41 (the kind of
//	          lease.Point), eight bytes, and this tail, which holds the labels
//	head      bit 7: 1; bits 4-6: zero bytes of xor at its low end that are left out;
//	          bits 0-3: bytes of xor that follow (0 to 8)
//	time      zigzag: difference of the differences of timestamps; before the first point
//	          timestamp and difference are 0
//	version   zigzag: difference to the version of the point before, 0 before the first
//	xor       little endian: the eight bytes XORed with those of the number value before, 0 before the first
//
// Integers wrap, so every u64 timestamp and version can be told.
const (
	blockPoints = 256     // a block is full
	blockBytes  = 1 << 16 // or it has this many bytes

	pointKind   = 0x41 // lease.Point
	pointNumber = 9    // bytes of a number value before its tail
	numberBit   = 1 << 7
)

// point is one record of a series. value is valid as its source says.
type point struct {
	time    uint64
	version engines.Version
	value   []byte
}

func zigzag(d uint64) uint64   { return d<<1 ^ uint64(int64(d)>>63) }
func unzigzag(z uint64) uint64 { return z>>1 ^ -(z & 1) }

// blockWriter encodes a block.
type blockWriter struct {
	data   []byte
	tail   []byte
	hasNum bool // tail is set: the first number value gives it
	n      int
	first  uint64
	last   uint64
	delta  uint64
	ver    uint64
	num    uint64
}

func newBlockWriter() *blockWriter { return &blockWriter{} }

// isNumber says whether a value can be one; its tail is then behind byte 9.
func isNumber(value []byte) bool { return len(value) >= pointNumber && value[0] == pointKind }

// add appends a point, whose time is above that of the one before.
func (w *blockWriter) add(p point) {
	if w.n == 0 {
		w.first = p.time
		if isNumber(p.value) {
			w.tail = bytes.Clone(p.value[pointNumber:])
			w.hasNum = true
		}
		w.data = binary.LittleEndian.AppendUint32(w.data[:0], uint32(len(w.tail)))
		w.data = append(w.data, w.tail...)
	}
	delta := p.time - w.last
	dod := zigzag(delta - w.delta)
	ver := zigzag(uint64(p.version) - w.ver)
	w.last, w.delta, w.ver = p.time, delta, uint64(p.version)
	w.n++
	if !w.hasNum || !isNumber(p.value) || !bytes.Equal(p.value[pointNumber:], w.tail) {
		w.data = append(w.data, 0)
		w.data = binary.AppendUvarint(binary.AppendUvarint(w.data, dod), ver)
		w.data = append(binary.AppendUvarint(w.data, uint64(len(p.value))), p.value...)
		return
	}
	num := le.Uint64(p.value[1:])
	x := num ^ w.num
	w.num = num
	low := min(bits.TrailingZeros64(x)/8, 7)
	x >>= 8 * low
	n := (bits.Len64(x) + 7) / 8
	w.data = append(w.data, numberBit|byte(low)<<4|byte(n))
	w.data = binary.AppendUvarint(binary.AppendUvarint(w.data, dod), ver)
	for ; n > 0; n-- {
		w.data = append(w.data, byte(x))
		x >>= 8
	}
}

func (w *blockWriter) full() bool { return w.n >= blockPoints || len(w.data) >= blockBytes }

// block ends the block and makes the writer ready for the next one.
func (w *blockWriter) block() *block {
	b := &block{first: w.first, last: w.last, n: w.n, data: bytes.Clone(w.data)}
	*w = blockWriter{data: w.data[:0]}
	return b
}

// block is a finished block. It never changes.
type block struct {
	first, last uint64
	n           int
	data        []byte
}

// blockReader decodes a block.
type blockReader struct {
	rest  []byte
	tail  []byte
	buf   []byte // of the last number value
	time  uint64
	delta uint64
	ver   uint64
	num   uint64
	left  int
}

// read begins to decode data as a block of n points.
func readBlock(data []byte, n int) (blockReader, error) {
	if len(data) < 4 || uint64(le.Uint32(data)) > uint64(len(data)-4) {
		return blockReader{}, fmt.Errorf("block of %d bytes: the tail is cut off", len(data))
	}
	tail := int(le.Uint32(data))
	return blockReader{rest: data[4+tail:], tail: data[4 : 4+tail], left: n}, nil
}

// next decodes a point into p and reports whether there was one. p.value is
// valid until the next call.
func (r *blockReader) next(p *point) (bool, error) {
	if r.left == 0 {
		if len(r.rest) > 0 {
			return false, fmt.Errorf("block goes on for %d bytes behind its last point", len(r.rest))
		}
		return false, nil
	}
	if len(r.rest) == 0 {
		return false, fmt.Errorf("block ends %d points early", r.left)
	}
	head := r.rest[0]
	r.rest = r.rest[1:]
	dod, err := r.uvarint()
	if err != nil {
		return false, err
	}
	ver, err := r.uvarint()
	if err != nil {
		return false, err
	}
	r.delta += unzigzag(dod)
	r.time += r.delta
	r.ver += unzigzag(ver)
	r.left--
	p.time, p.version = r.time, engines.Version(r.ver)
	p.value, err = r.value(head)
	return err == nil, err
}

func (r *blockReader) value(head byte) ([]byte, error) {
	if head == 0 {
		n, err := r.uvarint()
		if err != nil {
			return nil, err
		}
		if n > engines.MaxValueBytes || n > uint64(len(r.rest)) {
			return nil, fmt.Errorf("value of %d bytes, at most %d can follow", n, len(r.rest))
		}
		v := r.rest[:n:n]
		r.rest = r.rest[n:]
		return v, nil
	}
	low, n := int(head>>4&7), int(head&15)
	if head&numberBit == 0 || n > 8-low || n > len(r.rest) || n == 0 && low != 7 || n > 0 && r.rest[n-1] == 0 || n > 0 && low < 7 && r.rest[0] == 0 {
		return nil, fmt.Errorf("head %#x of a point with %d bytes behind it", head, len(r.rest))
	}
	var x uint64
	for i := n - 1; i >= 0; i-- {
		x = x<<8 | uint64(r.rest[i])
	}
	r.rest = r.rest[n:]
	r.num ^= x << (8 * low)
	r.buf = append(r.buf[:0], pointKind)
	r.buf = le.AppendUint64(r.buf, r.num)
	r.buf = append(r.buf, r.tail...)
	return r.buf, nil
}

func (r *blockReader) uvarint() (uint64, error) {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		return 0, fmt.Errorf("number cut off or too long")
	}
	if n > 1 && r.rest[n-1] == 0 {
		return 0, fmt.Errorf("number longer than it has to be")
	}
	r.rest = r.rest[n:]
	return v, nil
}

// check decodes the whole block and compares it with what is said about it.
func (b *block) check() error {
	r, err := readBlock(b.data, b.n)
	if err != nil {
		return err
	}
	var p point
	for i := 0; ; i++ {
		before := p.time
		ok, err := r.next(&p)
		switch {
		case err != nil:
			return err
		case !ok && (i == 0 || i != b.n || before != b.last):
			return fmt.Errorf("block of %d points up to %d has %d up to %d", b.n, b.last, i, before)
		case !ok:
			return nil
		case i == 0 && p.time != b.first:
			return fmt.Errorf("block from %d begins at %d", b.first, p.time)
		case i > 0 && p.time <= before:
			return fmt.Errorf("time %d follows %d", p.time, before)
		case p.version == 0:
			return fmt.Errorf("point at %d has version 0", p.time)
		}
	}
}
