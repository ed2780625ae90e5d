package adapter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"orbitbench/engines"
)

// Reading is a store at one point in time: a read transaction, or a snapshot.
type Reading interface {
	// Get is that of engines.View, for a key that is valid.
	Get(ks engines.Keyspace, key, dst []byte) ([]byte, engines.Version, error)
	// Scan is that of engines.View, for a keyspace that is valid. Every error of
	// yield ends it and is returned.
	Scan(ctx context.Context, ks engines.Keyspace, from, to []byte, yield Yield) error
	// Close releases what the reading holds.
	Close() error
}

// Yield takes a record of a scan.
type Yield = func(key, value []byte, v engines.Version) error

// Scan is that of engines.Engine, within a reading that begin opens.
func Scan(ctx context.Context, g *Gate, begin func() (Reading, error), ks engines.Keyspace, from, to []byte, yield Yield) (err error) {
	if !ks.Valid() {
		return fmt.Errorf("%w: unknown keyspace %d", engines.ErrInvalid, uint8(ks))
	}
	if err := g.Admit(ctx); err != nil {
		return err
	}
	defer g.Leave()
	r, err := begin()
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := r.Close(); closeErr != nil {
			err = errors.Join(err, closeErr)
		}
	}()
	return unlessStopped(r.Scan(ctx, ks, from, to, yield))
}

func unlessStopped(err error) error {
	if errors.Is(err, engines.ErrStopScan) {
		return nil
	}
	return err
}

// Views are the open views of an engine. A caller must close its views before
// the engine, but one that does not must not hang Close, or leave the library
// with a snapshot of a store that is gone: Close ends the rest. The zero value
// is empty.
type Views struct {
	// Shared: a reading may serve several calls at a time. It is not changed
	// once there is a view.
	Shared bool

	mu   sync.Mutex
	open map[io.Closer]struct{} // guarded by mu
}

// Open opens a view of the reading that begin opens.
func (v *Views) Open(ctx context.Context, g *Gate, begin func() (Reading, error)) (engines.View, error) {
	if err := g.Admit(ctx); err != nil {
		return nil, err
	}
	defer g.Leave() // the reading lives on: Close of the engine ends it
	r, err := begin()
	if err != nil {
		return nil, err
	}
	w := &view{views: v, gate: g, reading: r}
	v.Add(w)
	return w, nil
}

// Add remembers an open view.
func (v *Views) Add(c io.Closer) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.open == nil {
		v.open = make(map[io.Closer]struct{})
	}
	v.open[c] = struct{}{}
}

// Remove forgets a view that its owner closes.
func (v *Views) Remove(c io.Closer) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.open, c)
}

// CloseAll closes every view that is still open.
func (v *Views) CloseAll() error {
	v.mu.Lock()
	left := make([]io.Closer, 0, len(v.open))
	for c := range v.open {
		left = append(left, c)
	}
	v.mu.Unlock()
	var errs []error
	for _, c := range left {
		if err := c.Close(); !errors.Is(err, engines.ErrClosed) { // its owner was faster
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// view is a reading that calls may use until it is closed.
type view struct {
	views *Views
	gate  *Gate

	mu      sync.RWMutex // held by calls, for reading if the reading can be shared, and by Close
	reading Reading      // guarded by mu; nil once closed
}

// enter begins a call, which must end with leave if the error is nil.
func (v *view) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if v.views.Shared {
		v.mu.RLock()
	} else {
		v.mu.Lock()
	}
	err := error(engines.ErrClosed)
	if v.reading != nil {
		err = v.gate.Enter()
	}
	if err != nil {
		v.unlock()
	}
	return err
}

func (v *view) unlock() {
	if v.views.Shared {
		v.mu.RUnlock()
	} else {
		v.mu.Unlock()
	}
}

func (v *view) leave() {
	v.gate.Leave()
	v.unlock()
}

// Get is engines.View.
func (v *view) Get(ctx context.Context, ks engines.Keyspace, key, dst []byte) ([]byte, engines.Version, error) {
	if err := engines.ValidateKey(ks, key); err != nil {
		return dst, 0, err
	}
	if err := v.enter(ctx); err != nil {
		return dst, 0, err
	}
	defer v.leave()
	return v.reading.Get(ks, key, dst)
}

// Scan is engines.View.
func (v *view) Scan(ctx context.Context, ks engines.Keyspace, from, to []byte, yield Yield) error {
	if !ks.Valid() {
		return fmt.Errorf("%w: unknown keyspace %d", engines.ErrInvalid, uint8(ks))
	}
	if err := v.enter(ctx); err != nil {
		return err
	}
	defer v.leave()
	return unlessStopped(v.reading.Scan(ctx, ks, from, to, yield))
}

// Close is engines.View. A second Close returns ErrClosed.
func (v *view) Close() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.reading == nil {
		return engines.ErrClosed
	}
	v.views.Remove(v)
	err := v.reading.Close()
	v.reading = nil
	return err
}
