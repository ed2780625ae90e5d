package mmapwal

import (
	"bytes"
	"fmt"
	"sync"

	"orbitbench/engines"
	"orbitbench/engines/internal/arena"
	"orbitbench/engines/internal/wal"
	"orbitbench/engines/lease"
)

// Each keyspace has a table of its own: a number of stripes that fits what it
// holds. A key's stripe is given by the top bits of its hash.
var stripeBits = [engines.NumKeyspaces]uint8{
	engines.Leases: 8, engines.Nodes: 4, engines.Snapshots: 6,
	engines.QueryCache: 6, engines.TimeSeries: 6, engines.Index: 8,
}

// firstStripe is the number of the first stripe of each keyspace; numStripes is
// how many there are. Both are part of the format.
var firstStripe = [engines.NumKeyspaces]uint16{
	engines.Leases: 0, engines.Nodes: 256, engines.Snapshots: 272,
	engines.QueryCache: 336, engines.TimeSeries: 400, engines.Index: 464,
}

const numStripes = 720

// keyspaceOf returns the keyspace of a stripe.
func keyspaceOf(stripe uint16) engines.Keyspace {
	ks := engines.NumKeyspaces - 1
	for firstStripe[ks] > stripe {
		ks--
	}
	return engines.Keyspace(ks)
}

// stripe is a part of a table with its own lock and its own pages. Nothing waits
// for the device while it holds mu, but for room in the log's buffer and for pages
// that are read for the first time.
type stripe struct {
	// What every call needs comes first, in two cache lines.
	mu      sync.Mutex
	closed  bool // guarded by mu, like everything below
	loaded  bool // the ledger has been read
	no      uint16
	ks      engines.Keyspace
	waiting int32 // slots of pending in use
	// The directory of an extendible hash table: the index page of a tag is
	// dir[tag>>9 & dirMask].
	dirMask uint32
	dir     []uint32 // page numbers
	viewSeq uint64   // the newest open view, 0 if there is none
	highest uint64   // highest version of all
	commits uint64
	scratch [renewBytes]byte

	dirOf []int32     // places in index, beside dir
	index []indexPage // every index page once

	ledgers     []uint32 // pages of the ledger
	entries     uint32   // entries that were ever used
	freeEntries []uint32
	partial     []partial // slabs with a free slot
	freePages   []owned   // for slabs
	spares      []owned   // for index and ledger
	freeSpans   []owned

	floor     uint64 // highest version of any record that was deleted here
	live      uint64 // records in use
	conflicts uint64

	pending     []pending // slots of commits that are not durable yet
	pendingRefs []ref     // the records that they are about, 0: the slot is free
	freePending []uint32  // unused slots of pending
	limbo       []ref     // slots that an ordered set may still be reading
	history     history   // what open views see instead of the current records

	_ [64]byte // neighbours do not share a cache line
}

// indexPage is an index page: it has the tags whose low depth directory bits are prefix.
type indexPage struct {
	page, entry uint32
	used        int32 // entries, -1: not counted yet
	depth       uint8
	prefix      uint16
}

// partial lists the slabs of a class that have a free slot.
type partial struct {
	class uint8
	pages []uint32
}

// pending is a commit on one record between its append to the log and its being
// durable (class sync only): readers still see the record as it was, writers wait
// for the outcome.
type pending struct {
	lsn     wal.LSN // 0: the slot is free
	kind    uint8
	created bool // opPut: the record is new, and newRef is in the index already
	ref     ref  // the record as it is; newRef if created
	newRef  ref  // opPut: the record to put in its place
	version engines.Version
	renewal lease.Renewal
}

func (e *engine) hash(ks engines.Keyspace, key []byte) uint64 {
	return arena.Hash(e.seed+uint64(ks)*0x9e3779b97f4a7c15, key)
}

func stripeIndex(ks engines.Keyspace, h uint64) int {
	return int(firstStripe[ks]) + int(h>>(64-stripeBits[ks]))
}

func (e *engine) stripe(ks engines.Keyspace, h uint64) *stripe { return &e.stripes[stripeIndex(ks, h)] }

const (
	// fullIndex is the number of entries at which an index page is split.
	fullIndex = 420
	dirShift  = 9
	posMask   = entriesPerPage - 1
)

// find returns the record of a key, or ref 0. The stripe is loaded.
func (e *engine) find(s *stripe, tag uint32, key []byte) (ref, record, error) {
	if len(s.dir) == 0 {
		return 0, nil, nil
	}
	p := s.dir[tag>>dirShift&s.dirMask]
	if err := e.verified(p); err != nil {
		return 0, nil, err
	}
	mem := e.page(p)
	for i := tag; ; i++ {
		w := indexEntry(mem, i&posMask)
		if w == 0 {
			return 0, nil, nil
		}
		if uint32(w>>32) != tag {
			continue
		}
		r := ref(w)
		if err := e.verified(r.page()); err != nil {
			return 0, nil, err
		}
		rec := e.rec(r)
		if bytes.Equal(rec.key(), key) {
			return r, rec, e.verifiedRest(r, rec)
		}
	}
}

// place returns the index page of a record that is in the index, and its place there.
func (e *engine) place(s *stripe, tag uint32, r ref) (uint32, uint32) {
	p := s.dir[tag>>dirShift&s.dirMask]
	mem := e.page(p)
	for i := range uint32(entriesPerPage) {
		w := indexEntry(mem, (tag+i)&posMask)
		if ref(w) == r && uint32(w>>32) == tag {
			return p, (tag + i) & posMask
		}
		if w == 0 {
			break
		}
	}
	panic(fmt.Sprintf("mmapwal: record %#x is not in the index of stripe %d", uint32(r), s.no))
}

// replaceRef makes the index entry of a record point to another one.
func (e *engine) replaceRef(s *stripe, tag uint32, old, now ref) {
	p, i := e.place(s, tag, old)
	e.touch(s, p)
	setIndexEntry(e.page(p), i, uint64(tag)<<32|uint64(now))
}

// insert adds a record whose key is not in the index. When it fails nothing has changed that matters.
func (e *engine) insert(s *stripe, tag uint32, r ref) error {
	for {
		if len(s.dir) == 0 {
			if err := e.firstIndexPage(s); err != nil {
				return err
			}
		}
		x := &s.index[s.dirOf[tag>>dirShift&s.dirMask]]
		if err := e.verified(x.page); err != nil {
			return err
		}
		mem := e.page(x.page)
		if x.used < 0 {
			x.used = countEntries(mem)
		}
		if x.used >= fullIndex {
			if err := e.split(s, tag); err != nil {
				return err
			}
			continue
		}
		e.touch(s, x.page)
		putEntry(mem, uint64(tag)<<32|uint64(r))
		x.used++
		return nil
	}
}

func countEntries(mem *page) (n int32) {
	for i := range uint32(entriesPerPage) {
		if indexEntry(mem, i) != 0 {
			n++
		}
	}
	return n
}

func putEntry(mem *page, w uint64) {
	i := uint32(w >> 32)
	for indexEntry(mem, i&posMask) != 0 {
		i++
	}
	setIndexEntry(mem, i&posMask, w)
}

// remove takes a record out of the index, and moves later entries of its run back so
// that no gap is left in it.
func (e *engine) remove(s *stripe, tag uint32, r ref) {
	p, hole := e.place(s, tag, r)
	e.touch(s, p)
	mem := e.page(p)
	for i := hole; ; {
		i = (i + 1) & posMask
		w := indexEntry(mem, i)
		if w == 0 {
			break
		}
		home := uint32(w>>32) & posMask
		if (i-home)&posMask >= (i-hole)&posMask {
			setIndexEntry(mem, hole, w)
			hole = i
		}
	}
	setIndexEntry(mem, hole, 0)
	if x := &s.index[s.dirOf[tag>>dirShift&s.dirMask]]; x.used > 0 {
		x.used--
	}
}

// newIndexPage turns a spare page into an empty index page.
func (e *engine) newIndexPage(s *stripe, depth uint8, prefix uint16) error {
	if len(s.spares) == 0 {
		if err := e.claim(s, useSpare, 1); err != nil {
			return err
		}
		if len(s.spares) == 0 { // it went into the ledger
			return e.newIndexPage(s, depth, prefix)
		}
	}
	o := s.spares[len(s.spares)-1]
	s.spares = s.spares[:len(s.spares)-1]
	e.touch(s, o.page)
	clear(e.page(o.page)[:])
	e.setEntry(s, o.entry, ledgerEntry{o.page, ledgerIndex, depth, prefix})
	s.index = append(s.index, indexPage{page: o.page, entry: o.entry, depth: depth, prefix: prefix})
	return nil
}

func (e *engine) firstIndexPage(s *stripe) error {
	if err := e.newIndexPage(s, 0, 0); err != nil {
		return err
	}
	s.dir, s.dirOf, s.dirMask = []uint32{s.index[0].page}, []int32{0}, 0
	return nil
}

// split divides the index page of a tag by one more bit.
func (e *engine) split(s *stripe, tag uint32) error {
	at := s.dirOf[tag>>dirShift&s.dirMask]
	depth := s.index[at].depth
	if depth == maxDepth {
		return fmt.Errorf("%w: %d records in one stripe", engines.ErrFull, s.live)
	}
	prefix := s.index[at].prefix
	if err := e.newIndexPage(s, depth+1, prefix|1<<depth); err != nil {
		return err
	}
	x, y := &s.index[at], &s.index[len(s.index)-1]
	e.touch(s, x.page)
	old := *e.page(x.page)
	low, high := e.page(x.page), e.page(y.page)
	clear(low[:])
	x.used = 0
	for i := range uint32(entriesPerPage) {
		w := indexEntry(&old, i)
		switch {
		case w == 0:
		case w>>32>>dirShift>>depth&1 != 0:
			putEntry(high, w)
			y.used++
		default:
			putEntry(low, w)
			x.used++
		}
	}
	x.depth++
	e.setEntry(s, x.entry, ledgerEntry{x.page, ledgerIndex, x.depth, x.prefix})
	if 1<<depth > s.dirMask {
		s.dir = append(s.dir, s.dir...)
		s.dirOf = append(s.dirOf, s.dirOf...)
		s.dirMask = uint32(len(s.dir) - 1)
	}
	for i := uint32(y.prefix); i <= s.dirMask; i += 1 << y.depth {
		s.dir[i], s.dirOf[i] = y.page, int32(len(s.index)-1)
	}
	return nil
}

// buildDirectory makes the directory from the index pages that the ledger lists.
func (s *stripe) buildDirectory() error {
	depth := uint8(0)
	for _, x := range s.index {
		depth = max(depth, x.depth)
	}
	if len(s.index) == 0 {
		return nil
	}
	n := 1 << depth
	s.dirMask = uint32(n - 1)
	s.dir, s.dirOf = make([]uint32, n), make([]int32, n)
	filled := 0
	for i, x := range s.index {
		for at := int(x.prefix); at < n; at += 1 << x.depth {
			if s.dir[at] != 0 {
				return fmt.Errorf("index pages %d and %d share tags", s.dir[at], x.page)
			}
			s.dir[at], s.dirOf[at] = x.page, int32(i)
			filled++
		}
	}
	if filled != n {
		return fmt.Errorf("%d of %d parts of the index have a page", filled, n)
	}
	return nil
}
