package bench

import (
	"encoding/binary"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"orbitbench/engines"
	"orbitbench/engines/lease"
)

const (
	actorType   = "orbit.Player" // 12 bytes
	keyBytes    = lease.UUIDBytes + len(actorType)
	recordBytes = 196 // of a lease record, without its key
	nodeName    = "node-00001"

	// leaseTime is long enough for no lease to run out while it is measured.
	leaseTime = 24 * time.Hour
)

// slot is what the harness knows of one actor. It fills one cache line, so that
// an operation costs the harness one miss at most.
type slot struct {
	version atomic.Uint64 // acknowledged last
	key     [keyBytes]byte
	_       [28]byte
}

// actors are the keys of one competitor and the versions that it acknowledged.
type actors struct {
	slots []slot
	now   int64 // ns since the Unix epoch when the records were made
}

// newActors makes n actors. Ids are random and decided by seed alone.
func newActors(n int, seed uint64, now time.Time) *actors {
	a := &actors{slots: make([]slot, n), now: now.UnixNano()}
	for i := range a.slots {
		putActorKey(&a.slots[i].key, seed, i)
	}
	return a
}

// putActorKey writes the key of actor i: an id that the seed decides and that
// looks random, and the type.
func putActorKey(key *[keyBytes]byte, seed uint64, i int) {
	binary.LittleEndian.PutUint64(key[:], mix(seed+uint64(2*i)*golden))
	binary.LittleEndian.PutUint64(key[8:], mix(seed+uint64(2*i+1)*golden))
	copy(key[lease.UUIDBytes:], actorType)
}

// golden and mix are those of SplitMix64 (Steele, Lea, Flood 2014): the n-th
// number of its sequence is mix(seed + n*golden), a bijection of 64 bits.
const golden = 0x9e3779b97f4a7c15

func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// record is the lease record that every actor is loaded with.
func (a *actors) record() []byte { return leaseRecord(a.now) }

// leaseRecord is a record of recordBytes, granted at a time.
func leaseRecord(now int64) []byte {
	l := lease.New(nodeName, now, leaseTime, make([]byte, recordBytes-lease.HeadBytes-len(nodeName)))
	for i := range l.CustomData {
		l.CustomData[i] = byte(i*37 + 11)
	}
	b, err := l.AppendBinary(nil)
	if err != nil {
		panic(err) // the node name is a constant of this file
	}
	return b
}

// loadBatch is the number of records in one batch of a bulk load: large enough
// for an engine to be quick, small enough for a memtable to hold.
const loadBatch = 1024

// put writes every record again, in batches, and remembers the versions.
// stop, if not nil, is asked after each batch.
func (a *actors) put(apply func(*engines.Batch) error, stop func() bool) error {
	value := a.record()
	var b engines.Batch
	for from := 0; from < len(a.slots); from += loadBatch {
		part := a.slots[from:min(from+loadBatch, len(a.slots))]
		b.Reset()
		for i := range part {
			b.Put(engines.Leases, part[i].key[:], value)
		}
		if err := apply(&b); err != nil {
			return err
		}
		for i := range part {
			part[i].version.Store(uint64(b.Ops[i].Assigned))
		}
		if stop != nil && stop() {
			break
		}
	}
	return nil
}

// chooser draws actors. It is for one goroutine.
type chooser struct {
	rng   *rand.PCG
	n     uint64
	drawn []uint32 // zipf: drawn ahead, because a draw costs as much as a renewal
	next  int
}

// zipfDraws is the length of the list of drawn actors, a power of two.
const zipfDraws = 1 << 19

// zipfList draws actors of n by a Zipf law with exponent s > 1. The ranks are
// spread over the actors, so that hot actors are no neighbours in memory.
func zipfList(n int, s float64, seed uint64) []uint32 {
	z := rand.NewZipf(rand.New(rand.NewPCG(seed, 0x5a697066)), s, 1, uint64(n-1))
	place := rand.New(rand.NewPCG(seed, 0x706c6163)).Perm(n)
	list := make([]uint32, zipfDraws)
	for i := range list {
		list[i] = uint32(place[z.Uint64()])
	}
	return list
}

func newChooser(n int, zipf []uint32, seed, worker uint64) *chooser {
	c := &chooser{rng: rand.NewPCG(seed, worker), n: uint64(n), drawn: zipf}
	if zipf != nil {
		c.next = int(c.rng.Uint64() & (zipfDraws - 1))
	}
	return c
}

// draw returns the index of the next actor.
func (c *chooser) draw() int {
	if c.drawn != nil {
		c.next = (c.next + 1) & (zipfDraws - 1)
		return int(c.drawn[c.next])
	}
	// Multiply-shift instead of a remainder; the bias is below n/2^32.
	return int((c.rng.Uint64() >> 32) * c.n >> 32)
}
