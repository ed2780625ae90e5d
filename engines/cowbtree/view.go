package cowbtree

import (
	"context"
	"errors"
	"sync"

	"orbitbench/engines"
)

// view is engines.View: a table of roots that is kept.
type view struct {
	e    *engine
	held *hold
	mu   sync.RWMutex // held for reading by every call, so that Close waits for them
	shut bool         // guarded by mu
}

var errViewClosed = errors.New("view is closed")

// View is engines.Viewer. It copies nothing.
func (e *engine) View(ctx context.Context) (engines.View, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	held, _, err := e.hold(false)
	if err != nil {
		return nil, err
	}
	return &view{e: e, held: held}, nil
}

// hold keeps the current state, which holds every commit that was acknowledged. running says
// that Close must wait for the caller, who calls inflight.Done.
func (e *engine) hold(running bool) (*hold, pagesMeta, error) {
	if err := e.logged(); err != nil {
		return nil, pagesMeta{}, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, pagesMeta{}, engines.ErrClosed
	}
	held, m, err := e.holdLocked(false)
	if err == nil && running {
		e.inflight.Add(1)
	}
	return held, m, err
}

// settleAtOnce is how many kept blocks are given up before writers get their turn.
const settleAtOnce = 256

// letGo gives up what is kept. The memory of an engine that is closed goes as a whole.
func (e *engine) letGo(h *hold) {
	e.mu.Lock()
	e.tree.release(h)
	e.mu.Unlock()
	e.settle(h)
}

func (e *engine) settle(h *hold) {
	for more := true; more; {
		e.mu.Lock()
		more = !e.closed && e.tree.settle(h, settleAtOnce)
		e.mu.Unlock()
	}
}

// Get is engines.View.
func (v *view) Get(ctx context.Context, ks engines.Keyspace, key, dst []byte) ([]byte, engines.Version, error) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if v.shut {
		return dst, 0, errViewClosed
	}
	return v.e.get(ctx, v.held.top, ks, key, dst)
}

// Scan is engines.View.
func (v *view) Scan(ctx context.Context, ks engines.Keyspace, from, to []byte, yield func(key, value []byte, v engines.Version) error) error {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if v.shut {
		return errViewClosed
	}
	return v.e.scan(ctx, v.held.top, ks, from, to, yield)
}

// Close is engines.View. A second Close is an error.
func (v *view) Close() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.shut {
		return errViewClosed
	}
	v.shut = true
	v.e.letGo(v.held)
	return nil
}
