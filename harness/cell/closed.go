package cell

import (
	"orbitbench/engines"
	"orbitbench/engines/lease"
	"orbitbench/harness/record"
	"orbitbench/workloads"
)

// The closed loop goes in batches of three steps: draw the requests with their
// keys, carry them out, and record what came of them. Only the second is timed:
// the reading of the clock that ends one operation begins the next, so that an
// operation costs one reading and nothing of the harness stands in its time
// but its own call. In steps one and three a processor works on several requests
// at once, where a reading of the clock between them would make it wait.
const (
	batchSize = 32
	// batchNs ends a batch early: slow operations are recorded soon.
	batchNs = 1_000_000
)

// batch is the memory of one worker's closed loop.
type batch struct {
	requests [batchSize]workloads.Draw
	next     int // the first request that is not carried out
	kind     [batchSize]record.Kind
	ended    [batchSize]int64
}

// closed is looper's closed.
func (w *worker) closed(p *phase, rec *record.Recorder, start int64) (n uint64) {
	end, most := start+int64(p.length), p.most-1 // 0 wraps round to no bound
	b := w.batch
	for now := w.clock.Now(); now < end && n <= most && !p.stop.Load(); {
		if b.next == 0 {
			w.next.Fill(b.requests[:])
		}
		first, began := b.next, w.clock.Now()
		var last int
		if p.sampled > 1 {
			now, last = b.runSampled(w, first, began)
			rec.Record(b.kind[last].Op(), b.kind[last].Outcome(), now-b.ended[last], now-start)
		} else {
			now, last = b.runTimed(w, first, began)
			rec.RecordChain(b.kind[first:last+1], b.ended[first:last+1], began, start)
			b.settle(w, first, last, began)
		}
		n += uint64(last + 1 - first)
		b.next = (last + 1) % batchSize
		if b.kind[last].Outcome() == record.Error {
			p.fail()
			return n
		}
	}
	return n
}

// runTimed carries out the batch from request i and time now on, an operation
// after the other, until it is done, batchNs are over, or one has failed. It
// returns the end and the number of the last.
func (b *batch) runTimed(w *worker, i int, now int64) (ended int64, last int) {
	for stop := now + batchNs; ; i++ {
		kind := w.fast(&b.requests[i&(batchSize-1)], now)
		now = w.clock.Now()
		b.kind[i&(batchSize-1)], b.ended[i&(batchSize-1)] = kind, now
		if i >= batchSize-1 || now >= stop || kind.Outcome() == record.Error {
			return now, i
		}
	}
}

// runSampled carries out the rest of the batch and times its last operation
// only, whose beginning it leaves in ended; the others take the time of the
// batch's beginning for theirs.
func (b *batch) runSampled(w *worker, i int, now int64) (ended int64, last int) {
	for ; i < batchSize-1; i++ {
		if kind := w.fast(&b.requests[i], now); kind.Outcome() == record.Error {
			b.kind[i], b.ended[i] = kind, now
			return now, i
		}
	}
	i = batchSize - 1
	b.ended[i] = w.clock.Now()
	b.kind[i] = w.fast(&b.requests[i], b.ended[i])
	return w.clock.Now(), i
}

// fast is do with the way of a renewal that succeeds laid open.
func (w *worker) fast(r *workloads.Draw, now int64) record.Kind {
	if r.Op == workloads.Renew {
		if held := w.table.load(r.Actor); isHeld(held) {
			wall := w.clock.Wall(now)
			v, err := w.session.Renew(w.ctx, r.Bytes(), engines.Version(held), lease.Renewal{ExpiresAt: wall + w.space.Duration(), Now: wall})
			if err == nil {
				w.table.acknowledge(r.Actor, uint64(v))
				return renewed
			}
			return record.KindOf(int(workloads.Renew), w.refused(r, held, err))
		}
	}
	op, outcome := w.do(r, now)
	return record.KindOf(int(op), outcome)
}

// renewed is the Kind of a renewal that succeeded.
const renewed = record.Kind(int(workloads.Renew)*record.NumOutcomes + int(record.OK))

// settle settles what runTimed has carried out.
func (b *batch) settle(w *worker, first, last int, began int64) {
	for i := first; i <= last; i++ {
		if k := b.kind[i]; k.Outcome() == record.OK {
			w.settle(workloads.Op(k.Op()), b.requests[i].Actor, began, b.ended[i])
		}
		began = b.ended[i]
	}
}
