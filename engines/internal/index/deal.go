package index

import (
	"cmp"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"orbitbench/engines"
	"orbitbench/engines/internal/wal"
)

// Replay: whoever reads the log, on one goroutine or several, checks its operations and deals out by
// stripe where they lie. Nothing is copied and no record made before a stripe comes into memory (image.go):
// then its operations are read where they lie, in the order of the log. Operations of different
// stripes have nothing in common.

// place is one operation of the log. It is short, as there may be many millions.
type place struct {
	at  uint32 // its offset in the segment
	rel uint32 // number of its record less that of the deal's first one; isDelta: it is a delta, not an operation of a batch
}

const (
	isDelta    = 1 << 31
	placeBytes = 8
	dealPlaces = 512
	// backlogBytes bounds the places that wait; beyond it stripes are brought in during replay.
	backlogBytes = 256 << 20
)

// deal is some operations on one stripe that follow each other in one segment. No operation of the same
// stripe that is in another deal lies between its first and its last.
type deal struct {
	segment     int
	first, last wal.LSN
	places      []place
	sum         dealSum
}

// dealSum is what is known of a deal's operations before they are applied.
type dealSum struct {
	highest, floor uint64
	shapes         int   // operations that are no renewals
	puts           int   // those of them that are puts
	bytes          int64 // of the blocks of what is put
}

func (a *dealSum) add(o *Op) {
	a.highest = max(a.highest, uint64(o.Version))
	switch o.Kind {
	case engines.OpPut:
		a.shapes++
		a.puts++
		a.bytes += int64(BlockBytes(o))
	case engines.OpDelete:
		a.shapes++
		a.floor = max(a.floor, uint64(o.Version))
	}
}

// lane is what one goroutine that reads the log has dealt out in this round.
type lane struct {
	segment int
	open    [Stripes]*deal
	full    [Stripes][]*deal
	_       [64]byte
}

// Dealer deals the operations of the log out to the stripes.
type Dealer struct {
	ix     *Index
	lanes  []lane
	places atomic.Int64 // in backlogs
	err    error        // the first; nothing is dealt after it
}

// replayed is what an index has of the log that was replayed.
type replayed struct {
	text      wal.Text
	knownUpTo wal.LSN               // operations up to here may be on records that the image knows to be gone
	damage    func(err error) error // makes a *ReplayError damage of the log; other errors it returns as they are
}

// NewDealer returns a dealer for n goroutines that call Add, each with a lane of its own, for a log
// that is opened with the dealer's Text. It makes every stripe of the index one that is away. upTo is the end of the
// image that was set, 0 without one: operations up to there may be on records that are gone. damage makes a
// *ReplayError damage of the log, and returns other errors as they are.
func NewDealer(ix *Index, upTo wal.LSN, n int, damage func(error) error) *Dealer {
	ix.replayed.knownUpTo, ix.replayed.damage = upTo, damage
	if ix.image.Image == nil {
		ix.setAway(&Image{Done: func() {}})
	}
	return &Dealer{ix: ix, lanes: make([]lane, n)}
}

// Text is where the index reads the log's operations again. The index closes it.
func (d *Dealer) Text() *wal.Text { return &d.ix.replayed.text }

// Add deals an operation of a log record out to a lane, whose records come in the order of
// their segment. at is its offset in the record's payload.
func (d *Dealer) Add(number int, r *wal.Record, at int, o *Op) {
	t := d.lanes[number].deal(r, StripeOf(o.ID))
	t.places = append(t.places, place{uint32(r.Offset) + uint32(at), uint32(r.LSN - t.first)})
	t.sum.add(o)
}

// AddDeltas is Add for every delta of a record whose payload is deltas. Renewals are most of a log,
// so no Op is made of them. Errors say what is wrong with one.
func (d *Dealer) AddDeltas(number int, r *wal.Record) error {
	l := &d.lanes[number]
	for at := 0; at < len(r.Payload); at += DeltaBytes {
		id, version, err := deltaHead(r.Payload[at:])
		if err != nil {
			return err
		}
		t := l.deal(r, StripeOf(id))
		t.places = append(t.places, place{uint32(r.Offset) + uint32(at), uint32(r.LSN-t.first) | isDelta})
		t.sum.highest = max(t.sum.highest, uint64(version))
	}
	return nil
}

// deal returns the deal that takes a stripe's next operation, which is r's.
func (l *lane) deal(r *wal.Record, stripe int) *deal {
	if r.Segment != l.segment {
		l.seal()
		l.segment = r.Segment
	}
	t := l.open[stripe]
	if t == nil || len(t.places) == dealPlaces {
		if t != nil {
			l.full[stripe] = append(l.full[stripe], t)
		}
		t = &deal{segment: r.Segment, first: r.LSN, places: make([]place, 0, dealPlaces/8)}
		l.open[stripe] = t
	}
	t.last = r.LSN
	return t
}

// seal ends every deal of the lane: what comes is from another part of the log.
func (l *lane) seal() {
	for i, t := range l.open {
		if t != nil {
			l.full[i] = append(l.full[i], t)
			l.open[i] = nil
		}
	}
}

// Round gives the stripes what was dealt out to them, but for records above valid,
// which are forgotten. No lane may be in use. Errors: a *ReplayError, for which
// the log is corrupt, engines.ErrFull, and those of bringing in a stripe.
func (d *Dealer) Round(valid wal.LSN) error {
	if d.err != nil {
		return d.err
	}
	for i := range d.lanes {
		d.lanes[i].seal()
	}
	var tight atomic.Bool
	d.err = eachStripe(func(i int) error {
		fits, err := d.settle(i, valid)
		if !fits {
			tight.Store(true)
		}
		return err
	})
	if d.err == nil && (tight.Load() || d.places.Load() > backlogBytes/placeBytes) {
		d.places.Store(0)
		d.err = d.ix.bringInNow()
	}
	return d.err
}

// bringInNow brings every stripe in. What was promised for what the log puts may be much more than
// that takes in the end, as puts replace each other: the promise is broken.
func (ix *Index) bringInNow() error {
	for i := range ix.stripes {
		if a := ix.stripes[i].away; a != nil {
			ix.arena.Break(a.room)
			a.room = 0
		}
	}
	return eachStripe(func(i int) error { return ix.loadOne(&ix.stripes[i], 1+i%2) })
}

// eachStripe calls f for every stripe, on every processor, and returns an error of the lowest stripe that has one.
func eachStripe(f func(i int) error) error {
	var errs [Stripes]error
	var turn atomic.Int64
	var wg sync.WaitGroup
	for range min(max(runtime.GOMAXPROCS(0), 1), 8) {
		wg.Go(func() {
			for {
				i := int(turn.Add(1) - 1)
				if i >= Stripes {
					return
				}
				errs[i] = f(i)
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// settle gives stripe i its operations. fits is false if the arena has no room to promise for them.
func (d *Dealer) settle(i int, valid wal.LSN) (fits bool, err error) {
	var all []*deal
	for l := range d.lanes {
		all = append(all, d.lanes[l].full[i]...)
		d.lanes[l].full[i] = d.lanes[l].full[i][:0]
	}
	slices.SortFunc(all, func(a, b *deal) int { return cmp.Compare(a.first, b.first) })
	s := &d.ix.stripes[i]
	s.mu.Lock()
	defer s.mu.Unlock()
	fits = true
	for _, t := range all {
		if err := d.ix.cut(t, valid); err != nil {
			return fits, err
		}
		switch {
		case len(t.places) == 0:
		case s.gate&gateAway == 0:
			if err := d.ix.applyDeals(s, nil, t); err != nil {
				return fits, err
			}
		default:
			s.keep(t)
			d.places.Add(int64(len(t.places)))
			if d.ix.arena.Promise(t.sum.bytes) != nil {
				fits = false
			} else {
				s.away.room += t.sum.bytes
			}
		}
	}
	return fits, nil
}

// cut takes the operations above valid off a deal.
func (ix *Index) cut(t *deal, valid wal.LSN) error {
	if t.last <= valid {
		return nil
	}
	n := len(t.places)
	for n > 0 && t.lsn(n-1) > valid {
		n--
	}
	t.places, t.sum, t.last = t.places[:n], dealSum{}, valid
	for _, p := range t.places {
		o, err := ix.opAt(t, p)
		if err != nil {
			return err
		}
		t.sum.add(&o)
	}
	return nil
}

func (t *deal) lsn(i int) wal.LSN { return t.first + wal.LSN(t.places[i].rel&^isDelta) }

// opAt reads an operation again. Its key and value are the log's.
func (ix *Index) opAt(t *deal, p place) (Op, error) {
	b := ix.replayed.text.From(t.segment, p.at)
	if p.rel&isDelta != 0 {
		return ParseDelta(b)
	}
	o, _, err := ParseOp(b)
	return o, err
}

// keep puts a deal into the backlog.
func (s *stripe) keep(t *deal) {
	s.highest = max(s.highest, t.sum.highest)
	s.floor = max(s.floor, t.sum.floor)
	s.away.shapes += t.sum.shapes
	s.away.puts += t.sum.puts
	s.away.backlog = append(s.away.backlog, t)
}

// ReplayError says that an operation of the log cannot be what was done.
type ReplayError struct {
	LSN    wal.LSN
	Reason error
}

func (e *ReplayError) Error() string { return fmt.Sprintf("record %d: %v", e.LSN, e.Reason) }
