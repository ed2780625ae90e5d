//go:build lmdb && cgo

package lmdb

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

// engine is an open LMDB store.
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

	// writer is held by sending to it. It stands in front of LMDB's own writer
	// lock, for which a waiting call would keep a thread.
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
	record, err := c.e.store.read(ks, key, c.Record)
	c.Record = record
	if err != nil {
		return dst, err
	}
	return append(dst, record...), nil
}

// enterWriter begins a call that writes, which ends with leaveWriter.
func (e *engine) enterWriter(ctx context.Context) error {
	if err := e.gate.Admit(ctx); err != nil {
		return err
	}
	select {
	case e.writer <- struct{}{}:
	case <-ctx.Done():
		e.gate.Leave()
		return ctx.Err()
	}
	if err := e.gate.Failure(); err != nil { // it failed while we waited
		e.leaveWriter()
		return err
	}
	return nil
}

func (e *engine) leaveWriter() {
	<-e.writer
	e.gate.Leave()
}

// Apply commits b in one transaction.
func (e *engine) Apply(ctx context.Context, b *engines.Batch) error {
	if err := b.Validate(); err != nil {
		return err
	}
	if err := e.enterWriter(ctx); err != nil {
		return err
	}
	defer e.leaveWriter()
	c := e.calls.Get().(*call)
	defer e.calls.Put(c)
	c.ops.Reset()
	if err := c.Prepare(b, c, &c.ops, e.versions); err != nil {
		return e.counters.Outcome(e.store.mapRecord(err))
	}
	if err := e.committed(e.store.commit(&c.ops, false)); err != nil {
		return err
	}
	c.Assign(b)
	return e.counters.Outcome(nil)
}

// committed judges the outcome of a transaction. A full device or map means
// that nothing was applied: the meta page is written last. After any other
// error, above all of a sync, what the device holds is unknown.
func (e *engine) committed(err error) error {
	switch {
	case err == nil:
		if !e.config.NoSync {
			e.flushes.Add(2) // the pages, and the meta page
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
	if err := e.enterWriter(ctx); err != nil {
		return 0, err
	}
	defer e.leaveWriter()
	next, err := e.renew(key, held, r)
	if err := e.counters.Outcome(err); err != nil {
		return 0, err
	}
	return next, nil
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
	record, err := e.store.read(engines.Leases, key, c.Record)
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
	return next, e.committed(e.store.commit(&c.ops, false))
}

// persist makes a version state durable, whatever the class. The caller holds
// the writer lock.
func (e *engine) persist(s adapter.VersionState) error {
	raw, err := s.AppendBinary(nil)
	if err != nil {
		return err
	}
	var o adapter.Ops
	o.PutRaw(stateDatabase, stateKey, raw)
	return e.committed(e.store.commit(&o, e.config.NoSync))
}

// Close ends the engine.
func (e *engine) Close() error {
	var errs []error
	// Calls of a failed LMDB return, so none is ever stuck.
	if _, err := e.gate.Close(func() { errs = append(errs, e.views.CloseAll()) }); err != nil {
		return err
	}
	e.counters.Keep(e.readStats())
	if failure := e.gate.Failure(); failure != nil {
		errs = append(errs, failure)
	} else {
		errs = append(errs, e.closing())
	}
	e.store.close()
	return errors.Join(append(errs, e.lock.Close())...)
}

// closing writes what a clean close leaves behind.
func (e *engine) closing() error {
	if state, used := e.versions.CloseState(); used {
		if err := e.persist(state); err != nil {
			return err
		}
	}
	if !e.config.NoSync {
		return nil
	}
	return e.store.sync()
}

// Stats returns counters since Open. After Close they stay what they were.
// Flushes are the two of each commit: LMDB has no log, and does not say how
// many pages it wrote. MappedBytes is the size of the file.
func (e *engine) Stats() engines.Stats { return e.counters.Stats(e.gate, e.readStats) }

func (e *engine) readStats() engines.Stats {
	s := engines.Stats{Flushes: e.flushes.Load()}
	if n, err := e.store.records(); err == nil { // a gauge, as the next
		s.Records = n
	}
	if file, err := os.Stat(e.store.path); err == nil {
		s.MappedBytes = uint64(file.Size())
	}
	return s
}

// Snapshot copies the pages of a read transaction; writers wait only while the
// meta pages are copied.
func (e *engine) Snapshot(ctx context.Context, dir string) error {
	if err := e.gate.Admit(ctx); err != nil {
		return err
	}
	defer e.gate.Leave()
	if err := adapter.MakeVacant(dir); err != nil {
		return err
	}
	if err := e.store.copyTo(dir); err != nil {
		return fmt.Errorf("lmdb: copying: %w", err)
	}
	// mdb_env_copy2 syncs nothing.
	return adapter.SyncCopy(filepath.Join(dir, dataName))
}
