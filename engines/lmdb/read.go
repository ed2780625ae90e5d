//go:build lmdb && cgo

package lmdb

// #include "shim.h"
import "C"

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
	record, err := e.store.read(ks, key, c.Record)
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

// Scan calls yield for the records of [from, to) as they were when it began.
func (e *engine) Scan(ctx context.Context, ks engines.Keyspace, from, to []byte, yield func(key, value []byte, v engines.Version) error) error {
	return adapter.Scan(ctx, e.gate, e.store.beginReading, ks, from, to, yield)
}

// View opens a view of the store as it is now. While it is open no page that it
// needs is used again, so the file grows.
func (e *engine) View(ctx context.Context) (engines.View, error) {
	return e.views.Open(ctx, e.gate, e.store.beginReading)
}

// reading is a read transaction.
type reading struct {
	s      *store
	txn    *C.MDB_txn
	record []byte // scratch
}

func (s *store) beginReading() (adapter.Reading, error) {
	txn, err := s.reader()
	if err != nil {
		return nil, err
	}
	if err := s.begin(txn); err != nil {
		s.release(txn)
		return nil, err
	}
	return &reading{s: s, txn: txn}, nil
}

func (r *reading) Get(ks engines.Keyspace, key, dst []byte) (_ []byte, _ engines.Version, err error) {
	r.record, err = r.s.get(r.txn, 0, ks, key, r.record)
	return r.s.value(dst, r.record, err)
}

func (r *reading) Scan(ctx context.Context, ks engines.Keyspace, from, to []byte, yield adapter.Yield) error {
	return r.s.scan(ctx, r.txn, ks, from, to, adapter.Decoded(r.s.path, yield))
}

func (r *reading) Close() error {
	r.s.end(r.txn)
	r.s.release(r.txn)
	return nil
}
