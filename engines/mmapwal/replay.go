package mmapwal

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"

	"orbitbench/engines"
	"orbitbench/engines/internal/wal"
	"orbitbench/engines/lease"
)

// Replay: the log is read in order by one goroutine, which deals its
// operations out to one replayer per processor by stripe. Operations of one
// stripe keep their order; those of different stripes have nothing in common.

// checkRecord reports what is wrong with the place of a record in its stripe, or with its state.
func (e *engine) checkRecord(s *stripe, r ref, state uint8) error {
	if r.page() >= e.pool.pages() {
		return fmt.Errorf("record %#x is beyond the table", uint32(r))
	}
	if err := e.verified(r.page()); err != nil {
		return err
	}
	mem := e.page(r.page())
	if le.Uint16(mem[pageStripe:]) != s.no || le.Uint32(mem[pageNumber:]) != r.page() {
		return fmt.Errorf("record %#x is not in a page of stripe %d", uint32(r), s.no)
	}
	switch mem[0] {
	case kindSpan:
		if r.offset() != pageHead {
			return fmt.Errorf("record %#x is not at the start of its span", uint32(r))
		}
	case kindSlab:
		slot, ok := slotOf(mem[1], r)
		if !ok || !slotIsUsed(mem, slot) {
			return fmt.Errorf("record %#x is in no slot that is in use", uint32(r))
		}
	default:
		return fmt.Errorf("record %#x is in a page of kind %d", uint32(r), mem[0])
	}
	rec := e.rec(r)
	if rec.state() != state {
		return fmt.Errorf("record %#x is in state %d, want %d", uint32(r), rec.state(), state)
	}
	return e.verifiedRest(r, rec)
}

// slotOf returns the slot of a record in a slab of class c.
func slotOf(c uint8, r ref) (int, bool) {
	if int(c) >= len(classes) {
		return 0, false
	}
	size := classes[c].slot
	slot := (r.offset() - pageHead) / size
	return slot, r.offset() >= pageHead && (r.offset()-pageHead)%size == 0 && slot < classes[c].slots
}

// applyLogged applies one operation of the log; h is the hash of a put's key. Errors: a reason for which the log is
// corrupt, *CorruptError, engines.ErrFull.
func (e *engine) applyLogged(s *stripe, o *op, h uint64) error {
	if err := e.ready(s); err != nil {
		return err
	}
	s.highest = max(s.highest, uint64(o.version))
	if o.kind == opPut {
		return e.applyPut(s, o, h)
	}
	if err := e.checkRecord(s, o.ref, stateUsed); err != nil {
		return err
	}
	rec := e.rec(o.ref)
	if o.kind == opDelete {
		s.floor = max(s.floor, uint64(o.version))
		s.live--
		e.remove(s, rec.tag(), o.ref)
		e.freeRecord(s, o.ref)
		return nil
	}
	if rec.version() >= o.version {
		return nil // the table was ahead
	}
	if err := lease.CheckHead(rec.value()); err != nil {
		return fmt.Errorf("renewal of record %#x, which is no lease: %v", uint32(o.ref), err)
	}
	e.touchRenewed(s, o.ref.page())
	rec.setVersion(o.version)
	o.renewal.PatchChecked(rec.value())
	return nil
}

func (e *engine) applyPut(s *stripe, o *op, h uint64) error {
	if stripeIndex(s.ks, h) != int(s.no) {
		return fmt.Errorf("key %x belongs to stripe %d", o.key, stripeIndex(s.ks, h))
	}
	tag := uint32(h)
	old, _, err := e.find(s, tag, o.key)
	if err != nil {
		return err
	}
	if err := e.placeAt(s, o, tag); err != nil {
		return err
	}
	e.memory(o.ref, recHead).setState(stateUsed)
	if old != 0 {
		e.replaceRef(s, tag, old, o.ref)
		e.freeRecord(s, old)
		return nil
	}
	s.live++
	return e.insert(s, tag, o.ref)
}

// placeAt writes the record of a put to the place that the log names.
func (e *engine) placeAt(s *stripe, o *op, tag uint32) error {
	p, size := o.ref.page(), recordBytes(len(o.key), len(o.value))
	if p >= e.pool.pages() {
		return fmt.Errorf("record %#x is beyond the table", uint32(o.ref))
	}
	c, slab := classOf(size)
	if !slab {
		n := spanPages(size)
		at := slices.IndexFunc(s.freeSpans, func(x owned) bool { return x.page == p && x.n == n })
		if at < 0 || o.ref.offset() != pageHead {
			return fmt.Errorf("stripe %d has no free span of %d pages at %d", s.no, n, p)
		}
		e.takeSpan(s, at, o.version, tag, o.key, o.value)
		return nil
	}
	if at := slices.IndexFunc(s.freePages, func(x owned) bool { return x.page == p }); at >= 0 {
		e.makeSlab(s, at, c)
	}
	if err := e.verified(p); err != nil {
		return err
	}
	mem := e.page(p)
	slot, ok := slotOf(c, o.ref)
	if mem[0] != kindSlab || le.Uint16(mem[pageStripe:]) != s.no || !ok {
		return fmt.Errorf("place %#x for a record of %d bytes is in no slab of stripe %d", uint32(o.ref), size, s.no)
	}
	if mem[1] != c && slabUsed(mem) == 0 { // it was given up and made anew
		entry := entryOf(mem)
		s.dropPartial(mem[1], p)
		s.freePages = append(s.freePages, owned{p, entry, 1})
		e.makeSlab(s, len(s.freePages)-1, c)
	}
	if mem[1] != c || slotIsUsed(mem, slot) {
		return fmt.Errorf("place %#x for a record of %d bytes is taken, or of another size", uint32(o.ref), size)
	}
	e.takeSlot(s, p, c, slot)
	e.memory(o.ref, size).fill(o.version, stateReserved, tag, o.key, o.value)
	return nil
}

func (e *engine) applyClaim(s *stripe, c claim) error {
	if err := e.ready(s); err != nil {
		return err
	}
	if err := e.takeClaimed(c); err != nil {
		return err
	}
	e.fresh(c.first, c.n)
	return e.takeOver(s, c.use, c.first, c.n)
}

// dealt is an operation on its way to a replayer. Keys and values lie in the deal's buffer.
type dealt struct {
	op
	lsn        wal.LSN
	begin, key int // opPut: the key begins there, and its length
	end        int // opPut: the value ends there
	claim      claim
}

// deal is what is handed to a replayer at a time.
type deal struct {
	ops []dealt
	buf []byte
}

const (
	dealOps   = 2048
	dealBytes = 1 << 20
	// ahead is how many records are touched before the first of them is used, so
	// that their cache misses overlap.
	ahead = 16
)

// replayer applies the operations of its stripes.
type replayer struct {
	e      *engine
	in     chan *deal
	out    chan *deal // for reuse
	err    error      // the first; read after the replayer has ended
	touch  uint64
	hashes [ahead]uint64 // of the keys of a window
}

func (a *replayer) run(done *sync.WaitGroup) {
	defer done.Done()
	for d := range a.in {
		if a.err == nil {
			a.err = a.apply(d)
		}
		d.ops, d.buf = d.ops[:0], d.buf[:0]
		a.out <- d
	}
}

func (a *replayer) apply(d *deal) (err error) {
	defer a.e.guard(debug.SetPanicOnFault(true), &err)
	for begin := 0; begin < len(d.ops); begin += ahead {
		window := d.ops[begin:min(begin+ahead, len(d.ops))]
		a.prefetch(d, window)
		for i := range window {
			o := &window[i]
			if err := a.one(o, a.hashes[i]); err != nil {
				if errors.Is(err, engines.ErrCorrupt) {
					return err
				}
				return fmt.Errorf("record %d: %w", o.lsn, err)
			}
		}
	}
	return nil
}

func (a *replayer) one(o *dealt, h uint64) error {
	s := &a.e.stripes[o.stripe]
	s.mu.Lock()
	defer s.mu.Unlock()
	if o.kind == opClaim {
		return a.e.applyClaim(s, o.claim)
	}
	return a.e.applyLogged(s, &o.op, h)
}

// prefetch finds the keys of a window of operations, and reads the first bytes of what they are about: a record, and
// for a put the head of its page and where the index has the key. No stripe of the replayer has another user.
func (a *replayer) prefetch(d *deal, window []dealt) {
	limit := a.e.pool.pages()
	for i := range window {
		o := &window[i]
		if o.kind != opClaim && o.ref.page() < limit {
			a.touch += uint64(a.e.memory(o.ref, 1)[0])
		}
		if o.kind != opPut {
			continue
		}
		o.op.key = d.buf[o.begin : o.begin+o.key]
		o.op.value = d.buf[o.begin+o.key : o.end]
		s := &a.e.stripes[o.stripe]
		a.hashes[i] = a.e.hash(s.ks, o.op.key)
		if o.ref.page() < limit {
			a.touch += uint64(a.e.page(o.ref.page())[0])
		}
		if tag := uint32(a.hashes[i]); len(s.dir) > 0 {
			a.touch += indexEntry(a.e.page(s.dir[tag>>dirShift&s.dirMask]), tag&posMask)
		}
	}
}

// dealer deals the operations of the log out to replayers.
type dealer struct {
	cut       wal.LSN // claims before it are in the table
	replayers []*replayer
	open      []*deal
	done      sync.WaitGroup
}

func newDealer(e *engine, cut wal.LSN) *dealer {
	n := min(max(runtime.GOMAXPROCS(0), 1), 8)
	d := &dealer{cut: cut}
	for range n {
		const inFlight = 4
		a := &replayer{e: e, in: make(chan *deal, inFlight), out: make(chan *deal, inFlight+1)}
		for range inFlight {
			a.out <- &deal{ops: make([]dealt, 0, dealOps)}
		}
		d.replayers = append(d.replayers, a)
		d.open = append(d.open, &deal{ops: make([]dealt, 0, dealOps)})
		d.done.Add(1)
		go a.run(&d.done)
	}
	return d
}

// record deals out one record of the log; it is the apply of wal.Open.
func (d *dealer) record(ctx context.Context, r wal.Record) error {
	if r.LSN%4096 == 0 && ctx.Err() != nil {
		return ctx.Err()
	}
	var err error
	if r.Kind == kindClaim {
		var c claim
		if c, err = parseClaim(r.Payload); err == nil && r.LSN >= d.cut {
			d.add(&dealt{op: op{kind: opClaim, stripe: c.stripe}, lsn: r.LSN, claim: c})
		}
	} else {
		err = eachOp(r.Kind, r.Payload, func(o op) error {
			d.add(&dealt{op: o, lsn: r.LSN})
			return nil
		})
	}
	if err != nil {
		return &engines.CorruptError{File: logName, Offset: -1, Reason: fmt.Sprintf("record %d: %v", r.LSN, err)}
	}
	return nil
}

func (d *dealer) add(o *dealt) {
	i := int(o.stripe) % len(d.replayers)
	t := d.open[i]
	t.ops = append(t.ops, *o)
	if o.kind == opPut {
		n := &t.ops[len(t.ops)-1]
		n.begin, n.key = len(t.buf), len(o.op.key)
		t.buf = append(append(t.buf, o.op.key...), o.value...)
		n.end = len(t.buf)
		n.op.key, n.op.value = nil, nil
	}
	if len(t.ops) == dealOps || len(t.buf) >= dealBytes {
		d.replayers[i].in <- t
		d.open[i] = <-d.replayers[i].out
	}
}

// finish waits for the replayers and returns the first error of each.
func (d *dealer) finish() error {
	var first error
	for i, a := range d.replayers {
		a.in <- d.open[i]
		close(a.in)
	}
	d.done.Wait()
	for _, a := range d.replayers {
		if a.err != nil && first == nil {
			first = a.err
		}
	}
	return first
}
