package pebble

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"orbitbench/engines"
	"orbitbench/engines/adapter"
	"orbitbench/engines/lease"
)

// engine is an open Pebble store.
type engine struct {
	dir     string
	config  *effective
	logf    func(string, ...any)
	fs      *storeFS
	lock    *pebble.Lock
	db      *pebble.DB
	flusher *adapter.Flusher // class interval only

	gate     *adapter.Gate
	latches  *adapter.Latches
	versions *adapter.Versions
	views    adapter.Views
	spans    adapter.Spans
	calls    sync.Pool // of *call

	full    atomic.Bool // a flush or compaction met a full device and none has succeeded since
	corrupt atomic.Pointer[engines.CorruptError]

	counters adapter.Counters
}

func newEngine(dir string, c *effective, logf func(string, ...any)) *engine {
	e := &engine{
		dir: dir, config: c, logf: logf,
		gate: adapter.NewGate(), latches: adapter.NewLatches(),
		views: adapter.Views{Shared: true},
	}
	e.fs = &storeFS{
		FS: vfs.Default, dir: dir,
		skipLogSync:      c.durability.Class == engines.Process,
		syncBeforeMarker: c.SyncBeforeMarker,
	}
	e.calls.New = func() any { return &call{e: e} }
	return e
}

// stateKey holds the version state; keyspaces begin at byte 1.
var stateKey = []byte{0}

func appendKey(dst []byte, ks engines.Keyspace, key []byte) []byte {
	return append(append(dst, byte(ks)+1), key...)
}

// call is the reusable memory of one call; it reads and writes for Prepare.
type call struct {
	adapter.Scratch
	e     *engine
	batch *pebble.Batch
}

// Read appends a stored record to dst.
func (c *call) Read(ks engines.Keyspace, key, dst []byte) ([]byte, error) {
	return c.read(c.e.db, ks, key, dst)
}

// read appends a record of the store, or of a snapshot of it, to dst.
func (c *call) read(r pebble.Reader, ks engines.Keyspace, key, dst []byte) ([]byte, error) {
	c.Key = appendKey(c.Key[:0], ks, key)
	raw, closer, err := r.Get(c.Key)
	if err != nil {
		return dst, c.e.mapError(err)
	}
	dst = append(dst, raw...)
	return dst, closer.Close()
}

// Put adds a record to the batch.
func (c *call) Put(ks engines.Keyspace, key []byte, v engines.Version, value []byte) error {
	op := c.batch.SetDeferred(1+len(key), adapter.VersionBytes+len(value))
	op.Key[0] = byte(ks) + 1
	copy(op.Key[1:], key)
	adapter.PutRecord(op.Value, v, value)
	return op.Finish()
}

// Delete adds a deletion to the batch.
func (c *call) Delete(ks engines.Keyspace, key []byte) error {
	op := c.batch.DeleteDeferred(1 + len(key))
	op.Key[0] = byte(ks) + 1
	copy(op.Key[1:], key)
	return op.Finish()
}

// Apply commits b.
func (e *engine) Apply(ctx context.Context, b *engines.Batch) (err error) {
	if err := b.Validate(); err != nil {
		return err
	}
	if err := e.gate.Admit(ctx); err != nil {
		return err
	}
	defer e.gate.Leave()
	defer e.recovered(&err)
	if e.full.Load() {
		return fmt.Errorf("pebble: a flush or compaction found no space: %w", engines.ErrFull)
	}
	c := e.calls.Get().(*call)
	defer e.calls.Put(c)
	c.batch = e.db.NewBatch()
	if err := e.applyLatched(b, c); err != nil {
		return discard(c.batch, e.counters.Outcome(err))
	}
	if err := e.wait(c.batch); err != nil {
		return err
	}
	c.Assign(b)
	return nil
}

// applyLatched prepares b and makes it visible, all under the latches of its keys.
func (e *engine) applyLatched(b *engines.Batch, c *call) error {
	c.Held = e.latches.LockBatch(b, c.Held)
	defer e.latches.UnlockAll(c.Held)
	if err := c.Prepare(b, c, c, e.versions); err != nil {
		return e.mapError(err)
	}
	return e.submit(c.batch)
}

// submit puts a batch into the log's buffer and the memtable.
func (e *engine) submit(b *pebble.Batch) error {
	switch e.config.durability.Class {
	case engines.Sync, engines.Process:
		return e.db.ApplyNoSyncWait(b, pebble.Sync)
	}
	return e.db.Apply(b, pebble.NoSync)
}

// wait returns when a submitted batch is as durable as the class promises, and
// releases it. An error means that its outcome is open, and ends the engine:
// Pebble's log writer never recovers from one.
func (e *engine) wait(b *pebble.Batch) error {
	var err error
	switch e.config.durability.Class {
	case engines.Sync, engines.Process:
		err = b.SyncWait()
	case engines.Interval:
		err = e.flusher.Committed()
	}
	if err != nil {
		return e.fail(err)
	}
	e.counters.Commit()
	return b.Close()
}

// discard releases a batch that was not submitted and returns err as it is,
// unless releasing fails too.
func discard(b *pebble.Batch, err error) error {
	if closeErr := b.Close(); closeErr != nil {
		return errors.Join(err, closeErr)
	}
	return err
}

// RenewLease is the native renewal: one read, one write, no batch of ours.
func (e *engine) RenewLease(ctx context.Context, key []byte, held engines.Version, r lease.Renewal) (v engines.Version, err error) {
	if err := engines.ValidateKey(engines.Leases, key); err != nil {
		return 0, err
	}
	if err := e.gate.Admit(ctx); err != nil {
		return 0, err
	}
	defer e.gate.Leave()
	defer e.recovered(&err)
	if e.full.Load() {
		return 0, fmt.Errorf("pebble: a flush or compaction found no space: %w", engines.ErrFull)
	}
	c := e.calls.Get().(*call)
	defer e.calls.Put(c)
	batch, v, err := e.renewLatched(c, key, held, r)
	if err != nil {
		return 0, err
	}
	if err := e.wait(batch); err != nil {
		return 0, err
	}
	return v, nil
}

func (e *engine) renewLatched(c *call, key []byte, held engines.Version, r lease.Renewal) (*pebble.Batch, engines.Version, error) {
	latch := e.latches.Lock(engines.Leases, key)
	defer e.latches.Unlock(latch)
	record, err := c.Read(engines.Leases, key, c.Record[:0])
	if err != nil {
		return nil, 0, err
	}
	c.Record = record
	next, value, err := e.versions.Renewed(record, held, r)
	if err != nil {
		return nil, 0, e.counters.Outcome(e.mapError(err))
	}
	c.batch = e.db.NewBatch()
	if err := c.Put(engines.Leases, key, next, value); err != nil {
		return nil, 0, discard(c.batch, err)
	}
	return c.batch, next, e.submit(c.batch)
}

// Get appends the value of a record to dst.
func (e *engine) Get(ctx context.Context, ks engines.Keyspace, key, dst []byte) ([]byte, engines.Version, error) {
	if err := engines.ValidateKey(ks, key); err != nil {
		return dst, 0, err
	}
	if err := e.gate.Admit(ctx); err != nil {
		return dst, 0, err
	}
	defer e.gate.Leave()
	return e.get(e.db, ks, key, dst)
}

func (e *engine) get(r pebble.Reader, ks engines.Keyspace, key, dst []byte) (_ []byte, v engines.Version, err error) {
	defer e.recoveredRead(&err)
	c := e.calls.Get().(*call)
	defer e.calls.Put(c)
	c.Key = appendKey(c.Key[:0], ks, key)
	raw, closer, err := r.Get(c.Key)
	if err != nil {
		return dst, 0, e.mapError(err)
	}
	v, value, err := adapter.DecodeRecord(raw)
	if err == nil {
		dst = append(dst, value...)
	}
	if err := errors.Join(e.mapError(err), closer.Close()); err != nil {
		return dst, 0, err
	}
	return dst, v, nil
}

// Scan calls yield for the records of [from, to) as they were when it began.
func (e *engine) Scan(ctx context.Context, ks engines.Keyspace, from, to []byte, yield func(key, value []byte, v engines.Version) error) error {
	begin := func() (adapter.Reading, error) { return reading{e: e, reader: e.db}, nil }
	return adapter.Scan(ctx, e.gate, begin, ks, from, to, yield)
}

func (r reading) Scan(ctx context.Context, ks engines.Keyspace, from, to []byte, yield adapter.Yield) (err error) {
	e := r.e
	defer e.recoveredRead(&err)
	upper := []byte{byte(ks) + 2}
	if to != nil {
		upper = appendKey(nil, ks, to)
	}
	lower := appendKey(nil, ks, from)
	if bytes.Compare(lower, upper) >= 0 {
		return nil // Pebble asks for bounds that are in order
	}
	it, err := r.reader.NewIterWithContext(ctx, &pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return e.mapError(err)
	}
	err = e.scanAll(ctx, it, yield)
	return errors.Join(err, e.mapError(it.Close()))
}

// checkEvery is how many records a scan yields between two looks at its context.
const checkEvery = 256

func (e *engine) scanAll(ctx context.Context, it *pebble.Iterator, yield func(key, value []byte, v engines.Version) error) error {
	n := 0
	for ok := it.First(); ok; ok = it.Next() {
		if n++; n%checkEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		raw, err := it.ValueAndErr()
		if err != nil {
			return e.mapError(err)
		}
		v, value, err := adapter.DecodeRecord(raw)
		if err != nil {
			return e.mapError(err)
		}
		if err := yield(it.Key()[1:], value, v); err != nil {
			return err
		}
	}
	return e.mapError(it.Error())
}

// readState reads the version state; a store without one is new.
func readState(db *pebble.DB) (adapter.VersionState, error) {
	var s adapter.VersionState
	raw, closer, err := db.Get(stateKey)
	if errors.Is(err, pebble.ErrNotFound) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	return s, errors.Join(s.UnmarshalBinary(raw), closer.Close())
}

// persist makes a version state durable, whatever the class.
func (e *engine) persist(s adapter.VersionState) error {
	raw, err := s.AppendBinary(nil)
	if err != nil {
		return err
	}
	b := e.db.NewBatch()
	if err := b.Set(stateKey, raw, nil); err != nil {
		return errors.Join(err, b.Close())
	}
	switch e.config.durability.Class {
	case engines.Sync, engines.Interval:
		return e.commitSynced(b)
	}
	// Without a log, or without syncs of it, a flush is what is durable.
	if err := e.submit(b); err != nil {
		return err
	}
	if e.config.durability.Class == engines.Process {
		if err := b.SyncWait(); err != nil {
			return e.fail(err)
		}
	}
	return errors.Join(b.Close(), e.db.Flush())
}

// commitSynced submits a batch of the adapter's own and waits for the log.
func (e *engine) commitSynced(b *pebble.Batch) error {
	if err := e.db.ApplyNoSyncWait(b, pebble.Sync); err != nil {
		return err
	}
	if err := b.SyncWait(); err != nil {
		return e.fail(err)
	}
	return b.Close()
}

// syncLog makes everything committed so far durable (class interval).
func (e *engine) syncLog() (err error) {
	defer e.recovered(&err)
	b := e.db.NewBatch()
	if err := b.LogData(nil, nil); err != nil {
		return errors.Join(err, b.Close())
	}
	return e.commitSynced(b)
}

// Close ends the engine.
func (e *engine) Close() error {
	var viewErr error
	stuck, err := e.gate.Close(func() { viewErr = errors.Join(viewErr, e.views.CloseAll()) })
	if err != nil {
		return err
	}
	if e.flusher != nil {
		e.flusher.Stop()
	}
	if failure := e.gate.Failure(); failure != nil {
		return e.abandon(stuck, failure)
	}
	e.counters.Keep(e.readStats())
	err = errors.Join(viewErr, e.closeStore())
	if err == nil && e.config.durability.Class == engines.Process {
		err = e.syncFiles()
	}
	return errors.Join(err, e.lock.Close())
}

// closeStore writes the version state and closes the library's store. Under
// class none the memtable is flushed: a clean close loses nothing.
func (e *engine) closeStore() (err error) {
	defer e.recovered(&err)
	state, used := e.versions.CloseState()
	if used {
		err = e.persist(state)
	}
	if e.config.durability.Class == engines.Interval {
		err = errors.Join(err, e.syncLog())
	}
	return errors.Join(err, e.mapError(e.db.Close()))
}

// abandonAfter is how long Close waits for the library to close a failed store.
const abandonAfter = 2 * time.Second

// abandon closes an engine that has failed. The library's store is closed only
// if no call is stuck in it, since closing would wait for the same thing; the
// file system wrapper keeps what is left of it from touching the directory.
func (e *engine) abandon(stuck int, failure error) error {
	e.fs.refuse(failure)
	closed := make(chan struct{})
	closeable := stuck == 0
	go func() {
		defer close(closed)
		var err error
		defer e.recovered(&err)
		if closeable {
			err = e.db.Close()
		}
	}()
	select {
	case <-closed:
	case <-time.After(abandonAfter):
		stuck++
	}
	if stuck == 0 {
		return errors.Join(failure, e.lock.Close())
	}
	// The library's store holds the lock a second time and will never let go.
	return errors.Join(fmt.Errorf("%w (%d calls never returned from the library)", failure, stuck), e.lock.Close(), e.lock.Close())
}

// syncFiles makes the logs durable that class process has left to the kernel.
func (e *engine) syncFiles() error {
	logs, err := filepath.Glob(filepath.Join(e.dir, "*.log"))
	for _, name := range logs {
		err = errors.Join(err, adapter.SyncFile(name))
	}
	return errors.Join(err, adapter.SyncFile(e.dir))
}
