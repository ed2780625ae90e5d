package mmapwal

import (
	"slices"

	"orbitbench/engines"
)

// newRecord reserves a place for a record and writes it there, unseen by readers.
// The caller makes it visible (setState), or gives it back with freeRecord.
func (e *engine) newRecord(s *stripe, v engines.Version, tag uint32, key, value []byte) (ref, error) {
	size := recordBytes(len(key), len(value))
	c, ok := classOf(size)
	if !ok {
		return e.newSpan(s, v, tag, key, value)
	}
	pages := s.partialOf(c)
	if len(*pages) == 0 {
		if err := e.newSlab(s, c); err != nil {
			return 0, err
		}
		pages = s.partialOf(c)
	}
	p := (*pages)[len(*pages)-1]
	if err := e.verified(p); err != nil {
		return 0, err
	}
	slot := freeSlot(e.page(p), c)
	if slot < 0 {
		return 0, e.corrupt(p, pageInUse, "slab of class %d is full, its ledger says that it is not", c)
	}
	e.takeSlot(s, p, c, slot)
	r := makeRef(p, slotOffset(c, slot))
	e.memory(r, size).fill(v, stateReserved, tag, key, value)
	return r, nil
}

// takeSlot marks a free slot as in use.
func (e *engine) takeSlot(s *stripe, p uint32, c uint8, slot int) {
	e.touch(s, p)
	mem := e.page(p)
	markSlot(mem, slot)
	n := slabUsed(mem) + 1
	setSlabUsed(mem, n)
	if n == classes[c].slots {
		s.dropPartial(c, p)
		e.setEntry(s, entryOf(mem), ledgerEntry{p, ledgerSlab, c, 1})
	}
}

// newSlab makes a free page of the stripe a slab, and claims pages if there is none.
func (e *engine) newSlab(s *stripe, c uint8) error {
	if len(s.freePages) == 0 {
		// A large stripe claims several at a time, so that they lie together.
		if err := e.claim(s, useSlab, min(max(1, s.entries/32), 8)); err != nil {
			return err
		}
	}
	e.makeSlab(s, len(s.freePages)-1, c)
	return nil
}

func (e *engine) makeSlab(s *stripe, at int, c uint8) {
	o := s.freePages[at]
	s.freePages = slices.Delete(s.freePages, at, at+1)
	e.touch(s, o.page)
	initPage(e.page(o.page), kindSlab, c, 0, o.entry, s.no, o.page)
	e.setEntry(s, o.entry, ledgerEntry{o.page, ledgerSlab, c, 0})
	s.addPartial(c, o.page)
}

// newSpan puts a long record into a run of pages of its own.
func (e *engine) newSpan(s *stripe, v engines.Version, tag uint32, key, value []byte) (ref, error) {
	size := recordBytes(len(key), len(value))
	n := spanPages(size)
	at := slices.IndexFunc(s.freeSpans, func(o owned) bool { return o.n == n })
	if at < 0 {
		if err := e.claim(s, useSpan, n); err != nil {
			return 0, err
		}
		at = len(s.freeSpans) - 1
	}
	return e.takeSpan(s, at, v, tag, key, value), nil
}

func (e *engine) takeSpan(s *stripe, at int, v engines.Version, tag uint32, key, value []byte) ref {
	o := s.freeSpans[at]
	s.freeSpans = slices.Delete(s.freeSpans, at, at+1)
	for i := range o.n {
		e.touch(s, o.page+i)
	}
	initPage(e.page(o.page), kindSpan, 0, uint16(o.n), o.entry, s.no, o.page)
	e.setEntry(s, o.entry, ledgerEntry{o.page, ledgerSpan, 0, uint16(o.n)})
	r := makeRef(o.page, pageHead)
	e.memory(r, recordBytes(len(key), len(value))).fill(v, stateReserved, tag, key, value)
	return r
}

// freeRecord gives the place of a record back. A page of a slab that runs empty becomes a
// free page of the stripe.
func (e *engine) freeRecord(s *stripe, r ref) {
	p := r.page()
	mem := e.page(p)
	e.touch(s, p)
	mem[r.offset()+recState] = stateFree
	entry := entryOf(mem)
	if mem[0] == kindSpan {
		n := le.Uint16(mem[pageCount:])
		e.setEntry(s, entry, ledgerEntry{p, ledgerFreeSpan, 0, n})
		s.freeSpans = append(s.freeSpans, owned{p, entry, uint32(n)})
		return
	}
	c := mem[1]
	unmarkSlot(mem, (r.offset()-pageHead)/classes[c].slot)
	n := slabUsed(mem) - 1
	setSlabUsed(mem, n)
	if n == classes[c].slots-1 {
		s.addPartial(c, p)
		e.setEntry(s, entry, ledgerEntry{p, ledgerSlab, c, 0})
	}
	if n == 0 {
		s.dropPartial(c, p)
		e.setEntry(s, entry, ledgerEntry{p, ledgerFree, 0, 0})
		s.freePages = append(s.freePages, owned{p, entry, 1})
	}
}

func (s *stripe) partialOf(c uint8) *[]uint32 {
	for i := range s.partial {
		if s.partial[i].class == c {
			return &s.partial[i].pages
		}
	}
	s.partial = append(s.partial, partial{class: c})
	return &s.partial[len(s.partial)-1].pages
}

func (s *stripe) addPartial(c uint8, p uint32) {
	pages := s.partialOf(c)
	*pages = append(*pages, p)
}

func (s *stripe) dropPartial(c uint8, p uint32) {
	pages := s.partialOf(c)
	for i := len(*pages) - 1; i >= 0; i-- {
		if (*pages)[i] == p {
			*pages = slices.Delete(*pages, i, i+1)
			return
		}
	}
}
