//go:build sqlite && cgo

package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"orbitbench/engines"
	"orbitbench/engines/adapter"
	"orbitbench/engines/lease"
)

// engine is an open SQLite store.
type engine struct {
	config *effective
	store  *store
	lock   *os.File

	gate     *adapter.Gate
	versions *adapter.Versions
	views    adapter.Views
	calls    sync.Pool // of *call
	counters adapter.Counters
	flushes  atomic.Uint64
	flusher  *adapter.Flusher // class interval only

	// writer is held by sending to it: the writer's connection is for one call at a time.
	writer chan struct{}
}

// call is the reusable memory of one call; it reads for Prepare.
type call struct {
	adapter.Scratch
	e   *engine
	ops adapter.Ops
}

// Read appends a stored record to dst.
func (c *call) Read(ks engines.Keyspace, key, dst []byte) ([]byte, error) {
	record, err := c.e.store.get(c.e.store.writer, ks, key, c.Record)
	c.Record = record
	if err != nil {
		return dst, err
	}
	return append(dst, record...), nil
}

// lockWriter takes the writer lock, which unlockWriter frees.
func (e *engine) lockWriter(ctx context.Context) error {
	select {
	case e.writer <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := e.gate.Failure(); err != nil { // it failed while we waited
		e.unlockWriter()
		return err
	}
	return nil
}

func (e *engine) unlockWriter() { <-e.writer }

// Apply commits b in one transaction.
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
	if err := e.applyLocked(ctx, b, c); err != nil {
		return err
	}
	if err := e.acknowledge(); err != nil {
		return err
	}
	c.Assign(b)
	return nil
}

func (e *engine) applyLocked(ctx context.Context, b *engines.Batch, c *call) error {
	if err := e.lockWriter(ctx); err != nil {
		return err
	}
	defer e.unlockWriter()
	c.ops.Reset()
	if err := c.Prepare(b, c, &c.ops, e.versions); err != nil {
		return e.counters.Outcome(e.store.mapRecord(err))
	}
	return e.committed(e.store.commit(&c.ops))
}

// acknowledge returns when a commit is as durable as the class promises.
func (e *engine) acknowledge() error {
	if e.flusher != nil {
		if err := e.flusher.Committed(); err != nil {
			return e.gate.Fail(err)
		}
	}
	return e.counters.Outcome(nil)
}

// committed judges the outcome of a transaction. A full device means that it was
// rolled back. After any other error, above all of a sync, what the device holds
// is unknown.
func (e *engine) committed(err error) error {
	switch {
	case err == nil:
		if e.config.durability.Class == engines.Sync {
			e.flushes.Add(1)
		}
		return nil
	case errors.Is(err, engines.ErrFull):
		return err
	}
	return e.gate.Fail(err)
}

// RenewLease renews in one transaction, which is one call of C.
func (e *engine) RenewLease(ctx context.Context, key []byte, held engines.Version, r lease.Renewal) (engines.Version, error) {
	if err := engines.ValidateKey(engines.Leases, key); err != nil {
		return 0, err
	}
	if err := e.gate.Admit(ctx); err != nil {
		return 0, err
	}
	defer e.gate.Leave()
	next, err := e.renewLocked(ctx, key, held, r)
	if err != nil {
		return 0, e.counters.Outcome(err)
	}
	return next, e.acknowledge()
}

func (e *engine) renewLocked(ctx context.Context, key []byte, held engines.Version, r lease.Renewal) (engines.Version, error) {
	if err := e.lockWriter(ctx); err != nil {
		return 0, err
	}
	defer e.unlockWriter()
	return e.renew(key, held, r)
}

func (e *engine) renew(key []byte, held engines.Version, r lease.Renewal) (engines.Version, error) {
	if held == 0 || held > e.versions.Ceiling() {
		// No record can have it, unless none was assigned yet since Open. Either
		// way it must not be the version from which the next one is told.
		return e.renewSlowly(key, held, r)
	}
	next, err := e.versions.Next(held)
	if err != nil {
		return 0, err
	}
	have, done, err := e.store.renew(key, held, next, r)
	switch {
	case err == nil && !done:
		return e.renewSlowly(key, held, r)
	case err == nil && have != held:
		return 0, &engines.ConflictError{Keyspace: engines.Leases, Want: held, Have: have}
	}
	return next, e.committed(err)
}

// renewSlowly reads first, and finds out what is wrong.
func (e *engine) renewSlowly(key []byte, held engines.Version, r lease.Renewal) (engines.Version, error) {
	c := e.calls.Get().(*call)
	defer e.calls.Put(c)
	record, err := e.store.get(e.store.writer, engines.Leases, key, c.Record)
	c.Record = record
	if err != nil {
		return 0, err
	}
	next, value, err := e.versions.Renewed(record, held, r)
	if err != nil {
		return 0, e.store.mapRecord(err)
	}
	c.ops.Reset()
	if err := c.ops.Put(engines.Leases, key, next, value); err != nil {
		return 0, err
	}
	return next, e.committed(e.store.commit(&c.ops))
}

// persist makes a version state durable, whatever the class. The caller holds
// the writer lock.
func (e *engine) persist(s adapter.VersionState) error {
	raw, err := s.AppendBinary(nil)
	if err != nil {
		return err
	}
	var o adapter.Ops
	o.PutRaw(stateTable, stateKey, raw)
	if err := e.committed(e.store.commit(&o)); err != nil || e.config.durability.Class == engines.Sync {
		return err
	}
	if err := errors.Join(e.syncLog(), adapter.SyncFile(e.store.dir)); err != nil {
		return e.gate.Fail(err)
	}
	return nil
}

// syncLog makes everything committed so far durable.
func (e *engine) syncLog() error {
	e.flushes.Add(1)
	return e.store.sync()
}

// Checkpoint writes what the log holds to the database.
func (e *engine) Checkpoint(ctx context.Context) error {
	if err := e.gate.Admit(ctx); err != nil {
		return err
	}
	defer e.gate.Leave()
	if err := e.lockWriter(ctx); err != nil {
		return err
	}
	defer e.unlockWriter()
	return e.committed(e.store.checkpoint())
}

// Close ends the engine.
func (e *engine) Close() error {
	var errs []error
	// Calls of a failed SQLite return, so none is ever stuck.
	if _, err := e.gate.Close(func() { errs = append(errs, e.views.CloseAll()) }); err != nil {
		return err
	}
	if e.flusher != nil {
		e.flusher.Stop()
	}
	e.counters.Keep(e.readStats())
	if failure := e.gate.Failure(); failure != nil {
		errs = append(errs, failure)
	} else {
		errs = append(errs, e.closing())
	}
	return errors.Join(append(errs, e.store.close(), e.lock.Close())...)
}

// closing writes what a clean close leaves behind.
func (e *engine) closing() error {
	if state, used := e.versions.CloseState(); used {
		if err := e.persist(state); err != nil {
			return err
		}
	}
	if c := e.config.durability.Class; c == engines.None || c == engines.Sync {
		return nil
	}
	return e.syncLog()
}

// Stats returns counters since Open. After Close they stay what they were.
// Flushes are the syncs of commits, without those of checkpoints; CacheBytes is
// what the library has allocated in this process. SQLite counts nothing else.
func (e *engine) Stats() engines.Stats { return e.counters.Stats(e.gate, e.readStats) }

func (e *engine) readStats() engines.Stats {
	return engines.Stats{Flushes: e.flushes.Load(), CacheBytes: memory()}
}

// Snapshot copies the database within a read transaction (the backup API).
func (e *engine) Snapshot(ctx context.Context, dir string) error {
	if err := e.gate.Admit(ctx); err != nil {
		return err
	}
	defer e.gate.Leave()
	if err := adapter.MakeVacant(dir); err != nil {
		return err
	}
	path := filepath.Join(dir, dataName)
	if err := e.store.copyTo(path); err != nil {
		return fmt.Errorf("sqlite: copying: %w", err)
	}
	return adapter.SyncCopy(path)
}
