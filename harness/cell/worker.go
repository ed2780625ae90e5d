package cell

import (
	"context"
	"errors"
	"fmt"

	"orbitbench/engines"
	"orbitbench/engines/directory"
	"orbitbench/engines/lease"
	"orbitbench/harness/clock"
	"orbitbench/harness/record"
	"orbitbench/workloads"
)

// worker carries out the requests of one generator. It is for one goroutine.
type worker struct {
	ctx     context.Context
	clock   clock.Clock
	space   *workloads.Space
	session *directory.Session
	table   *table
	next    *workloads.Renewal
	lease   lease.Lease
	untilNs int64  // duration of a lease, as the table sees it
	batch   *batch // of the closed loop

	granted uint64 // version of the last renewal that succeeded
	counts  tally
	err     error // the first outcome record.Error, with its operation
	_       [64]byte
}

// tally counts what histograms do not.
type tally struct {
	missed uint64 // renewals acknowledged after the lease had run out
	listed uint64 // leases seen by List
	late   uint64 // operations acknowledged later than the slack of the phase after they were due
}

func (w *worker) missed() uint64 { return w.counts.missed }

// loopers are workers as a phase sees them.
func loopers[W looper](workers []W) []looper {
	list := make([]looper, len(workers))
	for i, w := range workers {
		list[i] = w
	}
	return list
}

// do carries out r, which begins at now on the clock. It returns the operation
// that was really made: an actor that holds no lease, because it ran out or an
// acquisition failed, acquires one instead of renewing or releasing it.
func (w *worker) do(r *workloads.Draw, now int64) (workloads.Op, record.Outcome) {
	switch r.Op {
	case workloads.Renew:
		if held := w.table.load(r.Actor); isHeld(held) {
			return workloads.Renew, w.renew(r, held, now)
		}
		return workloads.Acquire, w.acquire(r, now)
	case workloads.Get:
		return workloads.Get, w.get(r)
	case workloads.Acquire:
		return workloads.Acquire, w.acquire(r, now)
	case workloads.List:
		return workloads.List, w.list(r.Node)
	default:
		if held := w.table.load(r.Actor); isHeld(held) {
			return workloads.Release, w.release(r, held)
		}
		return workloads.Acquire, w.acquire(r, now)
	}
}

func (w *worker) renew(r *workloads.Draw, held uint64, now int64) record.Outcome {
	wall := w.clock.Wall(now)
	v, err := w.session.Renew(w.ctx, r.Bytes(), engines.Version(held), lease.Renewal{ExpiresAt: wall + w.space.Duration(), Now: wall})
	if err != nil {
		return w.refused(r, held, err)
	}
	w.granted = uint64(v)
	w.table.acknowledge(r.Actor, uint64(v))
	return record.OK
}

// refused is the outcome of a renewal that gave err.
func (w *worker) refused(r *workloads.Draw, held uint64, err error) record.Outcome {
	if errors.Is(err, lease.ErrExpired) {
		w.table.lapse(r.Actor, held)
	}
	return w.outcome(workloads.Renew, err)
}

// settle keeps the account of a lease's time after an operation that began and
// ended at these readings of the clock: it notes when the lease now runs out,
// and counts a renewal that was acknowledged too late.
func (w *worker) settle(op workloads.Op, actor int, began, ended int64) {
	if op > workloads.Acquire {
		return
	}
	if w.table.extend(actor, began+w.untilNs, ended) && op == workloads.Renew {
		w.counts.missed++
	}
}

func (w *worker) acquire(r *workloads.Draw, now int64) record.Outcome {
	wall := w.clock.Wall(now)
	w.space.FillLease(&w.lease, r.Actor, wall)
	v, err := w.session.Acquire(w.ctx, r.Bytes(), &w.lease, wall)
	if err == nil {
		w.table.acknowledge(r.Actor, uint64(v))
	}
	return w.outcome(workloads.Acquire, err)
}

func (w *worker) release(r *workloads.Draw, held uint64) record.Outcome {
	err := w.session.Release(w.ctx, r.Bytes(), engines.Version(held))
	if err == nil {
		w.table.release(r.Actor)
	}
	return w.outcome(workloads.Release, err)
}

// get reads a lease. A version above the one held is what a racing writer has
// won: the next renewal presents it.
func (w *worker) get(r *workloads.Draw) record.Outcome {
	_, v, err := w.session.Get(w.ctx, r.Bytes())
	if err == nil {
		if held := w.table.load(r.Actor); isHeld(held) && uint64(v) > held {
			w.table.acknowledge(r.Actor, uint64(v))
		}
	}
	return w.outcome(workloads.Get, err)
}

func (w *worker) list(node int) record.Outcome {
	n, err := w.session.ListByNode(w.ctx, w.space.NodeName(node), workloads.ListPage, discard)
	w.counts.listed += uint64(n)
	return w.outcome(workloads.List, err)
}

func discard([]byte, engines.Version, []byte) error { return nil }

// outcome sorts an error of the directory or the engine.
func (w *worker) outcome(op workloads.Op, err error) record.Outcome {
	outcome := outcomeOf(err)
	if outcome == record.Error && w.err == nil {
		w.err = fmt.Errorf("%v: %w", op, err)
	}
	return outcome
}
