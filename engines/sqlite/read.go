//go:build sqlite && cgo

package sqlite

import (
	"context"

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
	c := e.calls.Get().(*call)
	defer e.calls.Put(c)
	reader, err := e.store.reader()
	if err != nil {
		return dst, 0, err
	}
	defer e.store.release(reader)
	record, err := e.store.get(reader, ks, key, c.Record)
	c.Record = record
	return e.store.value(dst, record, err)
}

// value appends the value of a record that was read to dst.
func (s *store) value(dst, record []byte, err error) ([]byte, engines.Version, error) {
	if err != nil {
		return dst, 0, err
	}
	dst, v, err := adapter.AppendValue(dst, record)
	return dst, v, s.mapRecord(err)
}

// Scan calls yield for the records of [from, to) as they were when it began:
// one statement needs no transaction around it.
func (e *engine) Scan(ctx context.Context, ks engines.Keyspace, from, to []byte, yield func(key, value []byte, v engines.Version) error) error {
	begin := func() (adapter.Reading, error) {
		reader, err := e.store.reader()
		return &reading{s: e.store, reader: reader}, err
	}
	return adapter.Scan(ctx, e.gate, begin, ks, from, to, yield)
}

// View opens a view of the store as it is now. While it is open the log cannot
// begin anew, so it grows.
func (e *engine) View(ctx context.Context) (engines.View, error) {
	return e.views.Open(ctx, e.gate, func() (adapter.Reading, error) {
		reader, err := e.store.reader()
		if err != nil {
			return nil, err
		}
		if err := e.store.begin(reader); err != nil {
			e.store.release(reader)
			return nil, err
		}
		return &reading{s: e.store, reader: reader, begun: true}, nil
	})
}

// reading is a connection that reads, within a transaction if one was begun.
type reading struct {
	s      *store
	reader *conn
	begun  bool
	record []byte // scratch
}

func (r *reading) Get(ks engines.Keyspace, key, dst []byte) (_ []byte, _ engines.Version, err error) {
	r.record, err = r.s.get(r.reader, ks, key, r.record)
	return r.s.value(dst, r.record, err)
}

func (r *reading) Scan(ctx context.Context, ks engines.Keyspace, from, to []byte, yield adapter.Yield) error {
	return r.s.scan(ctx, r.reader, ks, from, to, adapter.Decoded(r.s.path, yield))
}

func (r *reading) Close() (err error) {
	if r.begun {
		err = r.s.end(r.reader)
	}
	r.s.release(r.reader)
	return err
}
