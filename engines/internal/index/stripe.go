package index

import (
	"bytes"
	"errors"
	"fmt"
	"sync"

	"orbitbench/engines"
	"orbitbench/engines/internal/arena"
	"orbitbench/engines/internal/wal"
	"orbitbench/engines/lease"
)

// stripe is one of 256 parts of the index. A key's stripe is the top byte of
// its hash. Nothing waits for the device while it holds mu, except a class
// weaker than sync whose log has run out of buffer.
type stripe struct {
	mu      sync.Mutex
	gate    gate          // 0: usable; guarded by mu, like everything below
	table   arena.Table   // tag (low half of the hash) -> record
	handles []arena.Ref   // record by local id; 0 is a free id
	freeIDs []uint32      // local ids to use again
	retired []uint32      // local ids to use again after the next snapshot
	floor   uint64        // highest version of any record that was deleted here
	pending []pending     // slots of commits that are not durable yet
	free    []uint32      // unused slots of pending
	viewSeq uint64        // the newest open view, 0 if there is none
	history stripeHistory // what open views see instead of the current records

	lazyStripe

	away      *away  // what is not in memory yet, or nil
	highest   uint64 // highest version that recovery met
	live      uint64 // records with a version
	commits   uint64
	conflicts uint64
	scratch   Scratch
	visited   Op       // what Slice hands out, as one of its own would escape
	touched   byte     // keeps the compiler from dropping reads ahead
	_         [64]byte // neighbours do not share a cache line
}

// pending is a commit on one record between its append to the log and its
// being durable (class sync only): readers still see the record as it was,
// writers wait for the outcome.
type pending struct {
	lsn     wal.LSN // 0: the slot is free
	kind    engines.OpKind
	ref     arena.Ref // the record as it is
	newRef  arena.Ref // OpPut: the block to put in its place, or ref itself for a new record
	tag     uint32
	version engines.Version
	renewal lease.Renewal
}

func (ix *Index) hash(ks engines.Keyspace, key []byte) uint64 {
	return Hash(ix.seed, ks, key)
}

// Hash is the hash of a key. The top byte is the stripe, the low half is the tag.
func Hash(seed uint64, ks engines.Keyspace, key []byte) uint64 {
	return arena.Hash(seed+uint64(ks)*0x9e3779b97f4a7c15, key)
}

func (ix *Index) stripe(h uint64) *stripe { return &ix.stripes[h>>56] }

func (ix *Index) rec(ref arena.Ref) record { return record(ix.arena.From(ref)) }

// find returns the record of a key and its place in the table, or ref 0.
func (ix *Index) find(s *stripe, h uint64, ks engines.Keyspace, key []byte) (arena.Ref, uint32, record) {
	tag := uint32(h)
	for pos := s.table.Start(tag); ; pos++ {
		var ref arena.Ref
		if ref, pos = s.table.Next(tag, pos); ref == 0 {
			return 0, pos, nil
		}
		if r := ix.rec(ref); r.keyspace() == ks && bytes.Equal(r.key(), key) {
			return ref, pos, r
		}
	}
}

// place returns the place of a ref that is in the table.
func (s *stripe) place(tag uint32, ref arena.Ref) uint32 {
	for pos := s.table.Start(tag); ; pos++ {
		var got arena.Ref
		if got, pos = s.table.Next(tag, pos); got == ref {
			return pos
		} else if got == 0 {
			panic(fmt.Sprintf("index: block %d is not in the index", ref))
		}
	}
}

// settle makes a commit on the record visible if it has become durable, or
// returns its number for the caller to wait for without the lock. After a
// result of 0 the caller must find the record again: it may have moved.
func (ix *Index) settle(s *stripe, ref arena.Ref) wal.LSN {
	slot := s.holder(ref)
	if lsn := s.pending[slot].lsn; lsn > ix.log.Durable() {
		return lsn
	}
	ix.publishPending(s, slot)
	return 0
}

// lookup is find with every commit that is durable made visible. wait is the
// number of a commit on the record that is not durable yet, or 0.
func (ix *Index) lookup(s *stripe, h uint64, ks engines.Keyspace, key []byte) (ref arena.Ref, r record, wait wal.LSN) {
	ref, _, r = ix.find(s, h, ks, key)
	if ref == 0 || !r.held() {
		return ref, r, 0
	}
	if wait = ix.settle(s, ref); wait != 0 {
		return ref, r, wait
	}
	ref, _, r = ix.find(s, h, ks, key)
	return ref, r, 0
}

// nextVersion returns the version that follows cur, or that of a new record if cur is 0. One above MaxVersion cannot be
// assigned: it is above the ceiling too.
func (ix *Index) nextVersion(s *stripe, cur engines.Version) engines.Version {
	if cur == 0 {
		cur = engines.Version(s.floor)
	}
	return min(max(cur, ix.base), MaxVersion) + 1
}

// newID returns a free id. unused demands one that no record in the log can
// have: it is for a version that may not be above those of deleted records.
func (s *stripe) newID(index int, unused bool) (uint32, error) {
	if n := len(s.freeIDs); n > 0 && !unused {
		local := s.freeIDs[n-1]
		s.freeIDs = s.freeIDs[:n-1]
		return local*Stripes + uint32(index), nil
	}
	if len(s.handles) == MaxLocal {
		return 0, fmt.Errorf("%w: %d records in one stripe", engines.ErrFull, MaxLocal)
	}
	s.handles = append(s.handles, 0)
	return uint32(len(s.handles)-1)*Stripes + uint32(index), nil
}

// listFreeIDs ends replay: ids without a record are free.
func (s *stripe) listFreeIDs() {
	for local := len(s.handles) - 1; local >= 0; local-- {
		if s.handles[local] == 0 {
			s.freeIDs = append(s.freeIDs, uint32(local))
		}
	}
}

func (s *stripe) freeID(id uint32) {
	s.handles[localOf(id)] = 0
	s.freeIDs = append(s.freeIDs, localOf(id))
}

// create puts a new record without a version into the index, for publishPut or forget.
func (ix *Index) create(s *stripe, h uint64, ks engines.Keyspace, key, value []byte, unused bool) (arena.Ref, record, error) {
	id, err := s.newID(int(h>>56), unused)
	if err != nil {
		return 0, nil, err
	}
	ref, r, err := newRecord(ix.arena, id, 0, ks, key, value)
	if err == nil {
		if err = s.table.Insert(uint32(h), ref); err != nil {
			ix.arena.Free(ref, r.size())
		}
	}
	if err != nil {
		s.freeID(id)
		return 0, nil, fullError(err)
	}
	s.handles[localOf(id)] = ref
	return ref, r, nil
}

// forget takes a record out of the index and frees its block.
func (ix *Index) forget(s *stripe, tag uint32, ref arena.Ref) {
	r := ix.rec(ref)
	s.table.Remove(s.place(tag, ref))
	s.freeID(r.id())
	ix.freeBlock(ref, r.size())
}

func fullError(err error) error {
	if errors.Is(err, arena.ErrFull) {
		return fmt.Errorf("%w: %v", engines.ErrFull, err)
	}
	return err
}
