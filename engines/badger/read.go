//go:build badger

package badger

import (
	"bytes"
	"context"

	badger "github.com/dgraph-io/badger/v4"

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
	r := reading{e, e.db.NewTransaction(false)}
	defer r.txn.Discard()
	return r.Get(ks, key, dst)
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
	e   *engine
	txn *badger.Txn
}

func (e *engine) begin() (adapter.Reading, error) {
	return reading{e, e.db.NewTransaction(false)}, nil
}

func (r reading) Get(ks engines.Keyspace, key, dst []byte) ([]byte, engines.Version, error) {
	c := r.e.calls.Get().(*call)
	defer r.e.calls.Put(c)
	c.Key = appendKey(c.Key[:0], ks, key)
	item, err := r.txn.Get(c.Key)
	if err != nil {
		return dst, 0, mapError(r.e.dir, err)
	}
	var version engines.Version
	err = item.Value(func(raw []byte) (err error) {
		dst, version, err = adapter.AppendValue(dst, raw)
		return err
	})
	return dst, version, mapError(r.e.dir, err)
}

// checkEvery is how many records a scan yields between two looks at its context.
const checkEvery = 256

func (r reading) Scan(ctx context.Context, ks engines.Keyspace, from, to []byte, yield adapter.Yield) error {
	o := badger.DefaultIteratorOptions
	o.Prefix = []byte{byte(ks) + 1}
	it := r.txn.NewIterator(o)
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
			return mapError(r.e.dir, err)
		}
		if yielded != nil {
			return yielded
		}
	}
	return nil
}

func (r reading) Close() error {
	r.txn.Discard()
	return nil
}
