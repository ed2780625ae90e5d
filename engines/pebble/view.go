package pebble

import (
	"context"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"orbitbench/engines"
	"orbitbench/engines/adapter"
)

// view is a Pebble snapshot: a sequence number that compactions respect.
type view struct {
	e  *engine
	mu sync.RWMutex // held for reading by calls, for writing by Close
	s  *pebble.Snapshot
}

// View opens a view of the store as it is now.
func (e *engine) View(ctx context.Context) (engines.View, error) {
	if err := e.enter(ctx); err != nil {
		return nil, err
	}
	defer e.gate.Leave()
	v := &view{e: e, s: e.db.NewSnapshot()}
	e.views.Add(v)
	return v, nil
}

// Get reads one record as it was.
func (v *view) Get(ctx context.Context, ks engines.Keyspace, key, dst []byte) ([]byte, engines.Version, error) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if v.s == nil {
		return dst, 0, engines.ErrClosed
	}
	return v.e.get(ctx, v.s, ks, key, dst)
}

// Scan yields the records of [from, to) as they were.
func (v *view) Scan(ctx context.Context, ks engines.Keyspace, from, to []byte, yield func(key, value []byte, v engines.Version) error) error {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if v.s == nil {
		return engines.ErrClosed
	}
	return v.e.scan(ctx, v.s, ks, from, to, yield)
}

// Close releases the snapshot. A second Close returns ErrClosed.
func (v *view) Close() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.s == nil {
		return engines.ErrClosed
	}
	v.e.views.Remove(v)
	err := v.s.Close()
	v.s = nil
	return err
}

// Snapshot makes a Pebble checkpoint: tables are linked, the log is copied.
func (e *engine) Snapshot(ctx context.Context, dir string) (err error) {
	if err := e.enter(ctx); err != nil {
		return err
	}
	defer e.gate.Leave()
	defer e.recovered(&err)
	if err := adapter.VacantDir(dir); err != nil {
		return err
	}
	if e.config.durability.Class == engines.None {
		if err := e.db.Flush(); err != nil { // there is no log to copy
			return e.mapError(err)
		}
	}
	return e.mapError(e.db.Checkpoint(dir, pebble.WithFlushedWAL()))
}
