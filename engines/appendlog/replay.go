package appendlog

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"orbitbench/engines"
	"orbitbench/engines/internal/arena"
	"orbitbench/engines/internal/wal"
	"orbitbench/engines/lease"
)

// Replay: the log is read in order by one goroutine, which deals its
// operations out to one applier per processor by stripe. Operations of one
// stripe keep their order; those of different stripes have nothing in common.

// applyPut makes the record what a snapshot or the log says, unless it is
// newer already. Errors: a reason for which the store is corrupt, or ErrFull.
func (e *engine) applyPut(s *stripe, o *op) error {
	h := e.hash(o.ks, o.key)
	if int(h>>56) != stripeOf(o.id) {
		return fmt.Errorf("key %x of record %d belongs to stripe %d", o.key, o.id, h>>56)
	}
	local := localOf(o.id)
	for uint32(len(s.handles)) <= local {
		s.handles = append(s.handles, 0)
	}
	s.highest = max(s.highest, uint64(o.version))
	// The same key under another id: a snapshot taken while the key was deleted
	// and made again can hold both. The higher version is the later one.
	if ref, _, r := e.find(s, h, o.ks, o.key); ref != 0 {
		if r.version() >= o.version {
			return nil
		}
		if r.id() == o.id {
			return e.replaceValue(s, uint32(h), ref, r, o)
		}
		e.unindex(s, uint32(h), ref)
	}
	if ref := s.handles[local]; ref != 0 {
		r := e.rec(ref)
		if r.version() >= o.version {
			return nil
		}
		e.unindex(s, uint32(e.hash(r.keyspace(), r.key())), ref)
	}
	ref, _, err := newRecord(e.arena, o.id, o.version, o.ks, o.key, o.value)
	if err != nil {
		return fullError(err)
	}
	s.handles[local] = ref
	s.live++
	return s.table.Insert(uint32(h), ref)
}

func (e *engine) replaceValue(s *stripe, tag uint32, ref arena.Ref, r record, o *op) error {
	if arena.SameClass(r.size(), recHead+len(o.key)+len(o.value)) {
		e.overwrite(r, o.value)
		r.setVersion(o.version)
		return nil
	}
	n, _, err := newRecord(e.arena, o.id, o.version, o.ks, o.key, o.value)
	if err != nil {
		return fullError(err)
	}
	s.table.Set(s.place(tag, ref), n)
	s.handles[localOf(o.id)] = n
	e.arena.Free(ref, r.size())
	return nil
}

func (e *engine) unindex(s *stripe, tag uint32, ref arena.Ref) {
	r := e.rec(ref)
	s.table.Remove(s.place(tag, ref))
	s.handles[localOf(r.id())] = 0
	s.live--
	e.arena.Free(ref, r.size())
}

// applyLogged applies one operation of the log. known says that a snapshot
// taken after this operation has been loaded, so that the record may be gone.
func (e *engine) applyLogged(s *stripe, o *op, known bool) error {
	if o.kind == opPut {
		return e.applyPut(s, o)
	}
	var ref arena.Ref
	if local := localOf(o.id); local < uint32(len(s.handles)) {
		ref = s.handles[local]
	}
	s.highest = max(s.highest, uint64(o.version))
	if o.kind == opDelete {
		s.floor = max(s.floor, uint64(o.version))
	}
	if ref == 0 {
		if known {
			return nil
		}
		return fmt.Errorf("operation %d on record %d, which does not exist", o.kind, o.id)
	}
	r := e.rec(ref)
	if r.version() >= o.version {
		return nil
	}
	if o.kind == opDelete {
		e.unindex(s, uint32(e.hash(r.keyspace(), r.key())), ref)
		return nil
	}
	value := r.value()
	if err := lease.CheckHead(value); err != nil || r.keyspace() != engines.Leases {
		return fmt.Errorf("renewal of record %d of %s, which is no lease", o.id, r.keyspace())
	}
	o.renewal.PatchChecked(value)
	le.PutUint32(value[lease.HotOffset:], o.renewals)
	r.setVersion(o.version)
	return nil
}

// dealt is an operation on its way to an applier. Keys and values lie in the deal's buffer.
type dealt struct {
	op
	lsn        wal.LSN
	begin, key int // opPut: the key begins there, and its length
	end        int // opPut: the value ends there
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
	e     *engine
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
			if o.kind == opPut {
				o.op.key = d.buf[o.begin : o.begin+o.key]
				o.op.value = d.buf[o.begin+o.key : o.end]
			}
			if err := a.e.applyLogged(&a.e.stripes[stripeOf(o.id)], &o.op, o.lsn <= a.upTo); err != nil {
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
		s, local := &a.e.stripes[stripeOf(window[i].id)], localOf(window[i].id)
		if local < uint32(len(s.handles)) {
			refs[i] = s.handles[local]
		}
	}
	for _, ref := range refs[:len(window)] {
		if ref != 0 {
			r := a.e.rec(ref)
			a.touch += uint64(r[recKeyLen]) + uint64(r[min(64, len(r)-1)])
		}
	}
}

// dealer deals the operations of the log out to appliers.
type dealer struct {
	appliers []*applier
	open     []*deal
	done     sync.WaitGroup
}

func newDealer(e *engine, upTo wal.LSN) *dealer {
	n := min(max(runtime.GOMAXPROCS(0), 1), 8)
	d := &dealer{}
	for range n {
		const inFlight = 4
		a := &applier{e: e, upTo: upTo, in: make(chan *deal, inFlight), out: make(chan *deal, inFlight+1)}
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

// record deals out one record of the log; it is the apply of wal.Open.
func (d *dealer) record(ctx context.Context, r wal.Record) error {
	if r.LSN%4096 == 0 && ctx.Err() != nil {
		return ctx.Err()
	}
	if r.Kind == kindRenew {
		o, err := parseRenew(r.Payload)
		if err != nil {
			return fmt.Errorf("record %d: %w", r.LSN, err)
		}
		d.add(r.LSN, &o)
		return nil
	}
	err := eachOp(r.Kind, r.Payload, func(o op) error {
		d.add(r.LSN, &o)
		return nil
	})
	if err != nil {
		return fmt.Errorf("record %d: %w", r.LSN, err)
	}
	return nil
}

func (d *dealer) add(lsn wal.LSN, o *op) {
	i := stripeOf(o.id) % len(d.appliers)
	t := d.open[i]
	t.ops = append(t.ops, dealt{op: *o, lsn: lsn})
	if o.kind == opPut {
		n := &t.ops[len(t.ops)-1]
		n.begin, n.key = len(t.buf), len(o.key)
		t.buf = append(append(t.buf, o.key...), o.value...)
		n.end = len(t.buf)
		n.op.key, n.op.value = nil, nil
	}
	if len(t.ops) == dealOps || len(t.buf) >= dealBytes {
		d.appliers[i].in <- t
		d.open[i] = <-d.appliers[i].out
	}
}

// finish waits for the appliers and returns the first error of each.
func (d *dealer) finish() error {
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
