//go:build badger

package badger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	badger "github.com/dgraph-io/badger/v4"

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
	txn := e.db.NewTransaction(false)
	defer txn.Discard()
	return e.get(txn, ks, key, dst)
}

func (e *engine) get(txn *badger.Txn, ks engines.Keyspace, key, dst []byte) ([]byte, engines.Version, error) {
	c := e.calls.Get().(*call)
	defer e.calls.Put(c)
	c.Key = appendKey(c.Key[:0], ks, key)
	item, err := txn.Get(c.Key)
	if err != nil {
		return dst, 0, mapError(e.dir, err)
	}
	var version engines.Version
	err = item.Value(func(raw []byte) error {
		v, value, err := adapter.DecodeRecord(raw)
		if err == nil {
			dst, version = append(dst, value...), v
		}
		return err
	})
	return dst, version, mapError(e.dir, err)
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
	txn := e.db.NewTransaction(false)
	defer txn.Discard()
	return e.scan(ctx, txn, ks, from, to, yield)
}

// checkEvery is how many records a scan yields between two looks at its context.
const checkEvery = 256

func (e *engine) scan(ctx context.Context, txn *badger.Txn, ks engines.Keyspace, from, to []byte, yield func(key, value []byte, v engines.Version) error) error {
	o := badger.DefaultIteratorOptions
	o.Prefix = []byte{byte(ks) + 1}
	it := txn.NewIterator(o)
	defer it.Close()
	n := 0
	for it.Seek(appendKey(nil, ks, from)); it.Valid(); it.Next() {
		if n++; n%checkEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		key := it.Item().Key()[1:]
		if to != nil && bytes.Compare(key, to) >= 0 {
			return nil
		}
		var yielded error
		err := it.Item().Value(func(raw []byte) error {
			v, value, err := adapter.DecodeRecord(raw)
			if err == nil {
				yielded = yield(key, value[:len(value):len(value)], v)
			}
			return err
		})
		if err != nil {
			return mapError(e.dir, err)
		}
		if errors.Is(yielded, engines.ErrStopScan) {
			return nil
		}
		if yielded != nil {
			return yielded
		}
	}
	return nil
}

// view is a read transaction.
type view struct {
	e   *engine
	mu  sync.Mutex  // a transaction is for one goroutine at a time
	txn *badger.Txn // guarded by mu; nil once closed
}

// View opens a view of the store as it is now.
func (e *engine) View(ctx context.Context) (engines.View, error) {
	if err := e.enter(ctx); err != nil {
		return nil, err
	}
	defer e.gate.Leave() // the transaction lives on: Close of the engine ends it
	v := &view{e: e, txn: e.db.NewTransaction(false)}
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
	if v.txn != nil {
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
	return v.e.get(v.txn, ks, key, dst)
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
	return v.e.scan(ctx, v.txn, ks, from, to, yield)
}

// Close ends the transaction. A second Close returns ErrClosed.
func (v *view) Close() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.txn == nil {
		return engines.ErrClosed
	}
	v.e.views.Remove(v)
	v.txn.Discard()
	v.txn = nil
	return nil
}
