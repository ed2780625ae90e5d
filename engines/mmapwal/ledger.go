package mmapwal

import (
	"fmt"

	"orbitbench/engines"
)

// The ledger of a stripe lists its pages, in entries of 8 bytes:
//
//	 0          4      5     6        8
//	+----------+------+-----+--------+
//	| page     | kind | a   | b      |
//	+----------+------+-----+--------+
//
//	kind           a            b
//	1 slab         class        1 if every slot is in use
//	2 index        depth        prefix: what the low depth bits of its tags' directory bits are
//	3 span         0            pages
//	4 free         0            0: a page for the next slab
//	5 spare        0            0: a page for the next index or ledger page
//	6 free span    0            pages
//
// An entry of zeros is not in use. The ledger's own pages are listed in the root,
// and stand in no entry.
const (
	ledgerSlab     = 1
	ledgerIndex    = 2
	ledgerSpan     = 3
	ledgerFree     = 4
	ledgerSpare    = 5
	ledgerFreeSpan = 6

	maxDepth = 16
)

type ledgerEntry struct {
	page uint32
	kind uint8
	a    uint8
	b    uint16
}

func (l ledgerEntry) encode() uint64 {
	return uint64(l.page) | uint64(l.kind)<<32 | uint64(l.a)<<40 | uint64(l.b)<<48
}

func decodeLedger(w uint64) ledgerEntry {
	return ledgerEntry{uint32(w), uint8(w >> 32), uint8(w >> 40), uint16(w >> 48)}
}

// pages returns how many pages the entry lists.
func (l ledgerEntry) pages() uint32 {
	if l.kind == ledgerSpan || l.kind == ledgerFreeSpan {
		return uint32(l.b)
	}
	return 1
}

// check reports what is wrong with an entry in a table of limit pages.
func (l ledgerEntry) check(limit uint32) error {
	switch {
	case l.kind < ledgerSlab || l.kind > ledgerFreeSpan:
		return fmt.Errorf("kind %d", l.kind)
	case l.pages() == 0 || uint64(l.page)+uint64(l.pages()) > uint64(limit):
		return fmt.Errorf("pages %d to %d of %d", l.page, uint64(l.page)+uint64(l.pages()), limit)
	case l.page>>groupBits != (l.page+l.pages()-1)>>groupBits || l.page&groupMask == 0:
		return fmt.Errorf("page %d, which holds sums", l.page&^groupMask)
	case l.kind == ledgerSlab && (int(l.a) >= len(classes) || l.b > 1):
		return fmt.Errorf("slab of class %d, full %d", l.a, l.b)
	case l.kind == ledgerIndex && (l.a > maxDepth || uint32(l.b)>>l.a != 0):
		return fmt.Errorf("index page of depth %d, prefix %x", l.a, l.b)
	}
	return nil
}

// owned is a page, or a run of them, with its place in the ledger.
type owned struct{ page, entry, n uint32 }

// entryAt returns the memory of a ledger entry: its page and its place there.
func (e *engine) entryAt(s *stripe, entry uint32) (uint32, *page, uint32) {
	p := s.ledgers[entry/entriesPerPage]
	return p, e.page(p), entry % entriesPerPage
}

func (e *engine) setEntry(s *stripe, entry uint32, l ledgerEntry) {
	p, mem, i := e.entryAt(s, entry)
	e.touch(s, p)
	setIndexEntry(mem, i, l.encode())
}

func (e *engine) clearEntry(s *stripe, entry uint32) {
	p, mem, i := e.entryAt(s, entry)
	e.touch(s, p)
	setIndexEntry(mem, i, 0)
	s.freeEntries = append(s.freeEntries, entry)
}

// makeRoom sees to it that the ledger has n unused entries. A full one grows by a
// spare page. It comes before the claim that needs them in the log, as in replay.
func (e *engine) makeRoom(s *stripe, n uint32) error {
	for uint32(len(s.freeEntries)+len(s.ledgers)*entriesPerPage)-s.entries < n {
		if k := len(s.spares); k > 0 {
			p := s.spares[k-1]
			s.spares = s.spares[:k-1]
			e.addLedgerPage(s, p.page)
			e.clearEntry(s, p.entry)
			continue
		}
		// With no room in the ledger, a claimed spare page becomes part of it. A stripe
		// that has nothing yet will need another one for its index.
		want := uint32(1)
		if len(s.ledgers) == 0 {
			want = 2
		}
		if err := e.claim(s, useSpare, want); err != nil {
			return err
		}
	}
	return nil
}

// newEntry returns an unused entry; there is one.
func (s *stripe) newEntry() uint32 {
	if n := len(s.freeEntries); n > 0 {
		entry := s.freeEntries[n-1]
		s.freeEntries = s.freeEntries[:n-1]
		return entry
	}
	s.entries++
	return s.entries - 1
}

func (e *engine) addLedgerPage(s *stripe, p uint32) {
	e.touch(s, p)
	clear(e.page(p)[:])
	s.ledgers = append(s.ledgers, p)
}

// takeOver puts pages that were claimed for the stripe into its ledger.
func (e *engine) takeOver(s *stripe, use uint8, first, n uint32) error {
	for i := range n {
		p := owned{page: first + i, n: 1}
		l := ledgerEntry{page: p.page, kind: ledgerFree}
		switch use {
		case useSpare:
			l.kind = ledgerSpare
			if len(s.freeEntries) == 0 && s.entries == uint32(len(s.ledgers)*entriesPerPage) {
				e.addLedgerPage(s, p.page)
				continue
			}
		case useSpan:
			p.n = n
			l.kind, l.b = ledgerFreeSpan, uint16(n)
		}
		if err := e.makeRoom(s, 1); err != nil {
			return err
		}
		p.entry = s.newEntry()
		e.setEntry(s, p.entry, l)
		switch use {
		case useSpare:
			s.spares = append(s.spares, p)
		case useSpan:
			s.freeSpans = append(s.freeSpans, p)
			return nil
		default:
			s.freePages = append(s.freePages, p)
		}
	}
	return nil
}

// load reads the ledger of a stripe on its first use.
func (e *engine) load(s *stripe) error {
	if s.loaded {
		return nil
	}
	for at, lp := range s.ledgers {
		if err := e.verified(lp); err != nil {
			return err
		}
		mem := e.page(lp)
		for i := range uint32(entriesPerPage) {
			entry := uint32(at)*entriesPerPage + i
			w := indexEntry(mem, i)
			if w == 0 {
				s.freeEntries = append(s.freeEntries, entry)
				continue
			}
			l := decodeLedger(w)
			if err := l.check(e.pool.pages()); err != nil {
				return e.corrupt(lp, int64(i)*8, "ledger of stripe %d lists %v", s.no, err)
			}
			if err := s.list(l, entry); err != nil {
				return e.corrupt(lp, int64(i)*8, "ledger of stripe %d: %v", s.no, err)
			}
		}
	}
	s.entries = uint32(len(s.ledgers) * entriesPerPage)
	if err := s.buildDirectory(); err != nil {
		lp := uint32(0)
		if len(s.ledgers) > 0 {
			lp = s.ledgers[0]
		}
		return e.corrupt(lp, 0, "ledger of stripe %d: %v", s.no, err)
	}
	s.loaded = true
	return nil
}

// list takes an entry of the ledger into the memory of the stripe.
func (s *stripe) list(l ledgerEntry, entry uint32) error {
	o := owned{page: l.page, entry: entry, n: l.pages()}
	switch l.kind {
	case ledgerSlab:
		if l.b == 0 {
			s.addPartial(l.a, l.page)
		}
	case ledgerIndex:
		s.index = append(s.index, indexPage{page: l.page, entry: entry, depth: l.a, prefix: l.b, used: -1})
	case ledgerFree:
		s.freePages = append(s.freePages, o)
	case ledgerSpare:
		s.spares = append(s.spares, o)
	case ledgerFreeSpan:
		s.freeSpans = append(s.freeSpans, o)
	}
	return nil
}

// corrupt returns the error for damage at an offset of a page.
func (e *engine) corrupt(p uint32, off int64, format string, args ...any) error {
	return &engines.CorruptError{File: e.path(tableName), Offset: int64(p)*pageBytes + off, Reason: fmt.Sprintf(format, args...)}
}
