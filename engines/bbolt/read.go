package bbolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	bolt "go.etcd.io/bbolt"

	"orbitbench/engines"
	"orbitbench/engines/adapter"
)

// Get appends the value of a record to dst.
func (e *engine) Get(ctx context.Context, ks engines.Keyspace, key, dst []byte) (_ []byte, _ engines.Version, err error) {
	if err := engines.ValidateKey(ks, key); err != nil {
		return dst, 0, err
	}
	if err := e.gate.Admit(ctx); err != nil {
		return dst, 0, err
	}
	defer e.gate.Leave()
	tx, err := e.db.Begin(false)
	if err != nil {
		return dst, 0, e.mapError(err)
	}
	defer func() {
		if rollbackErr := tx.Rollback(); rollbackErr != nil {
			err = errors.Join(err, rollbackErr)
		}
	}()
	return reading{e, tx}.Get(ks, key, dst)
}

// Scan calls yield for the records of [from, to) as they were when it began.
func (e *engine) Scan(ctx context.Context, ks engines.Keyspace, from, to []byte, yield func(key, value []byte, v engines.Version) error) error {
	return adapter.Scan(ctx, e.gate, e.begin, ks, from, to, yield)
}

// View opens a view of the store as it is now.
func (e *engine) View(ctx context.Context) (engines.View, error) {
	return e.views.Open(ctx, e.gate, e.begin)
}

// reading is a read transaction.
type reading struct {
	e  *engine
	tx *bolt.Tx
}

func (e *engine) begin() (adapter.Reading, error) {
	tx, err := e.db.Begin(false)
	if err != nil {
		return nil, e.mapError(err)
	}
	return reading{e, tx}, nil
}

func (r reading) Get(ks engines.Keyspace, key, dst []byte) (_ []byte, v engines.Version, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer r.e.recoveredRead(&err, nil)
	raw := r.tx.Bucket(buckets[ks]).Get(key)
	if raw == nil {
		return dst, 0, engines.ErrNotFound
	}
	dst, v, err = adapter.AppendValue(dst, raw)
	return dst, v, r.e.mapError(err)
}

// checkEvery is how many records a scan yields between two looks at its context.
const checkEvery = 256

func (r reading) Scan(ctx context.Context, ks engines.Keyspace, from, to []byte, yield adapter.Yield) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	yielding := false
	defer r.e.recoveredRead(&err, &yielding)
	cursor := r.tx.Bucket(buckets[ks]).Cursor()
	n := 0
	for key, raw := cursor.Seek(from); key != nil; key, raw = cursor.Next() {
		if to != nil && bytes.Compare(key, to) >= 0 {
			return nil
		}
		if n++; n%checkEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		v, value, err := adapter.DecodeRecord(raw)
		if err != nil {
			return r.e.mapError(err)
		}
		yielding = true
		err = yield(key, value[:len(value):len(value)], v)
		yielding = false
		if err != nil {
			return err
		}
	}
	return nil
}

func (r reading) Close() error { return r.tx.Rollback() }

// recoveredRead turns a panic about a damaged page into *err. A panic of a
// yield function (*yielding) is its caller's.
func (e *engine) recoveredRead(err *error, yielding *bool) {
	p := recover()
	switch {
	case p == nil:
	case yielding != nil && *yielding:
		panic(p)
	default:
		*err = &engines.CorruptError{File: e.path, Offset: -1, Reason: fmt.Sprint(p)}
	}
}
