package mmapwal

import (
	"errors"
	"fmt"
	"math/bits"

	"orbitbench/engines"
)

// audit checks that the pages of a table fit together: every page is in one list, every
// record in one index entry, and every count is right.
type audit struct {
	e        *engine
	owner    []uint16 // by page: 1 + the number of its stripe, or one of the values below
	reserved map[ref]bool
	records  uint64
	step     func() error // called for each page
}

const (
	pageFree = 0xffff
	pageSums = 0xfffe
)

// newAudit prepares the audit of a table whose stripes are locked, or that nobody else uses.
// reserved are the records that may be reserved; true: it is in the index.
func newAudit(e *engine, reserved map[ref]bool, step func() error) (*audit, error) {
	a := &audit{e: e, owner: make([]uint16, e.pool.next), reserved: reserved, step: step}
	for p := range e.pool.next {
		if p&groupMask == 0 {
			a.owner[p] = pageSums
		} else if e.pool.isFree(p) {
			a.owner[p] = pageFree
		}
	}
	return a, nil
}

func (a *audit) own(s *stripe, p uint32) error {
	if p >= uint32(len(a.owner)) || a.owner[p] != 0 {
		have := "beyond the last page"
		if p < uint32(len(a.owner)) {
			have = map[uint16]string{pageFree: "free", pageSums: "a page of sums"}[a.owner[p]]
			if have == "" {
				have = fmt.Sprintf("listed by stripe %d", a.owner[p]-1)
			}
		}
		return a.e.corrupt(p, 0, "page %d is listed by stripe %d, and is %s", p, s.no, have)
	}
	a.owner[p] = s.no + 1
	if a.step != nil {
		return a.step()
	}
	return nil
}

// finish checks that no page is lost. lost are pages that may be in no list.
func (a *audit) finish(lost []owned) error {
	for _, o := range lost {
		for p := o.page; p < o.page+o.n; p++ {
			a.owner[p] = pageFree
		}
	}
	for p, o := range a.owner {
		if o == 0 && p > 0 {
			return a.e.corrupt(uint32(p), 0, "page %d is in no list", p)
		}
	}
	return nil
}

// stripe checks one stripe.
func (a *audit) stripe(s *stripe) error {
	e := a.e
	for _, p := range s.ledgers {
		if err := a.own(s, p); err != nil {
			return err
		}
	}
	if err := e.load(s); err != nil {
		return err
	}
	var used, reserved, indexed uint64
	for entry := range s.entries {
		lp, mem, i := e.entryAt(s, entry)
		w := indexEntry(mem, i)
		if w == 0 {
			continue
		}
		l := decodeLedger(w)
		if err := l.check(e.pool.pages()); err != nil {
			return e.corrupt(lp, int64(i)*8, "ledger of stripe %d lists %v", s.no, err)
		}
		for n := range l.pages() {
			if err := a.own(s, l.page+n); err != nil {
				return err
			}
		}
		u, r, x, err := a.entry(s, l, entry)
		if err != nil {
			return err
		}
		used, reserved, indexed = used+u, reserved+r, indexed+x
	}
	loose := uint64(0)
	for r, in := range a.reserved {
		if in && e.pageStripe(r) == s.no {
			loose++
		}
	}
	if used != s.live || indexed != used+loose {
		return e.corrupt(0, 0, "stripe %d has %d records, %d index entries (%d of records to come), and counts %d", s.no, used, indexed, loose, s.live)
	}
	a.records += used
	return nil
}

func (e *engine) pageStripe(r ref) uint16 { return le.Uint16(e.page(r.page())[pageStripe:]) }

// entry checks the pages of a ledger entry.
func (a *audit) entry(s *stripe, l ledgerEntry, entry uint32) (used, reserved, indexed uint64, err error) {
	e := a.e
	switch l.kind {
	case ledgerIndex:
		if err := e.verified(l.page); err != nil {
			return 0, 0, 0, err
		}
		indexed, err = a.index(s, l)
		return 0, 0, indexed, err
	case ledgerSlab, ledgerSpan:
		if err := e.verified(l.page); err != nil {
			return 0, 0, 0, err
		}
		used, reserved, err = a.holder(s, l, entry)
	}
	return used, reserved, 0, err
}

// index checks an index page.
func (a *audit) index(s *stripe, l ledgerEntry) (n uint64, err error) {
	e := a.e
	mem := e.page(l.page)
	for i := range uint32(entriesPerPage) {
		w := indexEntry(mem, i)
		if w == 0 {
			continue
		}
		n++
		tag, r := uint32(w>>32), ref(w)
		bad := func(format string, args ...any) error {
			return e.corrupt(l.page, int64(i)*8, "index entry of record %#x: %s", uint32(r), fmt.Sprintf(format, args...))
		}
		if tag>>dirShift&(1<<l.a-1) != uint32(l.b) {
			return n, bad("tag %08x in the page of prefix %x, depth %d", tag, l.b, l.a)
		}
		for j := tag & posMask; j != i; j = (j + 1) & posMask {
			if indexEntry(mem, j) == 0 {
				return n, bad("it cannot be found from its home, %d", tag&posMask)
			}
		}
		state := uint8(stateUsed)
		if in, ok := a.reserved[r]; ok && in {
			state = stateReserved
		}
		if err := e.checkRecord(s, r, state); errors.Is(err, engines.ErrCorrupt) {
			return n, err
		} else if err != nil {
			return n, bad("%v", err)
		}
		rec := e.rec(r)
		h := e.hash(s.ks, rec.key())
		if uint32(h) != tag || rec.tag() != tag || stripeIndex(s.ks, h) != int(s.no) {
			return n, bad("key %x has hash %016x", rec.key(), h)
		}
	}
	return n, nil
}

// holder checks a slab or a span, and its records.
func (a *audit) holder(s *stripe, l ledgerEntry, entry uint32) (used, reserved uint64, err error) {
	e := a.e
	mem := e.page(l.page)
	bad := func(format string, args ...any) error {
		return e.corrupt(l.page, 0, "page %d of stripe %d: %s", l.page, s.no, fmt.Sprintf(format, args...))
	}
	kind := uint8(kindSlab)
	if l.kind == ledgerSpan {
		kind = kindSpan
	}
	if mem[0] != kind || le.Uint16(mem[pageStripe:]) != s.no || le.Uint32(mem[pageNumber:]) != l.page || entryOf(mem) != entry {
		return 0, 0, bad("its head is %x", mem[:pageHead])
	}
	count := func(r ref) error {
		rec := e.rec(r)
		_, mayBe := a.reserved[r]
		switch {
		case rec.state() == stateReserved && mayBe:
			reserved++
		case rec.state() == stateUsed:
			used++
			at, _, err := e.find(s, rec.tag(), rec.key())
			if err != nil {
				return err
			}
			if at != r {
				return bad("its record %#x is not in the index, %#x is", uint32(r), uint32(at))
			}
		default:
			return bad("its record %#x is in state %d", uint32(r), rec.state())
		}
		return nil
	}
	if kind == kindSpan {
		if n := uint32(le.Uint16(mem[pageCount:])); n != l.pages() || spanPages(len(e.rec(makeRef(l.page, pageHead)))) != n {
			return 0, 0, bad("span of %d pages, its ledger says %d", n, l.pages())
		}
		return used, reserved, count(makeRef(l.page, pageHead))
	}
	n := bits.OnesCount64(inUse(mem, 0)) + bits.OnesCount64(inUse(mem, 1))
	full := n == classes[l.a].slots
	if mem[1] != l.a || n != slabUsed(mem) || n > classes[l.a].slots || full != (l.b == 1) {
		return 0, 0, bad("%d slots of class %d in use, its head says %d and its ledger class %d, full %d", n, mem[1], slabUsed(mem), l.a, l.b)
	}
	for slot := range classes[l.a].slots {
		if !slotIsUsed(mem, slot) {
			continue
		}
		if r := makeRef(l.page, slotOffset(l.a, slot)); recordFits(e.memory(r, recHead), l.a) {
			err = count(r)
		} else {
			err = bad("its record %#x is too long", uint32(r))
		}
		if err != nil {
			return used, reserved, err
		}
	}
	return used, reserved, nil
}

// recordFits reports whether a record has the size of the class.
func recordFits(head record, c uint8) bool {
	have, ok := classOf(recordBytes(head.keyLen(), head.valueLen()))
	return ok && have == c
}

// auditLive checks an open engine, all of whose calls have to wait meanwhile. No
// checkpoint runs: it gives the pages back that stripes have released.
func (e *engine) auditLive() error {
	e.checkpointing.Lock()
	defer e.checkpointing.Unlock()
	return e.withAll(func() error {
		reserved := map[ref]bool{}
		for i := range e.stripes {
			s := &e.stripes[i]
			for _, r := range s.limbo {
				reserved[r] = false
			}
			for _, p := range s.pending {
				if p.lsn != 0 && p.kind == opPut {
					reserved[p.newRef] = p.created
				}
			}
		}
		e.pool.mu.Lock()
		a, err := newAudit(e, reserved, nil)
		e.pool.mu.Unlock()
		if err != nil {
			return err
		}
		for i := range e.stripes {
			if err := a.stripe(&e.stripes[i]); err != nil {
				return err
			}
		}
		return a.finish(e.last.released)
	})
}
