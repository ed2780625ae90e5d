package mmapwal

import (
	"fmt"

	"orbitbench/engines"
	"orbitbench/engines/internal/wal"
)

// The root says what the table file holds as of the last checkpoint (little endian):
//
//	 0        8        12       16         24        32      40      48      52     56        60
//	+--------+--------+--------+----------+---------+-------+-------+-------+------+---------+- - -
//	| magic  | format | extent | hash seed| start   | cut   | end   | size  | next | stripes |
//	+--------+--------+--------+----------+---------+-------+-------+-------+------+---------+- - -
//	- - -+--------------------------+-----------------------+------------------------+-------------------+--------+
//	     | stripe 0 ... stripe 719  | words, free bitmap    | groups, sums           | n, loose records  | crc32c |
//	- - -+--------------------------+-----------------------+------------------------+-------------------+--------+
//
//	field        type    meaning
//	magic        8 B     "OBMMAPRT"
//	format       u32     2
//	extent       u32     pages by which the file grows and is mapped: a power of two
//	hash seed    u64     as in META
//	start        u64     log record at which replay begins
//	cut          u64     first log record whose claim of pages is not reflected in the table
//	end          u64     last log record that may be reflected in the table
//	size         u32     pages of the file, a multiple of extent
//	next         u32     first page that was never handed out
//	stripes      u32     720
//	stripe       u64 live records, u64 floor, u64 highest version, u32 n, n x u32 ledger pages
//	free bitmap  u32 words, words x u64: bit p is set if page p is free
//	sums         u32 groups, groups x u32: the checksum of each page of sums
//	loose        u32 n, n x 8 bytes: u32 ref, u16 stripe, u8 1 if it is in the index, u8 0.
//	             Records reserved by commits that were not durable, to be freed.
//	crc32c       u32     of all bytes before it
const (
	rootMagic  = "OBMMAPRT"
	rootFormat = 2
	rootHead   = 60

	minExtentPages = groupLen
	maxExtentPages = 1 << 16
)

type root struct {
	extentPages uint32
	seed        uint64
	start, end  wal.LSN
	cut         wal.LSN
	size, next  uint32
	stripes     [numStripes]rootStripe
	free        []uint64
	sums        []uint32
	loose       []loose
}

type rootStripe struct {
	live, floor, highest uint64
	ledgers              []uint32
}

// loose is a record that was reserved by a commit which may not exist.
type loose struct {
	ref     ref
	stripe  uint16
	indexed bool
}

func (r *root) encode() []byte {
	b := make([]byte, 0, rootHead+numStripes*32+len(r.free)*8+len(r.sums)*4+len(r.loose)*8+16)
	b = append(b, rootMagic...)
	b = le.AppendUint32(b, rootFormat)
	b = le.AppendUint32(b, r.extentPages)
	b = le.AppendUint64(b, r.seed)
	b = le.AppendUint64(b, uint64(r.start))
	b = le.AppendUint64(b, uint64(r.cut))
	b = le.AppendUint64(b, uint64(r.end))
	b = le.AppendUint32(b, r.size)
	b = le.AppendUint32(b, r.next)
	b = le.AppendUint32(b, numStripes)
	for i := range r.stripes {
		s := &r.stripes[i]
		b = le.AppendUint64(b, s.live)
		b = le.AppendUint64(b, s.floor)
		b = le.AppendUint64(b, s.highest)
		b = le.AppendUint32(b, uint32(len(s.ledgers)))
		for _, p := range s.ledgers {
			b = le.AppendUint32(b, p)
		}
	}
	b = le.AppendUint32(b, uint32(len(r.free)))
	for _, w := range r.free {
		b = le.AppendUint64(b, w)
	}
	b = le.AppendUint32(b, uint32(len(r.sums)))
	for _, s := range r.sums {
		b = le.AppendUint32(b, s)
	}
	b = le.AppendUint32(b, uint32(len(r.loose)))
	for _, l := range r.loose {
		b = le.AppendUint32(b, uint32(l.ref))
		b = le.AppendUint16(b, l.stripe)
		indexed := byte(0)
		if l.indexed {
			indexed = 1
		}
		b = append(b, indexed, 0)
	}
	return le.AppendUint32(b, checksum(b))
}

// rootReader reads fields and remembers the first one that is cut off.
type rootReader struct {
	b   []byte
	off int
	bad bool
}

func (r *rootReader) take(n int) []byte {
	if r.bad || n > len(r.b)-r.off {
		r.bad = true
		return make([]byte, 8)
	}
	r.off += n
	return r.b[r.off-n : r.off]
}

func (r *rootReader) u32() uint32 { return le.Uint32(r.take(4)) }
func (r *rootReader) u64() uint64 { return le.Uint64(r.take(8)) }

// count reads the number of items of a list, each of size bytes, of which there is room for.
func (r *rootReader) count(size int) int {
	n := int(r.u32())
	if r.bad || n > (len(r.b)-r.off)/size {
		r.bad = true
		return 0
	}
	return n
}

// decodeRoot is the inverse of encode; file and offset (of b in it) are for its errors, which are *CorruptError.
func decodeRoot(file string, offset int64, b []byte) (*root, error) {
	corrupt := func(off int, format string, args ...any) (*root, error) {
		return nil, &engines.CorruptError{File: file, Offset: offset + int64(off), Reason: "root: " + fmt.Sprintf(format, args...)}
	}
	switch {
	case len(b) < rootHead+4:
		return corrupt(0, "%d bytes, want %d or more", len(b), rootHead+4)
	case string(b[:8]) != rootMagic:
		return corrupt(0, "magic %q, want %q", b[:8], rootMagic)
	case checksum(b[:len(b)-4]) != le.Uint32(b[len(b)-4:]):
		return corrupt(len(b)-4, "checksum %08x, want %08x", le.Uint32(b[len(b)-4:]), checksum(b[:len(b)-4]))
	}
	in := &rootReader{b: b[:len(b)-4], off: 8}
	if f := in.u32(); f != rootFormat {
		return corrupt(8, "format %d, this program reads %d", f, rootFormat)
	}
	r := &root{extentPages: in.u32(), seed: in.u64()}
	r.start, r.cut, r.end = wal.LSN(in.u64()), wal.LSN(in.u64()), wal.LSN(in.u64())
	r.size, r.next = in.u32(), in.u32()
	if n := in.u32(); n != numStripes {
		return corrupt(56, "%d stripes, want %d", n, numStripes)
	}
	for i := range r.stripes {
		s := &r.stripes[i]
		s.live, s.floor, s.highest = in.u64(), in.u64(), in.u64()
		for range in.count(4) {
			s.ledgers = append(s.ledgers, in.u32())
		}
	}
	for range in.count(8) {
		r.free = append(r.free, in.u64())
	}
	for range in.count(4) {
		r.sums = append(r.sums, in.u32())
	}
	for range in.count(8) {
		l := loose{ref: ref(in.u32())}
		tail := in.take(4)
		l.stripe, l.indexed = le.Uint16(tail), tail[2] == 1
		if tail[2] > 1 || tail[3] != 0 {
			return corrupt(in.off-4, "loose record with flags %x", tail[2:])
		}
		r.loose = append(r.loose, l)
	}
	if in.bad || in.off != len(in.b) {
		return corrupt(in.off, "the lists end at byte %d of %d", in.off, len(in.b))
	}
	if err := r.check(); err != nil {
		return corrupt(0, "%v", err)
	}
	return r, nil
}

// check reports what cannot be.
func (r *root) check() error {
	e := r.extentPages
	switch {
	case e < minExtentPages || e > maxExtentPages || e&(e-1) != 0:
		return fmt.Errorf("extents of %d pages", e)
	case r.size%e != 0 || r.size > maxPages || r.next > r.size:
		return fmt.Errorf("%d pages in extents of %d, the next is %d", r.size, e, r.next)
	case r.start == 0 || r.cut < r.start:
		return fmt.Errorf("start is %d, cut %d", r.start, r.cut)
	case len(r.free)*64 > int(r.size)+63:
		return fmt.Errorf("free bitmap of %d words for %d pages", len(r.free), r.size)
	case uint32(len(r.sums)) > (r.size+groupMask)>>groupBits:
		return fmt.Errorf("%d pages of sums for %d pages", len(r.sums), r.size)
	}
	for i := range r.stripes {
		for _, p := range r.stripes[i].ledgers {
			if p >= r.size || p&groupMask == 0 {
				return fmt.Errorf("ledger page %d of stripe %d", p, i)
			}
		}
	}
	for _, l := range r.loose {
		if l.stripe >= numStripes || l.ref.page() >= r.size || l.ref.page()&groupMask == 0 || l.ref.offset() < pageHead {
			return fmt.Errorf("loose record %#x of stripe %d", uint32(l.ref), l.stripe)
		}
	}
	return nil
}
