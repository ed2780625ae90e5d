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
// Keys and values are copied: to lend them from the log's buffers until the round ends
// saved page faults and cost as much in cache misses.

// queued is one operation of the log. It is kept short, as a backlog may have millions.
type queued struct {
	lsn      wal.LSN
	version  engines.Version
	a, b     uint64 // OpRenew: expires_at and now; OpPut: place in the deal's buffer, key length<<32 + value length
	id       uint32
	renewals uint32
	kind     engines.OpKind
	keyspace engines.Keyspace
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

func (q *queued) op(d *deal) Op {
	o := Op{Kind: q.kind, Keyspace: q.keyspace, ID: q.id, Renewals: q.renewals, Version: q.version}
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
		q.a, q.b = uint64(len(t.buf)), uint64(len(o.Key))<<32|uint64(len(o.Value))
		t.buf = append(append(t.buf, o.Key...), o.Value...)
	}
	t.ops = append(t.ops, q)
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
		for len(t.ops) > 0 && t.ops[len(t.ops)-1].lsn > valid {
			t.ops = t.ops[:len(t.ops)-1]
		}
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
			o := q.op(t)
			if err := ix.applyLogged(s, &o, q.lsn <= ix.knownUpTo); err != nil {
				if errors.Is(err, engines.ErrFull) {
					return err
				}
				return &ReplayError{q.lsn, err}
			}
		}
	}
	return nil
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
			s.touched += r[recKeyLen] + r[min(64, len(r)-1)]
		}
	}
}
