//go:build sqlite && cgo

package sqlite

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"orbitbench/engines"
	"orbitbench/engines/adapter"
)

// Get appends the value of a record to dst.
func (e *engine) Get(ctx context.Context, ks engines.Keyspace, key, dst []byte) ([]byte, engines.Version, error) {
	if err := engines.ValidateKey(ks, key); err != nil {
		return dst, 0, err
	}
	if err := e.enter(ctx); err != nil {
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
	return e.value(dst, record, err)
}

// value appends the value of a record that was read to dst.
func (e *engine) value(dst, record []byte, err error) ([]byte, engines.Version, error) {
	if err != nil {
		return dst, 0, err
	}
	v, value, err := adapter.DecodeRecord(record)
	if err != nil {
		return dst, 0, e.store.mapRecord(err)
	}
	return append(dst, value...), v, nil
}

// Scan calls yield for the records of [from, to) as they were when it began.
func (e *engine) Scan(ctx context.Context, ks engines.Keyspace, from, to []byte, yield func(key, value []byte, v engines.Version) error) error {
	if !ks.Valid() {
		return fmt.Errorf("%w: unknown keyspace %d", engines.ErrInvalid, uint8(ks))
	}
	if err := e.enter(ctx); err != nil {
		return err
	}
	defer e.gate.Leave()
	reader, err := e.store.reader()
	if err != nil {
		return err
	}
	defer e.store.release(reader)
	return e.scan(ctx, reader, ks, from, to, yield)
}

func (e *engine) scan(ctx context.Context, reader *conn, ks engines.Keyspace, from, to []byte, yield func(key, value []byte, v engines.Version) error) error {
	err := e.store.scan(reader, ks, from, to, ctx.Err, func(key, record []byte) error {
		v, value, err := adapter.DecodeRecord(record)
		if err != nil {
			return e.store.mapRecord(err)
		}
		return yield(key, value, v)
	})
	if errors.Is(err, engines.ErrStopScan) {
		return nil
	}
	return err
}

// view is a read transaction.
type view struct {
	e      *engine
	mu     sync.Mutex // a connection is for one call at a time
	reader *conn      // guarded by mu; nil once closed
	record []byte     // guarded by mu; scratch
}

// View opens a view of the store as it is now. While it is open the log cannot
// begin anew, so it grows.
func (e *engine) View(ctx context.Context) (engines.View, error) {
	if err := e.enter(ctx); err != nil {
		return nil, err
	}
	defer e.gate.Leave() // the transaction lives on: Close of the engine ends it
	reader, err := e.store.reader()
	if err != nil {
		return nil, err
	}
	if err := e.store.begin(reader); err != nil {
		e.store.release(reader)
		return nil, err
	}
	v := &view{e: e, reader: reader}
	e.views.Add(v)
	return v, nil
}

// enter begins a call, which must end with leave if the error is nil.
func (v *view) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	v.mu.Lock()
	err := error(engines.ErrClosed)
	if v.reader != nil {
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
	record, err := v.e.store.get(v.reader, ks, key, v.record)
	v.record = record
	return v.e.value(dst, record, err)
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
	return v.e.scan(ctx, v.reader, ks, from, to, yield)
}

// Close ends the transaction. A second Close returns ErrClosed.
func (v *view) Close() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.reader == nil {
		return engines.ErrClosed
	}
	v.e.views.Remove(v)
	err := v.e.store.end(v.reader)
	v.e.store.release(v.reader)
	v.reader = nil
	return err
}
