package index

import (
	"fmt"
	"slices"

	"orbitbench/engines"
	"orbitbench/engines/internal/arena"
)

// A block is a record as it lies in memory (record.go), and as files hold it:
// padded with zeros to the size of its class, so that reading a stripe's blocks
// into the arena is all that loading its records takes.

// AppendBlock encodes a record as a block behind dst. Its size is a multiple of 16.
func AppendBlock(dst []byte, o *Op) []byte {
	n := recHead + len(o.Key) + len(o.Value)
	size := arena.BlockBytes(n)
	begin := len(dst)
	dst = slices.Grow(dst, size)[:begin+size]
	b := record(dst[begin:])
	b.put(o.ID, o.Version, o.Keyspace, o.Key, o.Value)
	clear(b[n:])
	return dst
}

// BlockBytes returns the size of the block of a record.
func BlockBytes(o *Op) int { return arena.BlockBytes(recHead + len(o.Key) + len(o.Value)) }

// DecodeBlock decodes the block at the start of b, whose key and value become
// parts of b, and returns its size. Errors say what is wrong with it.
func DecodeBlock(b []byte) (o Op, size int, err error) {
	if len(b) < recHead {
		return o, 0, fmt.Errorf("%d bytes where a block begins, want %d", len(b), recHead)
	}
	r := record(b)
	n := r.size()
	if n > arena.MaxBlock || arena.BlockBytes(n) > len(b) {
		return o, 0, fmt.Errorf("block of %d bytes where %d are left", n, len(b))
	}
	o = Op{Kind: engines.OpPut, Keyspace: r.keyspace(), ID: r.id(), Version: r.version(), Key: r.key(), Value: r.value()}
	switch {
	case !o.Keyspace.Valid():
		return o, 0, fmt.Errorf("record %d of keyspace %d, which does not exist", o.ID, o.Keyspace)
	case o.Version == 0:
		return o, 0, fmt.Errorf("record %d has version 0", o.ID)
	case len(o.Key) == 0 || len(o.Key) > engines.MaxKeyBytes || len(o.Value) > engines.MaxValueBytes:
		return o, 0, fmt.Errorf("record %d with a key of %d and a value of %d bytes", o.ID, len(o.Key), len(o.Value))
	case r.wasRead() || r.held():
		return o, 0, fmt.Errorf("record %d is marked as in use", o.ID)
	}
	return o, arena.BlockBytes(n), nil
}

// StripeInfo is what a snapshot says of one stripe.
type StripeInfo struct {
	Bytes   int64  // of all its blocks
	Records uint32 // blocks
	Floor   engines.Version
	Highest engines.Version // of any record in it
}

// Imager gathers the blocks of one stripe at a time for a snapshot, in the order of
// their tags (the low half of the key's hash). It is for one goroutine, and holds
// the records of a stripe.
type Imager struct {
	ix     *Index
	blocks []byte
	places []blockPlace
}

type blockPlace struct {
	tag uint32
	off uint32 // in units of 16 bytes
}

// NewImager returns an imager without blocks.
func (ix *Index) NewImager() *Imager { return &Imager{ix: ix} }

// Gather reads a stripe, some records at a time under its lock, and calls between without it
// after each time. v is the view whose records they are; nil: what readers see. Errors
// are those of Index.Slice.
func (m *Imager) Gather(stripe int, v *View, shut bool, between func()) (StripeInfo, error) {
	var info StripeInfo
	m.blocks, m.places = m.blocks[:0], m.places[:0]
	for cursor := 0; cursor >= 0; {
		var err error
		cursor, info.Floor, err = m.ix.Slice(stripe, cursor, v, shut, func(o *Op) {
			tag := uint32(m.ix.hash(o.Keyspace, o.Key))
			m.places = append(m.places, blockPlace{tag, uint32(len(m.blocks) / 16)})
			m.blocks = AppendBlock(m.blocks, o)
		})
		if err != nil {
			return info, err
		}
		between()
	}
	slices.SortFunc(m.places, func(a, b blockPlace) int {
		if a.tag != b.tag {
			if a.tag < b.tag {
				return -1
			}
			return 1
		}
		return int(a.off) - int(b.off)
	})
	m.dropTwins()
	for _, p := range m.places {
		info.Bytes += int64(arena.BlockBytes(m.at(p).size()))
		info.Highest = max(info.Highest, m.at(p).version())
	}
	info.Records = uint32(len(m.places))
	return info, nil
}

func (m *Imager) at(p blockPlace) record { return record(m.blocks[int64(p.off)*16:]) }

// dropTwins leaves one record of a key. There are two if the key was deleted
// and made again, under another id, while its stripe was read.
func (m *Imager) dropTwins() {
	keep := m.places[:0]
next:
	for _, p := range m.places {
		r := m.at(p)
		for i := len(keep) - 1; i >= 0 && keep[i].tag == p.tag; i-- {
			if k := m.at(keep[i]); k.keyspace() == r.keyspace() && string(k.key()) == string(r.key()) {
				if r.version() > k.version() {
					keep[i] = p
				}
				continue next
			}
		}
		keep = append(keep, p)
	}
	m.places = keep
}

// Each calls yield with the blocks that were gathered, in the order of their tags.
func (m *Imager) Each(yield func(tag uint32, block []byte) error) error {
	for _, p := range m.places {
		r := m.at(p)
		if err := yield(p.tag, r[:arena.BlockBytes(r.size())]); err != nil {
			return err
		}
	}
	return nil
}
