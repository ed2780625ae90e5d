package index

import (
	"fmt"
	"runtime"
	"sync"

	"orbitbench/engines"
	"orbitbench/engines/internal/arena"
	"orbitbench/engines/internal/wal"
)

// Replay: the log is read in order by one goroutine, which deals its
// operations out to one applier per processor by stripe. Operations of one
// stripe keep their order; those of different stripes have nothing in common.

// dealt is an operation on its way to an applier. Keys and values lie in the deal's buffer.
type dealt struct {
	Op
	lsn        wal.LSN
	begin, key int // engines.OpPut: the key begins there, and its length
	end        int // engines.OpPut: the value ends there
}

// deal is what is handed to an applier at a time.
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

// applier applies the operations of its stripes.
type applier struct {
	ix    *Index
	upTo  wal.LSN // operations up to here may be known to the snapshot
	in    chan *deal
	out   chan *deal // for reuse
	err   error      // the first; read after the applier has ended
	touch uint64
}

func (a *applier) run(done *sync.WaitGroup) {
	defer done.Done()
	for d := range a.in {
		if a.err == nil {
			a.err = a.apply(d)
		}
		d.ops, d.buf = d.ops[:0], d.buf[:0]
		a.out <- d
	}
}

func (a *applier) apply(d *deal) error {
	for begin := 0; begin < len(d.ops); begin += ahead {
		window := d.ops[begin:min(begin+ahead, len(d.ops))]
		a.prefetch(window)
		for i := range window {
			o := &window[i]
			if o.Kind == engines.OpPut {
				o.Op.Key = d.buf[o.begin : o.begin+o.key]
				o.Op.Value = d.buf[o.begin+o.key : o.end]
			}
			if err := a.ix.applyLogged(&a.ix.stripes[StripeOf(o.ID)], &o.Op, o.lsn <= a.upTo); err != nil {
				return fmt.Errorf("record %d: %w", o.lsn, err)
			}
		}
	}
	return nil
}

// prefetch reads the first bytes of the records that a window of operations is about.
func (a *applier) prefetch(window []dealt) {
	var refs [ahead]arena.Ref
	for i := range window {
		s, local := &a.ix.stripes[StripeOf(window[i].ID)], localOf(window[i].ID)
		if local < uint32(len(s.handles)) {
			refs[i] = s.handles[local]
		}
	}
	for _, ref := range refs[:len(window)] {
		if ref != 0 {
			r := a.ix.rec(ref)
			a.touch += uint64(r[recKeyLen]) + uint64(r[min(64, len(r)-1)])
		}
	}
}

// Dealer deals the operations of the log out to appliers.
type Dealer struct {
	appliers []*applier
	open     []*deal
	done     sync.WaitGroup
}

// NewDealer starts the appliers. upTo is the end of the snapshot that was loaded, 0
// without one: operations up to there may be on records that are gone.
func NewDealer(ix *Index, upTo wal.LSN) *Dealer {
	n := min(max(runtime.GOMAXPROCS(0), 1), 8)
	d := &Dealer{}
	for range n {
		const inFlight = 4
		a := &applier{ix: ix, upTo: upTo, in: make(chan *deal, inFlight), out: make(chan *deal, inFlight+1)}
		for range inFlight {
			a.out <- &deal{ops: make([]dealt, 0, dealOps)}
		}
		d.appliers = append(d.appliers, a)
		d.open = append(d.open, &deal{ops: make([]dealt, 0, dealOps)})
		d.done.Add(1)
		go a.run(&d.done)
	}
	return d
}

// Add deals out one operation of log record lsn. Key and value are copied.
func (d *Dealer) Add(lsn wal.LSN, o *Op) {
	i := StripeOf(o.ID) % len(d.appliers)
	t := d.open[i]
	t.ops = append(t.ops, dealt{Op: *o, lsn: lsn})
	if o.Kind == engines.OpPut {
		n := &t.ops[len(t.ops)-1]
		n.begin, n.key = len(t.buf), len(o.Key)
		t.buf = append(append(t.buf, o.Key...), o.Value...)
		n.end = len(t.buf)
		n.Op.Key, n.Op.Value = nil, nil
	}
	if len(t.ops) == dealOps || len(t.buf) >= dealBytes {
		d.appliers[i].in <- t
		d.open[i] = <-d.appliers[i].out
	}
}

// Finish waits for the appliers and returns the first error: a reason for which
// the log is corrupt, or engines.ErrFull. It must be called once.
func (d *Dealer) Finish() error {
	var first error
	for i, a := range d.appliers {
		a.in <- d.open[i]
		close(a.in)
	}
	d.done.Wait()
	for _, a := range d.appliers {
		if a.err != nil && first == nil {
			first = a.err
		}
	}
	return first
}
