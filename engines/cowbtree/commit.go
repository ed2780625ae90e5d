package cowbtree

import (
	"context"
	"fmt"
	"math"

	"orbitbench/engines"
	"orbitbench/engines/internal/wal"
	"orbitbench/engines/lease"
)

// obstacle is why a commit must be tried again: what to wait for first, without the lock.
type obstacle struct {
	lsn     wal.LSN         // a commit on the same record that is not durable yet
	version engines.Version // a version beyond the ceiling that is on the device
	stub    ref             // a page that must be read
	pin     pin             // keeps stub
}

func (o *obstacle) none() bool { return o.lsn == 0 && o.version == 0 && o.stub == 0 }

// clear waits until the obstacle is gone.
func (e *engine) clear(o *obstacle) error {
	switch {
	case o.lsn != 0:
		return e.log.Wait(o.lsn)
	case o.stub != 0:
		err := e.loader.load(o.stub)
		o.pin.unpin()
		return err
	}
	if err := e.open(); err != nil {
		return err
	}
	return e.meta.Raise(o.version)
}

// unread is the obstacle of a page that has not been read. The caller holds mu.
func (e *engine) unread(stub ref) obstacle {
	return obstacle{stub: stub, pin: e.heap.epochs.pin()}
}

// Apply is engines.Engine: the batch is one record of the log.
func (e *engine) Apply(ctx context.Context, b *engines.Batch) error {
	if err := b.Validate(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := e.logged(); err != nil {
		return err
	}
	for {
		o, lsn, err := e.tryApply(b)
		if err != nil {
			return err
		}
		if o.none() {
			return e.await(lsn)
		}
		if err := e.clear(&o); err != nil {
			return err
		}
	}
}

// await returns when the commit is as durable as the class promises, and visible.
func (e *engine) await(lsn wal.LSN) error {
	if lsn == 0 {
		return nil
	}
	if !e.deferred {
		return e.log.Wait(lsn)
	}
	defer e.inflight.Done()
	if err := e.log.Wait(lsn); err != nil {
		return err
	}
	if e.published.Load() < uint64(lsn) {
		e.mu.Lock()
		e.publish(e.log.Durable())
		e.mu.Unlock()
	}
	return nil
}

// tryApply commits the batch unless something must be waited for first. lsn is
// 0 if there was nothing to log.
func (e *engine) tryApply(b *engines.Batch) (o obstacle, lsn wal.LSN, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return o, 0, engines.ErrClosed
	}
	if o, err = e.judge(b); err != nil || !o.none() {
		return o, 0, err
	}
	if o, err = e.plan(b); err != nil || !o.none() {
		e.abandon()
		return o, 0, err
	}
	if len(e.payload) == 0 {
		return o, 0, nil
	}
	if lsn, err = e.log.Append(kindBatch, e.payload); err != nil {
		e.abandon()
		return o, 0, err
	}
	e.accept(lsn)
	return o, lsn, nil
}

// accept takes the planned commit, which is in the log.
func (e *engine) accept(lsn wal.LSN) {
	if !e.deferred {
		e.apply(lsn, e.plans)
		return
	}
	e.queue.push(lsn, e.plans...)
	e.inflight.Add(1)
}

// look returns the record of a key, or nil, or what must be waited for.
func (e *engine) look(ks engines.Keyspace, key []byte) (rec *record, hash uint64, o obstacle) {
	if e.deferred {
		hash = e.hash(ks, key)
		if o.lsn = e.waitFor(hash); o.lsn != 0 {
			return nil, hash, o
		}
	}
	leaf, stub := e.tree.seek(ks, key)
	if stub != 0 {
		return nil, hash, e.unread(stub)
	}
	_, rec = e.tree.find(leaf, key)
	return rec, hash, o
}

// judge checks the conditions of a batch.
func (e *engine) judge(b *engines.Batch) (o obstacle, err error) {
	for i := range b.Conditions {
		c := &b.Conditions[i]
		rec, _, o := e.look(c.Keyspace, c.Key)
		if !o.none() {
			return o, nil
		}
		var have engines.Version
		if rec != nil {
			have = rec.version()
		}
		if have != c.Version {
			e.conflicts++
			return o, &engines.ConflictError{Keyspace: c.Keyspace, Want: c.Version, Have: have}
		}
	}
	return o, nil
}

// plan decides versions, makes the new records and encodes the log record. When it
// fails nothing has changed but what abandon takes back.
func (e *engine) plan(b *engines.Batch) (o obstacle, err error) {
	e.plans, e.payload = e.plans[:0], e.payload[:0]
	for i := range b.Ops {
		if o, err = e.planOp(&b.Ops[i]); err != nil || !o.none() {
			return o, err
		}
	}
	return o, nil
}

func (e *engine) planOp(b *engines.Op) (o obstacle, err error) {
	rec, hash, o := e.look(b.Keyspace, b.Key)
	if !o.none() {
		return o, nil
	}
	var cur engines.Version
	if rec != nil {
		cur = rec.version()
	}
	v := e.nextVersion(cur)
	l := op{kind: uint8(b.Kind), ks: b.Keyspace, version: v, key: b.Key, value: b.Value}
	p := plan{kind: l.kind, ks: b.Keyspace, hash: hash}
	b.Assigned = v
	switch b.Kind {
	case engines.OpDelete:
		b.Assigned, l.value = 0, nil
		if rec == nil {
			return o, nil
		}
		p.rec = e.tree.refOf(rec)
	case engines.OpRenew:
		if rec == nil {
			return o, fmt.Errorf("renewing a lease: %w", engines.ErrNotFound)
		}
		if err := b.Renewal.Check(rec.value()); err != nil {
			return o, fmt.Errorf("renewing a lease: %w", err)
		}
		l.renewals, l.renewal, l.value = nextRenewals(rec.value()), b.Renewal, nil
	}
	if o, err = e.assignable(v); err != nil || !o.none() {
		return o, err
	}
	switch b.Kind {
	case engines.OpPut:
		if err := e.room(recordBytes(len(b.Key), len(b.Value))); err != nil {
			return o, err
		}
		p.rec = e.tree.newRecord(v, b.Key, b.Value)
	case engines.OpRenew:
		if p.rec, err = e.renewed(rec, v, b.Renewal); err != nil {
			return o, err
		}
	case engines.OpDelete:
		e.floor = max(e.floor, uint64(v))
	}
	e.highest = max(e.highest, uint64(v))
	e.payload = appendOp(e.payload, &l)
	e.plans = append(e.plans, p)
	return o, nil
}

// nextVersion returns the version that follows cur, or that of a new record if cur is 0.
func (e *engine) nextVersion(cur engines.Version) engines.Version {
	if cur == 0 {
		cur = engines.Version(e.floor)
	}
	return max(cur, e.base) + 1
}

// assignable says why v may not be assigned yet, or never.
func (e *engine) assignable(v engines.Version) (o obstacle, err error) {
	if uint64(v) > e.meta.Ceiling() {
		o.version = v
	}
	if v > maxVersion {
		err = fmt.Errorf("%w: versions go up to %d", engines.ErrFull, uint64(maxVersion))
	}
	return o, err
}

// abandon takes back what plan has made.
func (e *engine) abandon() {
	for _, p := range e.plans {
		if p.kind != opDelete && p.rec != 0 {
			e.tree.discard(p.rec)
		}
	}
	e.plans = e.plans[:0]
}

// renewed makes the record that a renewal leaves.
func (e *engine) renewed(rec *record, v engines.Version, r lease.Renewal) (ref, error) {
	n := rec.size()
	if err := e.room(n); err != nil {
		return 0, err
	}
	to := e.heap.alloc(n)
	c := e.heap.record(to)
	c.copyFrom(rec, n)
	c.setVersion(v)
	c.setBorn(e.tree.gen)
	r.PatchChecked(c.value())
	return to, nil
}

// nextRenewals returns the renewal_count that a renewal gives a lease.
func nextRenewals(value []byte) uint32 {
	n := le.Uint32(value[lease.HotOffset:])
	if n == math.MaxUint32 {
		return n
	}
	return n + 1
}

// leaseHeadBytes is the shortest value that replay may renew.
const leaseHeadBytes = lease.HeadBytes

// setRenewals sets the renewal_count of a lease: the log says what it was.
func setRenewals(value []byte, n uint32) { le.PutUint32(value[lease.HotOffset:], n) }

// RenewLease is engines.LeaseRenewer: one walk down the tree, a log record of
// 72 bytes for a key of 28, a copy of the lease and one store that publishes it.
func (e *engine) RenewLease(ctx context.Context, key []byte, held engines.Version, r lease.Renewal) (engines.Version, error) {
	if err := engines.ValidateKey(engines.Leases, key); err != nil {
		return 0, err
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if err := e.logged(); err != nil {
		return 0, err
	}
	for {
		v, o, lsn, err := e.tryRenew(key, held, r)
		if err != nil {
			return 0, err
		}
		if o.none() {
			if err := e.await(lsn); err != nil {
				return 0, err
			}
			return v, nil
		}
		if err := e.clear(&o); err != nil {
			return 0, err
		}
	}
}

func (e *engine) tryRenew(key []byte, held engines.Version, r lease.Renewal) (v engines.Version, o obstacle, lsn wal.LSN, err error) {
	e.mu.Lock()
	v, o, lsn, err = e.renew(key, held, r)
	e.mu.Unlock()
	return v, o, lsn, err
}

func (e *engine) renew(key []byte, held engines.Version, r lease.Renewal) (v engines.Version, o obstacle, lsn wal.LSN, err error) {
	if e.closed {
		return 0, o, 0, engines.ErrClosed
	}
	var hash uint64
	if e.deferred {
		hash = e.hash(engines.Leases, key)
		if o.lsn = e.waitFor(hash); o.lsn != 0 {
			return 0, o, 0, nil
		}
	}
	t := e.tree
	leaf, stub := t.seek(engines.Leases, key)
	if stub != 0 {
		return 0, e.unread(stub), 0, nil
	}
	i, rec := t.find(leaf, key)
	if err := e.renewable(rec, held, r); err != nil {
		return 0, o, 0, err
	}
	v = e.nextVersion(held)
	if o, err = e.assignable(v); err != nil || !o.none() {
		return 0, o, 0, err
	}
	to, err := e.renewed(rec, v, r)
	if err != nil {
		return 0, o, 0, err
	}
	putRenew(&e.renewHead, nextRenewals(rec.value()), v, r)
	if lsn, err = e.log.Append(kindRenew, e.renewHead[:], key); err != nil {
		t.discard(to)
		return 0, o, 0, err
	}
	e.highest = max(e.highest, uint64(v))
	if e.deferred {
		e.queue.push(lsn, plan{kind: opRenew, ks: engines.Leases, rec: to, hash: hash})
		e.inflight.Add(1)
		return v, o, lsn, nil
	}
	t.swap(engines.Leases, leaf, i, to)
	t.flush()
	e.applied = lsn
	e.commits++
	return v, o, lsn, nil
}

// renewable says why a lease may not be renewed, or nil.
func (e *engine) renewable(rec *record, held engines.Version, r lease.Renewal) error {
	switch {
	case rec == nil:
		return engines.ErrNotFound
	case rec.version() != held:
		e.conflicts++
		return &engines.ConflictError{Keyspace: engines.Leases, Want: held, Have: rec.version()}
	}
	if err := r.Check(rec.value()); err != nil {
		return fmt.Errorf("renewing a lease: %w", err)
	}
	return nil
}
