package bench

import (
	"context"
	"errors"
	"fmt"

	"orbitbench/engines"
	"orbitbench/engines/lease"
)

// renewNative renews leases through the engine's LeaseRenewer.
type renewNative struct {
	ctx    context.Context
	engine engines.LeaseRenewer
	actors *actors
	choose *chooser
	now    int64
}

func (w *renewNative) step() (bool, error) {
	s := &w.actors.slots[w.choose.draw()]
	w.now++
	v, err := w.engine.RenewLease(w.ctx, s.key[:], engines.Version(s.version.Load()),
		lease.Renewal{ExpiresAt: w.now + int64(leaseTime), Now: w.now})
	if err != nil {
		return false, raceOr(err)
	}
	s.version.Store(uint64(v))
	return true, nil
}

// raceOr returns nil for a lost race between two writers of one actor.
func raceOr(err error) error {
	if errors.Is(err, engines.ErrConflict) {
		return nil
	}
	return err
}

// renewGeneric renews leases with what every engine has: get, check, and apply
// under a condition.
type renewGeneric struct {
	ctx    context.Context
	engine engines.Engine
	actors *actors
	choose *chooser
	now    int64
	value  []byte
	batch  engines.Batch
}

func (w *renewGeneric) step() (bool, error) {
	s := &w.actors.slots[w.choose.draw()]
	w.now++
	r := lease.Renewal{ExpiresAt: w.now + int64(leaseTime), Now: w.now}
	value, v, err := w.engine.Get(w.ctx, engines.Leases, s.key[:], w.value[:0])
	if err != nil {
		return false, err
	}
	w.value = value
	if uint64(v) != s.version.Load() {
		return false, nil
	}
	if err := r.Check(value); err != nil {
		return false, err
	}
	w.batch.Reset()
	w.batch.Require(engines.Leases, s.key[:], v)
	w.batch.Renew(s.key[:], r)
	if err := w.engine.Apply(w.ctx, &w.batch); err != nil {
		return false, raceOr(err)
	}
	s.version.Store(uint64(w.batch.Ops[0].Assigned))
	return true, nil
}

// renewFull renews leases by writing the whole record again, under a condition.
type renewFull struct{ renewGeneric }

func (w *renewFull) step() (bool, error) {
	s := &w.actors.slots[w.choose.draw()]
	w.now++
	value, v, err := w.engine.Get(w.ctx, engines.Leases, s.key[:], w.value[:0])
	if err != nil {
		return false, err
	}
	w.value = value
	if uint64(v) != s.version.Load() {
		return false, nil
	}
	if err := (lease.Renewal{ExpiresAt: w.now + int64(leaseTime), Now: w.now}).Patch(value); err != nil {
		return false, err
	}
	w.batch.Reset()
	w.batch.Require(engines.Leases, s.key[:], v)
	w.batch.Put(engines.Leases, s.key[:], value)
	if err := w.engine.Apply(w.ctx, &w.batch); err != nil {
		return false, raceOr(err)
	}
	s.version.Store(uint64(w.batch.Ops[0].Assigned))
	return true, nil
}

func (c *competitor) fullRenewer(ctx context.Context, worker, round int) worker {
	choose := newChooser(len(c.actors.slots), c.zipf, c.seed+uint64(round)<<32, uint64(worker))
	return &renewFull{renewGeneric{ctx: ctx, engine: c.engine, actors: c.actors, choose: choose, now: c.actors.now}}
}

func (c *competitor) renewer(ctx context.Context, worker, round int) worker {
	choose := newChooser(len(c.actors.slots), c.zipf, c.seed+uint64(round)<<32, uint64(worker))
	now := c.actors.now
	if c.native != nil {
		return &renewNative{ctx: ctx, engine: c.native, actors: c.actors, choose: choose, now: now}
	}
	return &renewGeneric{ctx: ctx, engine: c.engine, actors: c.actors, choose: choose, now: now}
}

// getter reads leases.
type getter struct {
	ctx    context.Context
	engine engines.Engine
	actors *actors
	choose *chooser
	value  []byte
}

func (w *getter) step() (bool, error) {
	s := &w.actors.slots[w.choose.draw()]
	value, v, err := w.engine.Get(w.ctx, engines.Leases, s.key[:], w.value[:0])
	if err != nil {
		return false, err
	}
	w.value = value
	if len(value) != recordBytes || uint64(v) != s.version.Load() {
		return false, fmt.Errorf("read %d bytes at version %d of an actor, want %d bytes at version %d",
			len(value), v, recordBytes, s.version.Load())
	}
	return true, nil
}

func (c *competitor) getter(ctx context.Context, worker, round int) worker {
	choose := newChooser(len(c.actors.slots), c.zipf, c.seed+uint64(round)<<32, uint64(worker))
	return &getter{ctx: ctx, engine: c.engine, actors: c.actors, choose: choose}
}
