package index

import (
	"cmp"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"orbitbench/engines"
	"orbitbench/engines/internal/arena"
	"orbitbench/engines/internal/wal"
	"orbitbench/engines/lease"
)

// Replay: whoever reads the log, on one goroutine or several, deals its operations
// out by stripe. After a round the stripes take theirs in the order of the log:
// those in memory at once, on every processor, and those that are away into their backlog.
// Operations of different stripes have nothing in common.
// Keys and values are copied once, to where the record will lie: touching memory for the first
// time is what a replay waits for most. Where that memory may not be there to take they are copied into the deal.

// queued is one operation of the log. It is kept short, as a backlog may have millions.
type queued struct {
	lsn      wal.LSN
	version  engines.Version
	a, b     uint64 // OpRenew: expires_at and now; OpPut: place in the deal's buffer, or tag<<32 + ref of its record; key length<<32 + value length
	id       uint32
	renewals uint32
	kind     engines.OpKind
	keyspace engines.Keyspace
	placed   bool // OpPut: its record is in the arena
}

const (
	queuedBytes = 48
	dealOps     = 256
	// backlogBytes bounds what all backlogs hold together; beyond it stripes are brought in during replay.
	backlogBytes = 256 << 20
	// ahead is how many records are touched before the first of them is used, so
	// that their cache misses overlap.
	ahead = 16
)

// deal is some operations on one stripe that follow each other. No operation of the same
// stripe that is in another deal lies between its first and its last.
type deal struct {
	ops []queued
	buf []byte // keys and values
}

func (q *queued) ref() arena.Ref { return arena.Ref(q.a) } // placed
func (q *queued) tag() uint32    { return uint32(q.a >> 32) }

// bytes is the size of the record of an OpPut.
func (q *queued) bytes() int { return recHead + int(q.b>>32) + int(uint32(q.b)) }

func (q *queued) op(ix *Index, d *deal) Op {
	o := Op{Kind: q.kind, Keyspace: q.keyspace, ID: q.id, Renewals: q.renewals, Version: q.version}
	if q.placed {
		r := ix.rec(q.ref())
		o.Key, o.Value = r.key(), r.value()
		return o
	}
	switch q.kind {
	case engines.OpPut:
		key, value := int(q.b>>32), int(uint32(q.b))
		at := int(q.a)
		o.Key, o.Value = d.buf[at:at+key:at+key], d.buf[at+key:at+key+value:at+key+value]
	case engines.OpRenew:
		o.Renewal = lease.Renewal{ExpiresAt: int64(q.a), Now: int64(q.b)}
	}
	return o
}

// lane is what one goroutine that reads the log has dealt out in this round.
type lane struct {
	open [Stripes]*deal
	full [Stripes][]*deal
	last wal.LSN
	room *arena.Pocket // for records, nil: they are not placed
	_    [64]byte
}

// Dealer deals the operations of the log out to the stripes.
type Dealer struct {
	ix     *Index
	lanes  []lane
	queued int64 // bytes in backlogs
	pool   sync.Pool
	err    error // the first; nothing is dealt after it
}

// NewLanes returns a dealer for n goroutines that call AddTo, each with a lane of its own. upTo is the
// end of the image that was set, 0 without one: operations up to there may be on records that are gone.
func NewLanes(ix *Index, upTo wal.LSN, n int) *Dealer {
	ix.knownUpTo = upTo
	d := &Dealer{ix: ix, lanes: make([]lane, n)}
	d.pool.New = func() any { return &deal{ops: make([]queued, 0, dealOps)} }
	return d
}

// Begin is told how many bytes of log are to be dealt out, before the first. Records are placed
// at once if there is room for all that these bytes can hold: else those that replace others may be more than fit.
func (d *Dealer) Begin(logBytes int64) {
	const most = 3 // bytes of a record by byte of the log: an operation of 21 bytes makes a block of 48
	left := d.ix.arena.LimitBytes() - d.ix.arena.UsedBytes()
	if left/most < logBytes+int64(len(d.lanes))<<20 {
		return
	}
	for i := range d.lanes {
		d.lanes[i].room = d.ix.arena.NewPocket()
	}
}

func (d *Dealer) note(err error) {
	if d.err == nil {
		d.err = err
	}
}

// AddTo deals out one operation of log record lsn to a lane. Within a lane numbers
// rise, and those of other lanes lie between two of them only if they leave a gap.
func (d *Dealer) AddTo(number int, lsn wal.LSN, o *Op) {
	l := &d.lanes[number]
	if lsn > l.last+1 {
		l.seal()
	}
	l.last = lsn
	i := StripeOf(o.ID)
	t := l.open[i]
	if t == nil || len(t.ops) == cap(t.ops) {
		if t != nil {
			l.full[i] = append(l.full[i], t)
		}
		t = d.pool.Get().(*deal)
		l.open[i] = t
	}
	q := queued{lsn: lsn, version: o.Version, id: o.ID, renewals: o.Renewals, kind: o.Kind, keyspace: o.Keyspace}
	switch o.Kind {
	case engines.OpRenew:
		q.a, q.b = uint64(o.Renewal.ExpiresAt), uint64(o.Renewal.Now)
	case engines.OpPut:
		q.b = uint64(len(o.Key))<<32 | uint64(len(o.Value))
		if q.a, q.placed = d.ix.placeRecord(l.room, o); !q.placed {
			q.a = uint64(len(t.buf))
			t.buf = append(append(t.buf, o.Key...), o.Value...)
		}
	}
	t.ops = append(t.ops, q)
}

// placeRecord writes the record of an OpPut into memory of its own. It leaves alone what cannot be right:
// that is judged in the order of the log.
func (ix *Index) placeRecord(room *arena.Pocket, o *Op) (place uint64, ok bool) {
	if room == nil {
		return 0, false
	}
	h := ix.hash(o.Keyspace, o.Key)
	if int(h>>56) != StripeOf(o.ID) {
		return 0, false
	}
	ref, err := room.Alloc(recHead + len(o.Key) + len(o.Value))
	if err != nil {
		return 0, false
	}
	ix.rec(ref).put(o.ID, o.Version, o.Keyspace, o.Key, o.Value)
	return h<<32 | uint64(ref), true
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
		if room := d.lanes[i].room; room != nil {
			room.Empty()
		}
	}
	var kept atomic.Int64
	d.note(eachStripe(func(i int) error {
		n, err := d.settle(i, valid)
		kept.Add(n)
		return err
	}))
	if d.queued += kept.Load(); d.err == nil && d.queued > backlogBytes {
		d.queued = 0
		d.note(eachStripe(func(i int) error { return d.ix.loadOne(&d.ix.stripes[i], 1+i%2) }))
	}
	return d.err
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

// settle gives stripe i its operations, and returns the bytes of those that went into its backlog.
func (d *Dealer) settle(i int, valid wal.LSN) (kept int64, err error) {
	var all []*deal
	for l := range d.lanes {
		all = append(all, d.lanes[l].full[i]...)
		d.lanes[l].full[i] = d.lanes[l].full[i][:0]
	}
	slices.SortFunc(all, func(a, b *deal) int { return cmp.Compare(a.ops[0].lsn, b.ops[0].lsn) })
	s := &d.ix.stripes[i]
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range all {
		d.cut(t, valid)
		if s.gate&gateAway != 0 {
			kept += s.keep(t)
			continue
		}
		if err == nil {
			err = d.ix.applyDeal(s, t)
		}
		t.ops, t.buf = t.ops[:0], t.buf[:0]
		d.pool.Put(t)
	}
	return kept, err
}

// cut takes the operations above valid off a deal.
func (d *Dealer) cut(t *deal, valid wal.LSN) {
	n := len(t.ops)
	for n > 0 && t.ops[n-1].lsn > valid {
		n--
		if q := &t.ops[n]; q.placed {
			d.ix.arena.Free(q.ref(), q.bytes())
		}
	}
	t.ops = t.ops[:n]
}

// keep puts a deal into the backlog.
func (s *stripe) keep(t *deal) int64 {
	for i := range t.ops {
		q := &t.ops[i]
		s.highest = max(s.highest, uint64(q.version))
		if q.kind != engines.OpRenew {
			s.away.shapes++
		}
		if q.kind == engines.OpDelete {
			s.floor = max(s.floor, uint64(q.version))
		}
	}
	if len(t.ops) > 0 {
		s.away.backlog = append(s.away.backlog, t)
	}
	return int64(len(t.ops)*queuedBytes + len(t.buf))
}

// applyDeal applies a deal to a stripe whose lock is held.
func (ix *Index) applyDeal(s *stripe, t *deal) error {
	for begin := 0; begin < len(t.ops); begin += ahead {
		window := t.ops[begin:min(begin+ahead, len(t.ops))]
		ix.prefetch(s, window)
		for i := range window {
			q := &window[i]
			if err := ix.applyQueued(s, t, q); err != nil {
				if errors.Is(err, engines.ErrFull) {
					return err
				}
				return &ReplayError{q.lsn, err}
			}
		}
	}
	return nil
}

func (ix *Index) applyQueued(s *stripe, t *deal, q *queued) error {
	if q.placed && ix.adoptNew(s, q) {
		return fullError(s.table.Insert(q.tag(), q.ref()))
	}
	o := q.op(ix, t)
	if q.placed {
		return ix.applyPut(s, &o, q.tag(), q.ref())
	}
	return ix.applyLogged(s, &o, q.lsn <= ix.knownUpTo)
}

// adoptNew takes a placed record over, unless its key or its id may be there already.
// It does not touch the record.
func (ix *Index) adoptNew(s *stripe, q *queued) bool {
	local := localOf(q.id)
	for uint32(len(s.handles)) <= local {
		s.handles = append(s.handles, 0)
	}
	if found, _ := s.table.Next(q.tag(), s.table.Start(q.tag())); found != 0 || s.handles[local] != 0 || q.keyspace == engines.TimeSeries {
		return false
	}
	s.highest = max(s.highest, uint64(q.version))
	s.handles[local] = q.ref()
	s.live++
	if q.keyspace == engines.QueryCache && ix.cache != nil {
		ix.cache.put(q.id, q.bytes()-recHead)
	}
	return true
}

// ReplayError says that an operation of the log cannot be what was done.
type ReplayError struct {
	LSN    wal.LSN
	Reason error
}

func (e *ReplayError) Error() string { return fmt.Sprintf("record %d: %v", e.LSN, e.Reason) }

// prefetch reads the first bytes of the records that a window of operations is about.
func (ix *Index) prefetch(s *stripe, window []queued) {
	var refs [ahead]arena.Ref
	for i := range window {
		if local := localOf(window[i].id); local < uint32(len(s.handles)) {
			refs[i] = s.handles[local]
		}
	}
	for _, ref := range refs[:len(window)] {
		if ref != 0 {
			r := ix.rec(ref)
			s.touched += r[recSizes] + r[min(64, len(r)-1)]
		}
	}
}
