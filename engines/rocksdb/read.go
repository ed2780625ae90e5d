//go:build rocksdb && cgo

package rocksdb

import (
	"context"

	"github.com/linxGnu/grocksdb"

	"orbitbench/engines"
	"orbitbench/engines/adapter"
)

// Get appends the value of a record to dst.
func (e *engine) Get(ctx context.Context, ks engines.Keyspace, key, dst []byte) ([]byte, engines.Version, error) {
	if err := engines.ValidateKey(ks, key); err != nil {
		return dst, 0, err
	}
	if err := e.gate.Admit(ctx); err != nil {
		return dst, 0, err
	}
	defer e.gate.Leave()
	return e.get(e.store.read, ks, key, dst)
}

func (e *engine) get(ro *grocksdb.ReadOptions, ks engines.Keyspace, key, dst []byte) ([]byte, engines.Version, error) {
	c := e.calls.Get().(*call)
	defer e.calls.Put(c)
	record, err := e.store.get(ro, ks, key, c.Record)
	c.Record = record
	if err != nil {
		return dst, 0, err
	}
	dst, v, err := adapter.AppendValue(dst, record)
	return dst, v, adapter.RecordError(e.dir, err)
}

// Scan calls yield for the records of [from, to) as they were when it began.
func (e *engine) Scan(ctx context.Context, ks engines.Keyspace, from, to []byte, yield func(key, value []byte, v engines.Version) error) error {
	begin := func() (adapter.Reading, error) { return &reading{e: e, read: e.store.read}, nil }
	return adapter.Scan(ctx, e.gate, begin, ks, from, to, yield)
}

// View opens a view of the store as it is now.
func (e *engine) View(ctx context.Context) (engines.View, error) {
	return e.views.Open(ctx, e.gate, func() (adapter.Reading, error) {
		r := &reading{e: e, snap: e.store.db.NewSnapshot(), read: grocksdb.NewDefaultReadOptions()}
		r.read.SetSnapshot(r.snap)
		return r, nil
	})
}

// reading is the latest state, or a RocksDB snapshot with the read options that select it.
type reading struct {
	e    *engine
	read *grocksdb.ReadOptions
	snap *grocksdb.Snapshot // nil for the latest state
}

func (r *reading) Get(ks engines.Keyspace, key, dst []byte) ([]byte, engines.Version, error) {
	return r.e.get(r.read, ks, key, dst)
}

func (r *reading) Scan(ctx context.Context, ks engines.Keyspace, from, to []byte, yield adapter.Yield) error {
	return r.e.store.scan(ctx, r.read, ks, from, to, adapter.Decoded(r.e.dir, yield))
}

func (r *reading) Close() error {
	if r.snap != nil {
		r.read.Destroy()
		r.e.store.db.ReleaseSnapshot(r.snap)
	}
	return nil
}
