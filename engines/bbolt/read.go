package bbolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"

	bolt "go.etcd.io/bbolt"

	"orbitbench/engines"
	"orbitbench/engines/adapter"
)

// Get appends the value of a record to dst.
func (e *engine) Get(ctx context.Context, ks engines.Keyspace, key, dst []byte) (_ []byte, _ engines.Version, err error) {
	if err := engines.ValidateKey(ks, key); err != nil {
		return dst, 0, err
	}
	tx, err := e.beginRead(ctx)
	if err != nil {
		return dst, 0, err
	}
	defer e.endRead(tx, &err)
	return e.get(tx, ks, key, dst)
}

// Scan calls yield for the records of [from, to) as they were when it began.
func (e *engine) Scan(ctx context.Context, ks engines.Keyspace, from, to []byte, yield func(key, value []byte, v engines.Version) error) (err error) {
	if !ks.Valid() {
		return fmt.Errorf("%w: unknown keyspace %d", engines.ErrInvalid, uint8(ks))
	}
	tx, err := e.beginRead(ctx)
	if err != nil {
		return err
	}
	defer e.endRead(tx, &err)
	return e.scan(ctx, tx, ks, from, to, yield)
}

// beginRead enters the engine and opens a read transaction, for endRead to end.
func (e *engine) beginRead(ctx context.Context) (*bolt.Tx, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := e.gate.Enter(); err != nil {
		return nil, err
	}
	tx, err := e.db.Begin(false)
	if err != nil {
		e.gate.Leave()
		return nil, e.mapError(err)
	}
	return tx, nil
}

func (e *engine) endRead(tx *bolt.Tx, err *error) {
	if rollbackErr := tx.Rollback(); rollbackErr != nil {
		*err = errors.Join(*err, rollbackErr)
	}
	e.gate.Leave()
}

func (e *engine) get(tx *bolt.Tx, ks engines.Keyspace, key, dst []byte) (_ []byte, v engines.Version, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer e.recoveredRead(&err, nil)
	raw := tx.Bucket(buckets[ks]).Get(key)
	if raw == nil {
		return dst, 0, engines.ErrNotFound
	}
	v, value, err := adapter.DecodeRecord(raw)
	if err != nil {
		return dst, 0, e.mapError(err)
	}
	return append(dst, value...), v, nil
}

// checkEvery is how many records a scan yields between two looks at its context.
const checkEvery = 256

func (e *engine) scan(ctx context.Context, tx *bolt.Tx, ks engines.Keyspace, from, to []byte, yield func(key, value []byte, v engines.Version) error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	yielding := false
	defer e.recoveredRead(&err, &yielding)
	cursor := tx.Bucket(buckets[ks]).Cursor()
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
			return e.mapError(err)
		}
		yielding = true
		err = yield(key, value[:len(value):len(value)], v)
		yielding = false
		if errors.Is(err, engines.ErrStopScan) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

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

// view is a read transaction.
type view struct {
	e  *engine
	mu sync.Mutex // a transaction is for one goroutine at a time
	tx *bolt.Tx
}

// View opens a view of the store as it is now.
func (e *engine) View(ctx context.Context) (engines.View, error) {
	tx, err := e.beginRead(ctx)
	if err != nil {
		return nil, err
	}
	defer e.gate.Leave() // the transaction lives on: Close of the engine ends it
	v := &view{e: e, tx: tx}
	e.views.Add(v)
	return v, nil
}

// enter begins a call, which must unlock v.mu and leave the gate if the error is nil.
func (v *view) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	v.mu.Lock()
	err := error(engines.ErrClosed)
	if v.tx != nil {
		err = v.e.gate.Enter()
	}
	if err != nil {
		v.mu.Unlock()
	}
	return err
}

func (v *view) leave() {
	v.e.gate.Leave()
	v.mu.Unlock()
}

// Get reads one record as it was.
func (v *view) Get(ctx context.Context, ks engines.Keyspace, key, dst []byte) ([]byte, engines.Version, error) {
	if err := engines.ValidateKey(ks, key); err != nil {
		return dst, 0, err
	}
	if err := v.enter(ctx); err != nil {
		return dst, 0, err
	}
	defer v.leave()
	return v.e.get(v.tx, ks, key, dst)
}

// Scan yields the records of [from, to) as they were.
func (v *view) Scan(ctx context.Context, ks engines.Keyspace, from, to []byte, yield func(key, value []byte, v engines.Version) error) error {
	if !ks.Valid() {
		return fmt.Errorf("%w: unknown keyspace %d", engines.ErrInvalid, uint8(ks))
	}
	if err := v.enter(ctx); err != nil {
		return err
	}
	defer v.leave()
	return v.e.scan(ctx, v.tx, ks, from, to, yield)
}

// Close ends the transaction. A second Close returns ErrClosed.
func (v *view) Close() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.tx == nil {
		return engines.ErrClosed
	}
	v.e.views.Remove(v)
	err := v.tx.Rollback()
	v.tx = nil
	return err
}
