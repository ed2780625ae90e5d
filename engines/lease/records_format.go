package lease

import (
	"fmt"
	"math"
)

// Bytes of the other records: a format byte, then the fields in the order of
// the append methods below. Integers are little endian and fixed, strings and
// byte strings are a u32 length and their bytes, lists a u32 count and their
// elements. A decoder takes exactly the bytes that the encoder writes.

const (
	kindNode     = 0x11
	kindSnapshot = 0x21
	kindQuery    = 0x31
	kindPoint    = 0x41
)

// AppendBinary appends the record to dst.
func (n *Node) AppendBinary(dst []byte) ([]byte, error) {
	dst = append(dst, kindNode, byte(n.Status))
	dst = le.AppendUint16(dst, n.Port)
	dst = le.AppendUint32(dst, n.MaxActors)
	dst = le.AppendUint64(dst, uint64(n.ExpiresAt))
	dst = le.AppendUint64(dst, uint64(n.RenewAt))
	dst = appendString(dst, n.ID)
	dst = appendString(dst, n.Namespace)
	dst = appendString(dst, n.URL)
	dst = le.AppendUint32(dst, uint32(len(n.ActorTypes)))
	for _, t := range n.ActorTypes {
		dst = appendString(dst, t)
	}
	dst = appendTags(dst, n.Tags)
	return appendString(dst, string(n.ChallengeToken)), nil
}

// UnmarshalBinary decodes the record and keeps no part of b.
func (n *Node) UnmarshalBinary(b []byte) error {
	d := decoder{b: b}
	d.kind(kindNode)
	*n = Node{Status: NodeStatus(d.u8()), Port: d.u16(), MaxActors: d.u32(), ExpiresAt: int64(d.u64()), RenewAt: int64(d.u64())}
	n.ID, n.Namespace, n.URL = d.str(), d.str(), d.str()
	for range d.count(4) {
		n.ActorTypes = append(n.ActorTypes, d.str())
	}
	n.Tags = d.tags()
	n.ChallengeToken = d.bytes()
	return d.end("node")
}

// AppendBinary appends the record to dst.
func (s *Snapshot) AppendBinary(dst []byte) ([]byte, error) {
	dst = append(dst, kindSnapshot)
	dst = append(dst, s.Actor.ActorID[:]...)
	dst = append(dst, s.SnapshotID[:]...)
	dst = append(dst, s.StateHash[:]...)
	dst = le.AppendUint64(dst, s.Version)
	dst = le.AppendUint64(dst, uint64(s.CreatedAt))
	dst = le.AppendUint64(dst, uint64(s.UpdatedAt))
	dst = le.AppendUint32(dst, s.TTLSeconds)
	dst = appendString(dst, s.Actor.ActorType)
	dst = appendTags(dst, s.Tags)
	return appendString(dst, string(s.StateData)), nil
}

// UnmarshalBinary decodes the record and keeps no part of b. It does not check
// the hash: see Verify.
func (s *Snapshot) UnmarshalBinary(b []byte) error {
	d := decoder{b: b}
	d.kind(kindSnapshot)
	*s = Snapshot{}
	copy(s.Actor.ActorID[:], d.take(len(s.Actor.ActorID)))
	copy(s.SnapshotID[:], d.take(len(s.SnapshotID)))
	copy(s.StateHash[:], d.take(len(s.StateHash)))
	s.Version, s.CreatedAt, s.UpdatedAt, s.TTLSeconds = d.u64(), int64(d.u64()), int64(d.u64()), d.u32()
	s.Actor.ActorType = d.str()
	s.Tags = d.tags()
	s.StateData = d.bytes()
	return d.end("snapshot")
}

// AppendBinary appends the record to dst.
func (q *QueryEntry) AppendBinary(dst []byte) ([]byte, error) {
	dst = append(dst, kindQuery)
	dst = le.AppendUint64(dst, uint64(q.CreatedAt))
	dst = le.AppendUint32(dst, q.TTLSeconds)
	return appendString(dst, string(q.Result)), nil
}

// UnmarshalBinary decodes the record and keeps no part of b.
func (q *QueryEntry) UnmarshalBinary(b []byte) error {
	d := decoder{b: b}
	d.kind(kindQuery)
	*q = QueryEntry{CreatedAt: int64(d.u64()), TTLSeconds: d.u32()}
	q.Result = d.bytes()
	return d.end("query entry")
}

// AppendBinary appends the record to dst.
func (p *Point) AppendBinary(dst []byte) ([]byte, error) {
	dst = append(dst, kindPoint)
	dst = le.AppendUint64(dst, math.Float64bits(p.Value))
	return appendTags(dst, p.Labels), nil
}

// UnmarshalBinary decodes the record and keeps no part of b.
func (p *Point) UnmarshalBinary(b []byte) error {
	d := decoder{b: b}
	d.kind(kindPoint)
	*p = Point{Value: math.Float64frombits(d.u64())}
	p.Labels = d.tags()
	return d.end("point")
}

func appendString(dst []byte, s string) []byte {
	dst = le.AppendUint32(dst, uint32(len(s)))
	return append(dst, s...)
}

func appendTags(dst []byte, tags []Tag) []byte {
	dst = le.AppendUint32(dst, uint32(len(tags)))
	for _, t := range tags {
		dst = appendString(appendString(dst, t.Name), t.Value)
	}
	return dst
}

// decoder reads fields from b and remembers the first that is missing; every
// length is checked against what is left before anything is allocated.
type decoder struct {
	b   []byte
	pos int
	err error
}

func (d *decoder) take(n int) []byte {
	if d.err != nil {
		return nil
	}
	if n < 0 || n > len(d.b)-d.pos {
		d.err = fmt.Errorf("%w: wants %d bytes at %d of %d", ErrFormat, n, d.pos, len(d.b))
		return nil
	}
	d.pos += n
	return d.b[d.pos-n : d.pos]
}

func (d *decoder) u8() uint8 {
	if b := d.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *decoder) u16() uint16 {
	if b := d.take(2); b != nil {
		return le.Uint16(b)
	}
	return 0
}

func (d *decoder) u32() uint32 {
	if b := d.take(4); b != nil {
		return le.Uint32(b)
	}
	return 0
}

func (d *decoder) u64() uint64 {
	if b := d.take(8); b != nil {
		return le.Uint64(b)
	}
	return 0
}

func (d *decoder) str() string { return string(d.take(int(d.u32()))) }

func (d *decoder) bytes() []byte {
	if b := d.take(int(d.u32())); len(b) > 0 {
		return append([]byte(nil), b...)
	}
	return nil
}

// count reads the length of a list whose elements take at least minBytes each.
func (d *decoder) count(minBytes int) int {
	n := int(d.u32())
	if d.err == nil && n > (len(d.b)-d.pos)/minBytes {
		d.err = fmt.Errorf("%w: list of %d elements in %d bytes", ErrFormat, n, len(d.b)-d.pos)
	}
	if d.err != nil {
		return 0
	}
	return n
}

func (d *decoder) tags() []Tag {
	var tags []Tag
	for range d.count(8) {
		tags = append(tags, Tag{Name: d.str(), Value: d.str()})
	}
	return tags
}

func (d *decoder) kind(want byte) {
	if got := d.u8(); d.err == nil && got != want {
		d.err = fmt.Errorf("%w: record kind %#x, want %#x", ErrFormat, got, want)
	}
}

func (d *decoder) end(what string) error {
	if d.err == nil && d.pos != len(d.b) {
		d.err = fmt.Errorf("%w: %d bytes after the last field", ErrFormat, len(d.b)-d.pos)
	}
	if d.err != nil {
		return fmt.Errorf("%s: %w", what, d.err)
	}
	return nil
}

// QueryTimes reads created_at and the TTL from the bytes of a QueryEntry
// without decoding its result. ok is false if b is no such record.
func QueryTimes(b []byte) (createdAt int64, ttlSeconds uint32, ok bool) {
	const head = 1 + 8 + 4 + 4 // kind, created_at, ttl, length of the result
	if len(b) < head || b[0] != kindQuery || uint64(le.Uint32(b[13:])) != uint64(len(b)-head) {
		return 0, 0, false
	}
	return int64(le.Uint64(b[1:])), le.Uint32(b[9:]), true
}
