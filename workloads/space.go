package workloads

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"orbitbench/engines/lease"
)

// MaxActors is the largest population: an actor's number takes 32 bits of its
// key, and the reserve needs room beside it.
const MaxActors = 1_000_000_000

// reserveShare and reserveLeast size the part of a fully loaded population that
// new leases come from: 1/20 of it, and at least 64 for each worker.
const (
	reserveShare = 20
	reserveLeast = 64
)

// Space is a population of actors. Actor numbers run from 0 to Size()-1, in one
// block for each worker; a block begins with its residents, who hold a lease
// from the load on and never give it up, and ends with its reserve, whose
// leases the worker acquires and releases. A Space is immutable and safe for
// concurrent use.
type Space struct {
	params    Params
	seed      uint64
	salt      uint32 // of the keys
	residents int
	block     int // actors of one worker's block
	types     []typeSlot
	nodes     []string
	duration  int64
}

// NewSpace returns the population of p under seed.
func NewSpace(p Params, seed uint64) (*Space, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	s := &Space{
		params:    p,
		seed:      mix(seed ^ golden),
		residents: int(math.Round(p.Prefill * float64(p.Actors))),
		duration:  int64(p.LeaseSeconds * float64(time.Second)),
	}
	s.salt = uint32(s.seed)
	reserve := p.Actors - s.residents
	if reserve == 0 {
		reserve = p.Actors / reserveShare
	}
	perWorker := max((reserve+p.Workers-1)/p.Workers, reserveLeast)
	s.block = (s.residents+p.Workers-1)/p.Workers + perWorker
	if s.block > math.MaxUint32/p.Workers {
		return nil, fmt.Errorf("%d actors for %d workers take more than 2^32 keys", p.Actors, p.Workers)
	}
	for i := range p.Nodes {
		s.nodes = append(s.nodes, nodeName(i))
	}
	for i := range p.ActorTypes {
		name := typeName(p.Preset, i)
		slot := typeSlot{length: len(name)}
		copy(slot.bytes[:], name)
		s.types = append(s.types, slot)
	}
	return s, nil
}

func nodeName(i int) string { return fmt.Sprintf("node-%05d", i) }

// typeName is 12 bytes long up to 1,000 types.
func typeName(preset string, i int) string {
	if preset == "k8s-node" && i == 0 {
		return k8sType
	}
	return fmt.Sprintf("actortype%03d", i)
}

// Size is the number of actors that can ever hold a lease. It exceeds
// Params.Actors where all of those hold one: new leases need new actors.
func (s *Space) Size() int { return s.block * s.params.Workers }

// Residents is the number of actors that hold a lease from the load on.
func (s *Space) Residents() int { return s.residents }

// residentsOf is how many residents the block of a worker has.
func (s *Space) residentsOf(worker int) int {
	n := s.residents / s.params.Workers
	if worker < s.residents%s.params.Workers {
		n++
	}
	return n
}

// Resident returns the number of the i-th resident, 0 <= i < Residents().
func (s *Space) Resident(i int) int {
	return i%s.params.Workers*s.block + i/s.params.Workers
}

// IsResident reports whether the actor holds a lease from the load on.
func (s *Space) IsResident(actor int) bool {
	return actor%s.block < s.residentsOf(actor/s.block)
}

// Shared reports whether workers draw from each other's residents, so that two
// of them may renew one lease at a time. Under Zipf they do; under Uniform each
// worker renews its own, as in a cluster, where the node that holds an actor is
// the only one to renew it (unless there are fewer residents than workers). In
// Rounds the turn decides, whoever's it is.
func (s *Space) Shared() bool {
	return s.params.Distribution != Uniform || s.residents < s.params.Workers
}

// KeyRoom is the room that PutKey needs; no key is longer.
const KeyRoom = lease.UUIDBytes + typeRoom

// typeRoom is the longest name of a type.
const typeRoom = 32

// typeSlot is a name with room for the longest: copying all of it takes one
// instruction, where a copy of variable length is a call.
type typeSlot struct {
	bytes  [typeRoom]byte
	length int
}

// PutKey sets dst to the key of an actor, the bytes of a lease.Key, and returns its length.
//
// The id is a UUID whose first 32 bits are a permutation of the actor's number
// and whose rest is a hash of it, with version 8 (custom) and the RFC variant.
func (s *Space) PutKey(dst *[KeyRoom]byte, actor int) int {
	first, second, h := keyWords(uint32(actor)^s.salt, s.seed)
	binary.BigEndian.PutUint64(dst[0:], first)
	binary.BigEndian.PutUint64(dst[8:], second)
	t := &s.types[h>>32*uint64(len(s.types))>>32]
	*(*[typeRoom]byte)(dst[lease.UUIDBytes:]) = t.bytes
	return lease.UUIDBytes + t.length
}

// keyWords is small, so that it is compiled into its callers.
func keyWords(x uint32, seed uint64) (first, second, h uint64) {
	p := uint64(permute(x))
	h = (p + seed) * golden
	h = (h ^ h>>32) * wyMask
	return p<<32 | h>>32&^0xf000 | 0x8000, h*wyStep&^(3<<62) | 1<<63, h
}

// AppendKey appends the key of an actor to dst.
func (s *Space) AppendKey(dst []byte, actor int) []byte {
	var key [KeyRoom]byte
	n := s.PutKey(&key, actor)
	return append(dst, key[:n]...)
}

// KeyBytes is the length of the longest key.
func (s *Space) KeyBytes() int { return lease.UUIDBytes + s.types[len(s.types)-1].length }

// ActorOf returns the actor with this key, or false if no actor of s has it.
func (s *Space) ActorOf(key []byte) (int, bool) {
	if len(key) < lease.UUIDBytes {
		return 0, false
	}
	actor := int(unpermute(binary.BigEndian.Uint32(key)) ^ s.salt)
	if actor >= s.Size() {
		return 0, false
	}
	var want [KeyRoom]byte
	n := s.PutKey(&want, actor)
	return actor, bytes.Equal(want[:n], key)
}

// NodeOf returns the number of the node that holds an actor's lease.
func (s *Space) NodeOf(actor int) int {
	return int(scale(mix(s.seed^uint64(actor)*golden), uint64(len(s.nodes))))
}

// NodeName returns the name of a node.
func (s *Space) NodeName(node int) string { return s.nodes[node] }

// Duration is the duration of a lease in nanoseconds.
func (s *Space) Duration() int64 { return s.duration }

// FillLease sets *l to the lease that an actor acquires at time now (ns since
// the Unix epoch). It reuses the memory of l.CustomData, which pads the record
// to Params.ValueBytes with bytes that follow from the seed and the actor.
func (s *Space) FillLease(l *lease.Lease, actor int, now int64) {
	node := s.nodes[s.NodeOf(actor)]
	custom := s.appendCustom(l.CustomData[:0], actor, s.params.ValueBytes-lease.HeadBytes-len(node))
	*l = lease.New(node, now, time.Duration(s.duration), custom)
}

func (s *Space) appendCustom(dst []byte, actor, n int) []byte {
	r := random(mix(s.seed + uint64(actor)))
	for ; n >= 8; n -= 8 {
		dst = binary.LittleEndian.AppendUint64(dst, r.next())
	}
	for x := r.next(); n > 0; n-- {
		dst = append(dst, byte(x))
		x >>= 8
	}
	return dst
}

// CheckLease reports in what respect the bytes are not a lease that this
// workload wrote for the actor. scratch is reused between calls; nil is allowed.
func (s *Space) CheckLease(actor int, value []byte, scratch *lease.Lease) error {
	if err := lease.CheckHead(value); err != nil {
		return err
	}
	if len(value) != s.params.ValueBytes {
		return fmt.Errorf("record of %d bytes, want %d", len(value), s.params.ValueBytes)
	}
	node := s.nodes[s.NodeOf(actor)]
	if holder := lease.HolderOf(value); string(holder) != node {
		return fmt.Errorf("held by %q, want %q", holder, node)
	}
	if scratch == nil {
		scratch = new(lease.Lease)
	}
	custom := s.appendCustom(scratch.CustomData[:0], actor, len(value)-lease.HeadBytes-len(node))
	scratch.CustomData = custom
	if !bytes.Equal(custom, value[lease.HeadBytes+len(node):]) {
		return fmt.Errorf("custom data differ from what was written")
	}
	return s.checkTimes(value)
}

// checkTimes: every lease and every renewal of this workload runs for Duration.
func (s *Space) checkTimes(value []byte) error {
	var head lease.Lease
	if err := head.UnmarshalBinary(value[:lease.HeadBytes+len(lease.HolderOf(value))]); err != nil {
		return err
	}
	switch {
	case head.Duration != s.duration:
		return fmt.Errorf("lease_duration %d ns, want %d", head.Duration, s.duration)
	case head.ExpiresAt-head.LastRenewed != s.duration:
		return fmt.Errorf("expires %d ns after its last renewal, want %d", head.ExpiresAt-head.LastRenewed, s.duration)
	case head.LastRenewed < head.CreatedAt:
		return fmt.Errorf("last renewed %d ns before it was created", head.CreatedAt-head.LastRenewed)
	}
	return nil
}
