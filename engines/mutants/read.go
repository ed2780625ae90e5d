package mutants

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"time"

	"orbitbench/engines"
)

// Get is engines.Engine.Get.
func (e *engine) Get(ctx context.Context, ks engines.Keyspace, key, dst []byte) ([]byte, engines.Version, error) {
	if err := e.cancelled(ctx); err != nil {
		return dst, 0, err
	}
	if err := engines.ValidateKey(ks, key); err != nil {
		return dst, 0, err
	}
	r, ok, err := e.look(ks, key)
	if err != nil {
		return dst, 0, err
	}
	if e.is(TornRead) {
		runtime.Gosched()
		later, _, err := e.look(ks, key)
		if err != nil {
			return dst, 0, err
		}
		r.version = later.version
	}
	switch {
	case !ok:
		return dst, 0, engines.ErrNotFound
	case e.is(LendsValue) && cap(dst) == 0:
		return r.value, r.version, nil
	case e.is(OverwritesBuffer):
		dst = dst[:0]
	}
	return append(dst, r.value...), r.version, nil
}

// Lend is engines.Lender.Lend.
func (e *engine) Lend(ctx context.Context, ks engines.Keyspace, key []byte, use func(value []byte, v engines.Version) error) error {
	if err := e.cancelled(ctx); err != nil {
		return err
	}
	if err := engines.ValidateKey(ks, key); err != nil {
		return err
	}
	r, ok, err := e.look(ks, key)
	if err != nil {
		return err
	}
	if !ok {
		return engines.ErrNotFound
	}
	if e.is(LendsOld) && r.version > 1 && ks == engines.Leases {
		r.version--
	}
	return use(r.value, r.version)
}

func (e *engine) look(ks engines.Keyspace, key []byte) (rec, bool, error) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.closed && !e.is(IgnoresClosed) {
		return rec{}, false, engines.ErrClosed
	}
	if e.is(StaleRead) && e.old.version%7 == 6 && e.old.key == string(key) {
		return e.old.rec, true, nil
	}
	r, ok := e.find(ks, key)
	return r, ok, nil
}

// Scan is engines.Engine.Scan.
func (e *engine) Scan(ctx context.Context, ks engines.Keyspace, from, to []byte, yield func(key, value []byte, v engines.Version) error) error {
	if err := e.cancelled(ctx); err != nil {
		return err
	}
	if !ks.Valid() {
		return fmt.Errorf("%w: unknown keyspace %d", engines.ErrInvalid, uint8(ks))
	}
	if e.is(SharesKeyspaces) && ks == engines.Snapshots {
		ks = engines.Nodes
	}
	e.mu.RLock()
	closed, all := e.closed, e.state.between(ks, from, to, e.is(ScanInclusive))
	e.mu.RUnlock()
	if closed {
		return engines.ErrClosed
	}
	if e.is(ScanByOffset) {
		return e.scanByOffset(ks, from, to, yield)
	}
	return e.yieldAll(e.mangle(all), yield)
}

// mangle is what mutants do to the result of a scan.
func (e *engine) mangle(all []found) []found {
	switch {
	case e.is(ScanUnordered):
		slices.Reverse(all)
	case e.is(ScanSkips) && len(all) > 1000:
		all = slices.Delete(all, 1000, 1001)
	case e.is(ScanRepeats) && len(all) > 1000:
		all = slices.Insert(all, 1000, all[999])
	}
	return all
}

func (e *engine) yieldAll(all []found, yield func(key, value []byte, v engines.Version) error) error {
	for _, f := range all {
		err := yield([]byte(f.key), bytes.Clone(f.value), f.version)
		switch {
		case err == nil:
		case errors.Is(err, engines.ErrStopScan) && !e.is(ScanIgnoresStop), e.is(ScanSwallows):
			return nil
		default:
			return err
		}
	}
	return nil
}

// scanByOffset reads 50 records at a time from the position that it has reached.
func (e *engine) scanByOffset(ks engines.Keyspace, from, to []byte, yield func(key, value []byte, v engines.Version) error) error {
	for at := 0; ; at += 50 {
		e.mu.RLock()
		all := e.state.between(ks, from, to, false)
		e.mu.RUnlock()
		if at >= len(all) {
			return nil
		}
		if err := e.yieldAll(all[at:min(at+50, len(all))], yield); err != nil {
			return err
		}
	}
}

// view is a copy of the state.
type view struct {
	e     *engine
	state *state
}

// View is engines.Viewer.View.
func (e *engine) View(ctx context.Context) (engines.View, error) {
	if err := e.cancelled(ctx); err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, engines.ErrClosed
	}
	switch e.flaw {
	case ViewMoves:
		return &view{e, e.state}, nil
	case ViewByKeyspace:
		return &view{e, e.cloneSlowly()}, nil
	case ViewShared:
		if e.shared == nil {
			e.shared = &view{e: e}
		}
		e.shared.state = e.state.clone()
		return e.shared, nil
	}
	return &view{e, e.state.clone()}, nil
}

// cloneSlowly lets writers in between two keyspaces.
func (e *engine) cloneSlowly() *state {
	c := &state{floor: e.state.floor}
	for ks := range e.state.live {
		c.live[ks] = maps.Clone(e.state.live[ks])
		e.mu.Unlock()
		time.Sleep(100 * time.Microsecond)
		e.mu.Lock()
	}
	c.floor = max(c.floor, e.state.floor)
	return c
}

// Get is engines.View.Get.
func (v *view) Get(ctx context.Context, ks engines.Keyspace, key, dst []byte) ([]byte, engines.Version, error) {
	if err := ctx.Err(); err != nil {
		return dst, 0, err
	}
	v.e.mu.RLock()
	defer v.e.mu.RUnlock()
	r, ok := v.state.live[ks][string(key)]
	if !ok {
		return dst, 0, engines.ErrNotFound
	}
	return append(dst, r.value...), r.version, nil
}

// Scan is engines.View.Scan.
func (v *view) Scan(ctx context.Context, ks engines.Keyspace, from, to []byte, yield func(key, value []byte, v engines.Version) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	v.e.mu.RLock()
	all := v.state.between(ks, from, to, false)
	v.e.mu.RUnlock()
	return v.e.yieldAll(all, yield)
}

// Close is engines.View.Close.
func (v *view) Close() error { return nil }
