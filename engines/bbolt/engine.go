package bbolt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"orbitbench/engines"
	"orbitbench/engines/adapter"
	"orbitbench/engines/lease"
)

// engine is an open bbolt store.
type engine struct {
	path   string
	config *effective
	db     *bolt.DB

	gate     *adapter.Gate
	versions *adapter.Versions
	views    adapter.Views

	// writer is held by sending to it. It stands in front of bbolt's own
	// writer lock because a caller's context can end a wait for a channel.
	writer chan struct{}
	tx     writeTx // the write transaction; of the holder of writer

	counters adapter.Counters
}

func newEngine(path string, c *effective) *engine {
	e := &engine{path: path, config: c, gate: adapter.NewGate(), writer: make(chan struct{}, 1)}
	e.tx.e = e
	return e
}

// writeTx is the one write transaction with its reusable memory; it reads and
// writes for Prepare.
type writeTx struct {
	adapter.Scratch
	e        *engine
	tx       *bolt.Tx
	buckets  [engines.NumKeyspaces]*bolt.Bucket // of tx, as far as they were used
	values   []byte                             // what was put: bbolt wants it valid until the commit
	reserved bool                               // the transaction carries a version reservation
}

func (w *writeTx) bucket(ks engines.Keyspace) *bolt.Bucket {
	if w.buckets[ks] == nil {
		w.buckets[ks] = w.tx.Bucket(buckets[ks])
		w.buckets[ks].FillPercent = w.e.config.FillPercent
	}
	return w.buckets[ks]
}

// Read appends a stored record to dst.
func (w *writeTx) Read(ks engines.Keyspace, key, dst []byte) ([]byte, error) {
	raw := w.bucket(ks).Get(key)
	if raw == nil {
		return dst, engines.ErrNotFound
	}
	return append(dst, raw...), nil
}

// Put stores a record. Memory of earlier puts stays where it is when the
// buffer grows: append moves only what comes later.
func (w *writeTx) Put(ks engines.Keyspace, key []byte, v engines.Version, value []byte) error {
	start := len(w.values)
	w.values = adapter.AppendRecord(w.values, v, value)
	return w.bucket(ks).Put(key, w.values[start:])
}

// Delete removes a record.
func (w *writeTx) Delete(ks engines.Keyspace, key []byte) error { return w.bucket(ks).Delete(key) }

// persist writes a version state into the running transaction; commit makes it
// durable before any version above the old ceiling is acknowledged.
func (e *engine) persist(s adapter.VersionState) error {
	raw, err := s.AppendBinary(nil)
	if err != nil {
		return err
	}
	e.tx.reserved = true
	return e.tx.tx.Bucket(stateBucket).Put(stateKey, raw)
}

// update runs fill in a write transaction, commits it and runs done. fill's
// error rolls the transaction back and is returned. done may be nil.
func (e *engine) update(ctx context.Context, fill func(*writeTx) error, done func(*writeTx)) (err error) {
	if err := e.gate.Admit(ctx); err != nil {
		return err
	}
	defer e.gate.Leave()
	select {
	case e.writer <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-e.writer }()
	if err := e.gate.Failure(); err != nil {
		return err // it failed while we waited
	}
	if err := e.updateLocked(fill); err != nil {
		return err
	}
	if done != nil {
		done(&e.tx)
	}
	return nil
}

// updateLocked is update for the holder of writer.
func (e *engine) updateLocked(fill func(*writeTx) error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer e.recovered(&err)
	w := &e.tx
	*w = writeTx{Scratch: w.Scratch, e: e, values: w.values[:0]}
	ceiling := e.versions.Ceiling()
	if w.tx, err = e.db.Begin(true); err != nil {
		return e.mapError(err)
	}
	if err := fill(w); err != nil {
		if w.reserved {
			e.versions.Rollback(ceiling)
		}
		if rollbackErr := w.tx.Rollback(); rollbackErr != nil {
			return e.gate.Fail(errors.Join(err, rollbackErr))
		}
		return e.mapError(err)
	}
	if err := w.tx.Commit(); err != nil {
		if w.reserved {
			e.versions.Rollback(ceiling)
		}
		return e.commitFailed(err)
	}
	if w.reserved && e.config.NoSync {
		if err := e.db.Sync(); err != nil {
			return e.gate.Fail(err)
		}
	}
	return nil
}

// commitFailed judges an error of Commit. A write that found no space left the
// old meta page in place, so nothing was applied. After any other error,
// above all of a sync, what the device holds is unknown.
func (e *engine) commitFailed(err error) error {
	var path *os.PathError
	if errors.Is(err, berrors.ErrMaxSizeReached) || errors.As(err, &path) && adapter.NoSpace(err) {
		return fmt.Errorf("%w: %w", engines.ErrFull, err)
	}
	return e.gate.Fail(err)
}

// Apply commits b in one write transaction.
func (e *engine) Apply(ctx context.Context, b *engines.Batch) error {
	if err := b.Validate(); err != nil {
		return err
	}
	return e.counters.Outcome(e.update(ctx,
		func(w *writeTx) error { return w.Prepare(b, w, w, e.versions) },
		func(w *writeTx) { w.Assign(b) }))
}

// RenewLease reads, checks and writes the lease in one write transaction.
func (e *engine) RenewLease(ctx context.Context, key []byte, held engines.Version, r lease.Renewal) (engines.Version, error) {
	if err := engines.ValidateKey(engines.Leases, key); err != nil {
		return 0, err
	}
	var next engines.Version
	err := e.counters.Outcome(e.update(ctx, func(w *writeTx) (err error) {
		next, err = e.renew(w, key, held, r)
		return err
	}, nil))
	if err != nil {
		return 0, err
	}
	return next, nil
}

func (e *engine) renew(w *writeTx, key []byte, held engines.Version, r lease.Renewal) (engines.Version, error) {
	record, err := w.Read(engines.Leases, key, w.Record[:0])
	if err != nil {
		return 0, err
	}
	w.Record = record
	next, value, err := e.versions.Renewed(record, held, r)
	if err != nil {
		return 0, err
	}
	return next, w.Put(engines.Leases, key, next, value)
}

// Close ends the engine.
func (e *engine) Close() error {
	var viewErr error
	// A failed bbolt frees its locks, so no call is ever stuck in it.
	_, err := e.gate.Close(func() { viewErr = errors.Join(viewErr, e.views.CloseAll()) })
	if err != nil {
		return err
	}
	e.counters.Keep(e.readStats())
	if failure := e.gate.Failure(); failure != nil {
		return errors.Join(failure, viewErr, e.db.Close())
	}
	if state, used := e.versions.CloseState(); used {
		err = e.updateLocked(func(*writeTx) error { return e.persist(state) })
	}
	if err == nil && e.config.durability.Class == engines.Process {
		err = e.db.Sync()
	}
	return errors.Join(err, viewErr, e.db.Close())
}

// recovered turns a panic about a damaged page, or a fault of the mapping, into
// *err. A write transaction that it interrupted holds bbolt's locks: the
// transaction is rolled back, and the engine has failed.
func (e *engine) recovered(err *error) {
	p := recover()
	if p == nil {
		return
	}
	*err = &engines.CorruptError{File: e.path, Offset: -1, Reason: fmt.Sprint(p)}
	if tx := e.tx.tx; tx != nil && tx.Writable() && tx.DB() != nil {
		*err = errors.Join(e.gate.Fail(*err), rollback(tx))
	}
}

// rollback ends a transaction that a panic interrupted.
func rollback(tx *bolt.Tx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("rolling back after a panic: %v", p)
		}
	}()
	return tx.Rollback()
}

// mapError turns bbolt's errors into the contract's.
func (e *engine) mapError(err error) error {
	switch {
	case err == nil || errors.Is(err, engines.ErrCorrupt):
		return err
	case errors.Is(err, berrors.ErrTimeout):
		return fmt.Errorf("%w: %w", engines.ErrLocked, err)
	case errors.Is(err, adapter.ErrRecord), errors.Is(err, berrors.ErrInvalid),
		errors.Is(err, berrors.ErrVersionMismatch), errors.Is(err, berrors.ErrChecksum),
		strings.HasPrefix(err.Error(), "file size too small"): // bbolt has no value for this one
		return &engines.CorruptError{File: e.path, Offset: -1, Reason: err.Error()}
	case errors.Is(err, berrors.ErrMaxSizeReached):
		return fmt.Errorf("%w: %w", engines.ErrFull, err)
	}
	return adapter.MapError(err)
}

// Stats returns counters since Open. After Close they stay what they were.
// CheckpointBytes are the pages that commits wrote (bbolt has no log), Flushes
// the two syncs of each commit, MappedBytes the size of the file.
func (e *engine) Stats() engines.Stats {
	return e.counters.Stats(e.gate, e.readStats)
}

func (e *engine) readStats() engines.Stats {
	var s engines.Stats
	db := e.db.Stats()
	s.CheckpointBytes = uint64(db.TxStats.GetPageAlloc())
	if !e.config.NoSync {
		s.Flushes = 2 * e.counters.Commits()
	}
	if file, err := os.Stat(e.path); err == nil { // a gauge: without the file there is nothing to tell
		s.MappedBytes = uint64(file.Size())
	}
	return s
}

// Snapshot copies the file within a read transaction.
func (e *engine) Snapshot(ctx context.Context, dir string) (err error) {
	if err := e.gate.Admit(ctx); err != nil {
		return err
	}
	defer e.gate.Leave()
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer e.recoveredRead(&err, nil)
	if err := adapter.MakeVacant(dir); err != nil {
		return err
	}
	path := filepath.Join(dir, fileName)
	err = e.db.View(func(tx *bolt.Tx) error { return tx.CopyFile(path, 0o644) })
	if err != nil {
		return e.mapError(err)
	}
	// CopyFile syncs nothing.
	return adapter.SyncCopy(path)
}
