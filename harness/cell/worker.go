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
	key     []byte
	lease   lease.Lease

	// deadline is when the lease ran out that the last renewal extended, in
	// units of the expiry table; the maximum where nothing was renewed.
	deadline uint32
	granted  uint64 // version of the last renewal that succeeded
	counts   tally
	err      error // the first outcome record.Error, with its operation
	_        [64]byte
}

// tally counts what histograms do not.
type tally struct {
	missed uint64 // renewals acknowledged after the lease had run out
	listed uint64 // leases seen by List
}

const noDeadline = 1<<32 - 1

// do carries out r, which begins at now on the clock. It returns the operation
// that was really made: an actor that holds no lease, because it ran out or an
// acquisition failed, acquires one instead of renewing or releasing it.
func (w *worker) do(r *workloads.Request, now int64) (workloads.Op, record.Outcome) {
	w.deadline = noDeadline
	switch r.Op {
	case workloads.Renew:
		held, expiry := w.table.load(r.Actor)
		if held == 0 || held&lapsed != 0 {
			return workloads.Acquire, w.acquire(r.Actor, now)
		}
		return workloads.Renew, w.renew(r.Actor, held, expiry, now)
	case workloads.Get:
		return workloads.Get, w.get(r.Actor)
	case workloads.Acquire:
		return workloads.Acquire, w.acquire(r.Actor, now)
	case workloads.List:
		return workloads.List, w.list(r.Node)
	default:
		held, _ := w.table.load(r.Actor)
		if held == 0 || held&lapsed != 0 {
			return workloads.Acquire, w.acquire(r.Actor, now)
		}
		return workloads.Release, w.release(r.Actor, held)
	}
}

func (w *worker) renew(actor int, held uint64, expiry uint32, now int64) record.Outcome {
	w.key = w.space.AppendKey(w.key[:0], actor)
	wall := w.clock.Wall(now)
	duration := w.space.Duration()
	v, err := w.session.Renew(w.ctx, w.key, engines.Version(held), lease.Renewal{ExpiresAt: wall + duration, Now: wall})
	if err == nil {
		w.deadline, w.granted = expiry, uint64(v)
		w.table.acknowledge(actor, uint64(v), now+duration)
		return record.OK
	}
	if errors.Is(err, lease.ErrExpired) {
		w.table.lapse(actor, held)
	}
	return w.outcome(workloads.Renew, err)
}

func (w *worker) acquire(actor int, now int64) record.Outcome {
	w.key = w.space.AppendKey(w.key[:0], actor)
	wall := w.clock.Wall(now)
	w.space.FillLease(&w.lease, actor, wall)
	v, err := w.session.Acquire(w.ctx, w.key, &w.lease, wall)
	if err == nil {
		w.table.acknowledge(actor, uint64(v), now+w.space.Duration())
	}
	return w.outcome(workloads.Acquire, err)
}

func (w *worker) release(actor int, held uint64) record.Outcome {
	w.key = w.space.AppendKey(w.key[:0], actor)
	err := w.session.Release(w.ctx, w.key, engines.Version(held))
	if err == nil {
		w.table.release(actor)
	}
	return w.outcome(workloads.Release, err)
}

// get reads a lease. A version above the one held is what a racing writer has
// won: the next renewal presents it.
func (w *worker) get(actor int) record.Outcome {
	w.key = w.space.AppendKey(w.key[:0], actor)
	value, v, err := w.session.Get(w.ctx, w.key)
	if err == nil {
		if held, _ := w.table.load(actor); uint64(v) > held&^lapsed && held != 0 {
			w.table.acknowledge(actor, uint64(v), lease.ExpiresAt(value)-w.clock.Wall(0))
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
	switch {
	case err == nil:
		return record.OK
	case errors.Is(err, engines.ErrConflict), errors.Is(err, directory.ErrHeld):
		return record.Conflict
	case errors.Is(err, lease.ErrExpired):
		return record.Expired
	case errors.Is(err, engines.ErrNotFound):
		return record.NotFound
	}
	if w.err == nil {
		w.err = fmt.Errorf("%v: %w", op, err)
	}
	return record.Error
}
