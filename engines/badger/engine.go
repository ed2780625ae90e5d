//go:build badger

package badger

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"

	badger "github.com/dgraph-io/badger/v4"

	"orbitbench/engines"
	"orbitbench/engines/adapter"
	"orbitbench/engines/lease"
)

// engine is an open Badger store.
type engine struct {
	dir    string
	config *effective
	logf   func(string, ...any)
	db     *badger.DB

	gate     *adapter.Gate
	latches  *adapter.Latches
	versions *adapter.Versions
	views    adapter.Views
	calls    sync.Pool // of *call
	counters adapter.Counters
}

// stateKey holds the version state; keyspaces begin at byte 1.
var stateKey = []byte{0}

func appendKey(dst []byte, ks engines.Keyspace, key []byte) []byte {
	return append(append(dst, byte(ks)+1), key...)
}

// call is the reusable memory of one call; it reads and writes for Prepare.
type call struct {
	adapter.Scratch
	e    *engine
	txn  *badger.Txn
	kept []byte     // keys and records that Badger wants valid until the commit is written
	done chan error // the outcome of the commit
}

// keep moves bytes to memory that stays until the commit has ended.
func (c *call) keep(fill func(dst []byte) []byte) []byte {
	start := len(c.kept)
	c.kept = fill(c.kept)
	return c.kept[start:len(c.kept):len(c.kept)]
}

// Read appends a stored record to dst.
func (c *call) Read(ks engines.Keyspace, key, dst []byte) ([]byte, error) {
	c.Key = appendKey(c.Key[:0], ks, key)
	dst, err := read(c.txn, c.Key, dst)
	return dst, mapError(c.e.dir, err)
}

// read appends the value under a key to dst.
func read(txn *badger.Txn, key, dst []byte) ([]byte, error) {
	item, err := txn.Get(key)
	if err != nil {
		return dst, err
	}
	err = item.Value(func(raw []byte) error {
		dst = append(dst, raw...)
		return nil
	})
	return dst, err
}

// Put adds a record to the transaction. Memory of earlier puts stays where it is
// when the buffer grows.
func (c *call) Put(ks engines.Keyspace, key []byte, v engines.Version, value []byte) error {
	k := c.keep(func(dst []byte) []byte { return appendKey(dst, ks, key) })
	return c.txn.Set(k, c.keep(func(dst []byte) []byte { return adapter.AppendRecord(dst, v, value) }))
}

// Delete adds a deletion to the transaction.
func (c *call) Delete(ks engines.Keyspace, key []byte) error {
	return c.txn.Delete(c.keep(func(dst []byte) []byte { return appendKey(dst, ks, key) }))
}

// Apply commits b.
func (e *engine) Apply(ctx context.Context, b *engines.Batch) error {
	if err := b.Validate(); err != nil {
		return err
	}
	if err := e.gate.Admit(ctx); err != nil {
		return err
	}
	defer e.gate.Leave()
	c := e.calls.Get().(*call)
	defer e.calls.Put(c)
	if err := e.applyLatched(b, c); err != nil {
		return e.counters.Outcome(err)
	}
	if err := e.wait(c); err != nil {
		return err
	}
	c.Assign(b)
	return nil
}

// applyLatched prepares b and puts it in line, all under the latches of its keys.
func (e *engine) applyLatched(b *engines.Batch, c *call) error {
	c.Held = e.latches.LockBatch(b, c.Held)
	defer e.latches.UnlockAll(c.Held)
	return e.submit(c, func() error { return c.Prepare(b, c, c, e.versions) })
}

// submit fills a transaction and puts it in line; wait has its outcome.
func (e *engine) submit(c *call, fill func() error) error {
	c.kept = c.kept[:0]
	c.txn = e.db.NewTransaction(true)
	if err := fill(); err != nil {
		c.txn.Discard()
		return mapError(e.dir, err)
	}
	c.txn.CommitWith(func(err error) { c.done <- err })
	return nil
}

// wait returns when a submitted transaction is as durable as the class promises.
// An error means that its outcome is open, and ends the engine.
func (e *engine) wait(c *call) error {
	err := <-c.done
	c.txn = nil
	if err != nil {
		return e.gate.Fail(mapError(e.dir, err))
	}
	return e.counters.Outcome(nil)
}

// RenewLease is the native renewal: one read, one write, no batch of ours.
func (e *engine) RenewLease(ctx context.Context, key []byte, held engines.Version, r lease.Renewal) (engines.Version, error) {
	if err := engines.ValidateKey(engines.Leases, key); err != nil {
		return 0, err
	}
	if err := e.gate.Admit(ctx); err != nil {
		return 0, err
	}
	defer e.gate.Leave()
	c := e.calls.Get().(*call)
	defer e.calls.Put(c)
	next, err := e.renewLatched(c, key, held, r)
	if err != nil {
		return 0, e.counters.Outcome(err)
	}
	return next, e.wait(c)
}

func (e *engine) renewLatched(c *call, key []byte, held engines.Version, r lease.Renewal) (next engines.Version, err error) {
	latch := e.latches.Lock(engines.Leases, key)
	defer e.latches.Unlock(latch)
	err = e.submit(c, func() error {
		record, err := c.Read(engines.Leases, key, c.Record[:0])
		if err != nil {
			return err
		}
		c.Record = record
		var value []byte
		if next, value, err = e.versions.Renewed(record, held, r); err != nil {
			return err
		}
		return c.Put(engines.Leases, key, next, value)
	})
	return next, err
}

// persist makes a version state durable, whatever the class.
func (e *engine) persist(s adapter.VersionState) error {
	raw, err := s.AppendBinary(nil)
	if err != nil {
		return err
	}
	if err := e.db.Update(func(txn *badger.Txn) error { return txn.Set(stateKey, raw) }); err != nil {
		return mapError(e.dir, err)
	}
	if e.config.SyncWrites {
		return nil
	}
	return mapError(e.dir, e.db.Sync())
}

// Close ends the engine. Badger flushes its memtables, so that a clean close
// loses nothing in any class.
func (e *engine) Close() error {
	var errs []error
	if _, err := e.gate.Close(func() { errs = append(errs, e.views.CloseAll()) }); err != nil {
		return err
	}
	e.counters.Keep(e.readStats())
	if failure := e.gate.Failure(); failure != nil {
		errs = append(errs, failure)
	} else if state, used := e.versions.CloseState(); used {
		errs = append(errs, e.persist(state))
	}
	errs = append(errs, mapError(e.dir, e.db.Close()))
	if e.config.durability.Class == engines.Process {
		errs = append(errs, syncTree(e.dir))
	}
	return errors.Join(errs...)
}

// syncTree makes every file in dir durable, and dir itself.
func syncTree(dir string) error {
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		return adapter.SyncFile(path)
	})
	return errors.Join(err, adapter.SyncFile(dir))
}

// Stats returns counters since Open; Badger's own are one set for a process, and off.
func (e *engine) Stats() engines.Stats { return e.counters.Stats(e.gate, e.readStats) }

func (e *engine) readStats() engines.Stats {
	var s engines.Stats
	if e.config.SyncWrites {
		s.Flushes = e.counters.Commits() // at most: commits that meet share one
	}
	return s
}

// Snapshot writes what a read transaction sees to a store of its own.
func (e *engine) Snapshot(ctx context.Context, dir string) error {
	if err := e.gate.Admit(ctx); err != nil {
		return err
	}
	defer e.gate.Leave()
	if err := adapter.MakeVacant(dir); err != nil {
		return err
	}
	txn := e.db.NewTransaction(false)
	defer txn.Discard()
	c := *e.config
	c.SyncWrites = false // everything is synced at the end
	to, err := badger.Open(c.options(dir, e.logf))
	if err != nil {
		return fmt.Errorf("badger: copying: %w", mapError(dir, err))
	}
	if err := errors.Join(copyAll(ctx, txn, to), to.Close()); err != nil {
		return mapError(dir, err)
	}
	return adapter.MapError(errors.Join(syncTree(dir), adapter.SyncFile(filepath.Dir(dir))))
}

// copyAll writes every pair that txn sees.
func copyAll(ctx context.Context, txn *badger.Txn, to *badger.DB) error {
	w := to.NewWriteBatch()
	defer w.Cancel()
	it := txn.NewIterator(badger.DefaultIteratorOptions)
	defer it.Close()
	n := 0
	for it.Rewind(); it.Valid(); it.Next() {
		if n++; n%checkEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		value, err := it.Item().ValueCopy(nil)
		if err != nil {
			return err
		}
		if err := w.Set(it.Item().KeyCopy(nil), value); err != nil {
			return err
		}
	}
	return w.Flush()
}
