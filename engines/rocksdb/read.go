//go:build rocksdb && cgo

package rocksdb

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/linxGnu/grocksdb"

	"orbitbench/engines"
	"orbitbench/engines/adapter"
)

// Get appends the value of a record to dst.
func (e *engine) Get(ctx context.Context, ks engines.Keyspace, key, dst []byte) ([]byte, engines.Version, error) {
	return e.get(ctx, e.store.read, ks, key, dst)
}

func (e *engine) get(ctx context.Context, ro *grocksdb.ReadOptions, ks engines.Keyspace, key, dst []byte) ([]byte, engines.Version, error) {
	if err := engines.ValidateKey(ks, key); err != nil {
		return dst, 0, err
	}
	if err := e.enter(ctx); err != nil {
		return dst, 0, err
	}
	defer e.gate.Leave()
	c := e.calls.Get().(*call)
	defer e.calls.Put(c)
	record, err := e.store.get(ro, ks, key, c.Record)
	c.Record = record
	if err != nil {
		return dst, 0, err
	}
	v, value, err := adapter.DecodeRecord(record)
	if err != nil {
		return dst, 0, mapError(e.dir, err)
	}
	return append(dst, value...), v, nil
}

// Scan calls yield for the records of [from, to) as they were when it began.
func (e *engine) Scan(ctx context.Context, ks engines.Keyspace, from, to []byte, yield func(key, value []byte, v engines.Version) error) error {
	return e.scan(ctx, e.store.read, ks, from, to, yield)
}

func (e *engine) scan(ctx context.Context, ro *grocksdb.ReadOptions, ks engines.Keyspace, from, to []byte, yield func(key, value []byte, v engines.Version) error) error {
	if !ks.Valid() {
		return fmt.Errorf("%w: unknown keyspace %d", engines.ErrInvalid, uint8(ks))
	}
	if err := e.enter(ctx); err != nil {
		return err
	}
	defer e.gate.Leave()
	err := e.store.scan(ro, ks, from, to, ctx.Err, func(key, record []byte) error {
		v, value, err := adapter.DecodeRecord(record)
		if err != nil {
			return mapError(e.dir, err)
		}
		return yield(key, value, v)
	})
	if errors.Is(err, engines.ErrStopScan) {
		return nil
	}
	return err
}

// view is a RocksDB snapshot with the read options that select it.
type view struct {
	e    *engine
	mu   sync.RWMutex // held for reading by calls, for writing by Close
	snap *grocksdb.Snapshot
	read *grocksdb.ReadOptions
}

// View opens a view of the store as it is now.
func (e *engine) View(ctx context.Context) (engines.View, error) {
	if err := e.enter(ctx); err != nil {
		return nil, err
	}
	defer e.gate.Leave()
	v := &view{e: e, snap: e.store.db.NewSnapshot(), read: grocksdb.NewDefaultReadOptions()}
	v.read.SetSnapshot(v.snap)
	e.views.Add(v)
	return v, nil
}

// Get reads one record as it was.
func (v *view) Get(ctx context.Context, ks engines.Keyspace, key, dst []byte) ([]byte, engines.Version, error) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if v.snap == nil {
		return dst, 0, engines.ErrClosed
	}
	return v.e.get(ctx, v.read, ks, key, dst)
}

// Scan yields the records of [from, to) as they were.
func (v *view) Scan(ctx context.Context, ks engines.Keyspace, from, to []byte, yield func(key, value []byte, v engines.Version) error) error {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if v.snap == nil {
		return engines.ErrClosed
	}
	return v.e.scan(ctx, v.read, ks, from, to, yield)
}

// Close releases the snapshot. A second Close returns ErrClosed.
func (v *view) Close() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.snap == nil {
		return engines.ErrClosed
	}
	v.e.views.Remove(v)
	v.read.Destroy()
	v.e.store.db.ReleaseSnapshot(v.snap)
	v.snap = nil
	return nil
}
