//go:build rocksdb && cgo

package rocksdb

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"

	"orbitbench/engines"
	"orbitbench/engines/adapter"
	"orbitbench/engines/lease"
)

// engine is an open RocksDB store.
type engine struct {
	dir     string
	config  *effective
	logf    func(string, ...any)
	store   *store
	flusher *adapter.Flusher // class interval only
	walSync *walSync         // class sync with commit = sync_wal only
	events  *events

	gate     *adapter.Gate
	latches  *adapter.Latches
	versions *adapter.Versions
	views    adapter.Views
	calls    sync.Pool // of *call

	logBytes, logSyncs atomic.Uint64
	counters           adapter.Counters
}

// call is the reusable memory of one call; it reads and writes for Prepare.
type call struct {
	adapter.Scratch
	e     *engine
	batch batch
}

// Read appends a stored record to dst.
func (c *call) Read(ks engines.Keyspace, key, dst []byte) ([]byte, error) {
	record, err := c.e.store.get(c.e.store.read, ks, key, c.Record)
	c.Record = record
	if err != nil {
		return dst, err
	}
	return append(dst, record...), nil
}

// Put adds a record to the batch.
func (c *call) Put(ks engines.Keyspace, key []byte, v engines.Version, value []byte) error {
	c.batch.put(c.e.store.cfs[ks].id, key, v, value)
	return nil
}

// Delete adds a deletion to the batch.
func (c *call) Delete(ks engines.Keyspace, key []byte) error {
	c.batch.delete(c.e.store.cfs[ks].id, key)
	return nil
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
	if err := e.wait(); err != nil {
		return err
	}
	c.Assign(b)
	return nil
}

func (e *engine) applyLatched(b *engines.Batch, c *call) error {
	c.Held = e.latches.LockBatch(b, c.Held)
	defer e.latches.UnlockAll(c.Held)
	c.batch.reset()
	if err := c.Prepare(b, c, c, e.versions); err != nil {
		return mapError(e.dir, err)
	}
	return e.submit(&c.batch)
}

// submit writes a batch to the log and the memtables.
func (e *engine) submit(b *batch) error {
	return e.submitted(e.store.apply(e.store.write, b), uint64(len(b.rep)))
}

// submitted judges a write of so many bytes. An error means that it was not
// applied; any but a full device ends the engine, because the log may hold it
// all the same.
func (e *engine) submitted(err error, size uint64) error {
	if err != nil {
		if errors.Is(err, engines.ErrFull) {
			return err
		}
		return e.gate.Fail(err)
	}
	e.logBytes.Add(size)
	return nil
}

// wait returns when a submitted batch is as durable as the class promises. An
// error means that its outcome is open, and ends the engine.
func (e *engine) wait() error {
	var err error
	switch {
	case e.walSync != nil:
		err = e.walSync.wait()
	case e.flusher != nil:
		err = e.flusher.Committed()
	}
	if err != nil {
		return e.gate.Fail(err)
	}
	e.counters.Commit()
	return nil
}

// RenewLease is the native renewal: read, check and write in one call of C.
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
		return 0, err
	}
	if err := e.wait(); err != nil {
		return 0, err
	}
	return next, nil
}

func (e *engine) renewLatched(c *call, key []byte, held engines.Version, r lease.Renewal) (engines.Version, error) {
	latch := e.latches.Lock(engines.Leases, key)
	defer e.latches.Unlock(latch)
	if held == 0 || held > e.versions.Ceiling() {
		// No record can have it, unless none was assigned yet since Open. Either
		// way it must not be the version from which the next one is told.
		return e.renewSlowly(c, key, held, r)
	}
	next, err := e.versions.Next(held)
	if err != nil {
		return 0, err
	}
	out, err := e.store.renew(key, held, next, r)
	switch {
	case out.wrote:
		return next, e.submitted(err, out.size)
	case err != nil:
		return 0, err
	case !out.done:
		return e.renewSlowly(c, key, held, r)
	}
	return 0, e.counters.Outcome(&engines.ConflictError{Keyspace: engines.Leases, Want: held, Have: out.have})
}

// renewSlowly reads first, and finds out what is wrong.
func (e *engine) renewSlowly(c *call, key []byte, held engines.Version, r lease.Renewal) (engines.Version, error) {
	record, err := e.store.get(e.store.read, engines.Leases, key, c.Record)
	c.Record = record
	if err != nil {
		return 0, err
	}
	next, value, err := e.versions.Renewed(record, held, r)
	if err != nil {
		return 0, e.counters.Outcome(adapter.RecordError(e.dir, err))
	}
	c.batch.reset()
	c.batch.put(e.store.cfs[engines.Leases].id, key, next, value)
	return next, e.submit(&c.batch)
}

// persist makes a version state durable, whatever the class.
func (e *engine) persist(s adapter.VersionState) error {
	raw, err := s.AppendBinary(nil)
	if err != nil {
		return err
	}
	var b batch
	b.reset()
	b.putDefault(stateKey, raw)
	if err := e.store.apply(e.store.durable, &b); err != nil {
		return err
	}
	if e.config.durability.Class != engines.None {
		return nil
	}
	// Without a log a flush is what is durable. The default column family
	// holds nothing else, so no batch is torn by flushing it alone.
	return mapError(e.dir, e.store.db.FlushCF(e.store.handles[0], e.store.flush))
}

// syncLog makes everything written so far durable.
func (e *engine) syncLog() error {
	e.logSyncs.Add(1)
	return e.store.syncWAL()
}

// Checkpoint flushes the memtables of every column family.
func (e *engine) Checkpoint(ctx context.Context) error {
	if err := e.gate.Admit(ctx); err != nil {
		return err
	}
	defer e.gate.Leave()
	if e.config.AtomicFlush {
		return e.flushAtomically()
	}
	for _, h := range e.store.handles {
		if err := e.store.db.FlushCF(h, e.store.flush); err != nil {
			return mapError(e.dir, err)
		}
	}
	return nil
}

// flushAtomically flushes all column families as one. The C API of 7.8 flushes
// one at a time, and without a log a kill between two would tear a batch; but
// making a checkpoint begins with the flush that we want.
func (e *engine) flushAtomically() (err error) {
	dir, err := os.MkdirTemp(e.dir, "flush-*")
	if err != nil {
		return adapter.MapError(err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	return e.checkpoint(filepath.Join(dir, "checkpoint"), 0)
}

// checkpoint makes a RocksDB checkpoint; the memtables are flushed first if the
// log is at least flushAt bytes long.
func (e *engine) checkpoint(dir string, flushAt uint64) error {
	c, err := e.store.db.NewCheckpoint()
	if err != nil {
		return mapError(e.dir, err)
	}
	defer c.Destroy()
	return mapError(e.dir, c.CreateCheckpoint(dir, flushAt))
}

// Snapshot makes a RocksDB checkpoint: tables are linked after a flush.
func (e *engine) Snapshot(ctx context.Context, dir string) error {
	if err := e.gate.Admit(ctx); err != nil {
		return err
	}
	defer e.gate.Leave()
	if err := adapter.VacantDir(dir); err != nil {
		return err
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if err := e.checkpoint(abs, 0); err != nil {
		return err
	}
	return adapter.MapError(adapter.SyncFile(filepath.Dir(abs)))
}

// Spans lists flushes and compactions, as far as LOG tells them.
func (e *engine) Spans() []engines.Span {
	if err := e.events.read(); err != nil {
		e.logf("rocksdb: %v", err)
	}
	return e.events.list()
}

// Close ends the engine.
func (e *engine) Close() error {
	var errs []error
	// Calls of a failed RocksDB return, so none is ever stuck.
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
		if state, used := e.versions.CloseState(); used {
			errs = append(errs, e.persist(state))
		}
		if e.config.durability.Class != engines.None {
			errs = append(errs, e.syncLog())
		}
	}
	e.store.close() // which flushes what has no log
	return errors.Join(errs...)
}

// Stats returns counters since Open. After Close they stay what they were.
// LogBytes are the batches, without the framing of the log; Checkpoints and
// CheckpointBytes are what LOG tells of flushes and compactions.
func (e *engine) Stats() engines.Stats {
	return e.counters.Stats(e.gate, e.readStats)
}

func (e *engine) readStats() engines.Stats {
	if err := e.events.read(); err != nil {
		e.logf("rocksdb: %v", err)
	}
	s := engines.Stats{
		Flushes:    e.logSyncs.Load() + groupSyncs(e.store.db.GetProperty("rocksdb.dbstats")),
		CacheBytes: e.store.cache.GetUsage(),
	}
	if e.config.durability.Class != engines.None {
		s.LogBytes = e.logBytes.Load()
	}
	s.Checkpoints, s.CheckpointBytes = e.events.totals()
	for _, h := range e.store.handles {
		if n, ok := e.store.db.GetIntPropertyCF("rocksdb.cur-size-all-mem-tables", h); ok {
			s.TableBytes += n
		}
	}
	return s
}

var syncsForm = regexp.MustCompile(`Cumulative WAL: \S+ writes, (\d{1,18}) syncs`)

// groupSyncs reads from RocksDB's text about itself how often its write groups
// synced the log.
func groupSyncs(dbstats string) uint64 {
	m := syncsForm.FindStringSubmatch(dbstats)
	if m == nil {
		return 0
	}
	n, err := strconv.ParseUint(m[1], 10, 64)
	if err != nil {
		return 0 // 18 digits always fit
	}
	return n
}
