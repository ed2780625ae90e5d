package batched

import (
	"bytes"
	"context"
	"errors"
	"hash/maphash"
	"slices"

	"orbitbench/engines"
	"orbitbench/engines/lease"
)

// cohort is the leader's scratch: the commits that go together and the batch
// that they become.
type cohort struct {
	members  []*request
	deferred []*request
	rivals   []*request // they lose to a member if that succeeds
	left     []*request // members that may still succeed
	merged   engines.Batch
	written  map[uint64]*request // by the hash of each key that is written: the member that does
	seed     maphash.Seed
	value    []byte
}

func (c *cohort) init() {
	c.written, c.seed = map[uint64]*request{}, maphash.MakeSeed()
}

// hash is of a keyspace and key. Two keys with one hash only make a commit wait
// for the next cohort.
func (c *cohort) hash(ks engines.Keyspace, key []byte) uint64 {
	return maphash.Bytes(c.seed, key) ^ uint64(ks+1)*0x9e3779b97f4a7c15
}

// choose takes from the queue the commits that can go together: none reads (in
// a condition) or writes a key that one before it writes. They are then the same
// as if applied one after the other in this order, and each can be judged
// against the state before all of them. Those that race a member for a record
// come along as its rivals, so that a hot key costs one write for all who want
// it and not one for each. The others stay, in front. The first that waits is
// always chosen.
func (e *engine) choose() []*request {
	c, q := &e.cohort, &e.queue
	clear(c.written)
	c.members, c.deferred, c.rivals = c.members[:0], c.deferred[:0], c.rivals[:0]
	ops, size := 0, 0
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, r := range q.waiting {
		n, bytes := len(r.batch.Ops), batchBytes(r.batch)
		writer := c.writerOf(r.batch)
		switch {
		case writer != nil && r.races(writer):
			r.called = true
			c.rivals = append(c.rivals, r)
		case writer != nil:
			r.deferred = true
			c.deferred = append(c.deferred, r)
		case ops+n > engines.MaxBatchOps || size+bytes > engines.MaxBatchBytes:
			c.deferred = append(c.deferred, r)
		default:
			ops, size = ops+n, size+bytes
			for i := range r.batch.Ops {
				op := &r.batch.Ops[i]
				c.written[c.hash(op.Keyspace, op.Key)] = r
			}
			r.called = true
			c.members = append(c.members, r)
		}
	}
	clear(q.waiting)
	q.waiting = append(q.waiting[:0], c.deferred...)
	q.size.Store(int32(len(q.waiting)))
	clear(c.deferred)
	return c.members
}

// writerOf returns the first member found that writes a key which b touches.
func (c *cohort) writerOf(b *engines.Batch) *request {
	if len(c.written) == 0 {
		return nil
	}
	for i := range b.Ops {
		if r := c.written[c.hash(b.Ops[i].Keyspace, b.Ops[i].Key)]; r != nil {
			return r
		}
	}
	for i := range b.Conditions {
		if r := c.written[c.hash(b.Conditions[i].Keyspace, b.Conditions[i].Key)]; r != nil {
			return r
		}
	}
	return nil
}

// races reports whether r requires of a record the version that winner requires
// of it and then changes: if winner succeeds, r has lost. It remembers where.
func (r *request) races(winner *request) bool {
	for i := range r.batch.Conditions {
		c := &r.batch.Conditions[i]
		same := func(ks engines.Keyspace, key []byte) bool { return ks == c.Keyspace && bytes.Equal(key, c.Key) }
		demanded := slices.IndexFunc(winner.batch.Conditions, func(w engines.Condition) bool { return w.Version == c.Version && same(w.Keyspace, w.Key) })
		if demanded < 0 {
			continue
		}
		for op := range winner.batch.Ops {
			if same(winner.batch.Ops[op].Keyspace, winner.batch.Ops[op].Key) {
				r.rival = rival{winner: winner, condition: i, op: op}
				return true
			}
		}
	}
	return false
}

// settle gives every rival of a member that succeeded its conflict, and returns
// the others to the front of the queue. It reports how many it answered; these
// are the first of cohort.rivals. Members must not have been woken yet.
func (e *engine) settle() (answered int) {
	c, q := &e.cohort, &e.queue
	again := c.deferred[:0]
	for _, r := range c.rivals {
		at := r.rival
		r.rival = rival{}
		lost, have := &r.batch.Conditions[at.condition], at.winner.batch.Ops[at.op].Assigned
		if at.winner.err != nil || have == lost.Version { // it failed, or deleted what was not there
			again = append(again, r)
			continue
		}
		r.err = &engines.ConflictError{Keyspace: lost.Keyspace, Want: lost.Version, Have: have}
		c.rivals[answered] = r
		answered++
	}
	clear(c.rivals[answered:])
	if len(again) > 0 {
		q.mu.Lock()
		for _, r := range again {
			r.called = false
		}
		q.waiting = slices.Insert(q.waiting, 0, again...)
		q.size.Store(int32(len(q.waiting)))
		q.mu.Unlock()
		clear(again)
	}
	return answered
}

func batchBytes(b *engines.Batch) int {
	n := 0
	for i := range b.Ops {
		n += len(b.Ops[i].Key) + len(b.Ops[i].Value)
	}
	return n
}

// commit gives every member its outcome. It reports whether the engine within
// wrote, so that the time is that of a write. Contexts of members play no part
// any more: a cohort is not undone because one caller left.
func (e *engine) commit(members []*request) (wrote bool) {
	ctx := context.Background()
	if len(members) == 1 {
		members[0].err = e.applyOne(ctx, members[0])
		return members[0].err == nil
	}
	left := e.cohort.left[:0]
	for _, r := range members {
		if r.deferred {
			if r.err = e.judge(ctx, r.batch); r.err != nil {
				continue
			}
		}
		left = append(left, r)
	}
	e.cohort.left = left
	defer clear(left) // they belong to callers who are about to return
	err := e.applyAll(ctx, left)
	if err == nil || !refusal(err) {
		return err == nil
	}
	// Nothing was applied: somebody's condition does not hold.
	survivors := left[:0]
	for _, r := range left {
		if r.err = e.judge(ctx, r.batch); r.err == nil {
			survivors = append(survivors, r)
		}
	}
	err = e.applyAll(ctx, survivors)
	if err == nil || !refusal(err) {
		return err == nil
	}
	// Refused for a reason that no condition shows, such as a full store or an
	// operation that the engine does not have: each on its own.
	for _, r := range survivors {
		r.err = e.applyOne(ctx, r)
	}
	return true
}

// refusal reports whether err says that the batch was not applied, and why, so
// that parts of it may still be. Any other error leaves the outcome open.
func refusal(err error) bool {
	for _, e := range []error{engines.ErrConflict, engines.ErrNotFound, lease.ErrExpired,
		engines.ErrInvalid, engines.ErrUnsupported, engines.ErrFull} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// applyOne commits one member by itself, by the native path where there is one.
func (e *engine) applyOne(ctx context.Context, r *request) error {
	if !r.renewal || e.native == nil {
		return e.inner.Apply(ctx, r.batch)
	}
	op, held := &r.batch.Ops[0], r.batch.Conditions[0].Version
	v, err := e.native.RenewLease(ctx, op.Key, held, op.Renewal)
	op.Assigned = v
	return err
}

// applyAll commits members as one batch. Unless it is refused, every member has
// its outcome afterwards.
func (e *engine) applyAll(ctx context.Context, members []*request) error {
	if len(members) == 0 {
		return nil
	}
	b := &e.cohort.merged
	b.Reset()
	for _, r := range members {
		b.Ops = append(b.Ops, r.batch.Ops...)
		b.Conditions = append(b.Conditions, r.batch.Conditions...)
	}
	err := e.inner.Apply(ctx, b)
	if err != nil && refusal(err) {
		return err
	}
	next := 0
	for _, r := range members {
		r.err = err
		for i := range r.batch.Ops {
			if err == nil {
				r.batch.Ops[i].Assigned = b.Ops[next].Assigned
			}
			next++
		}
	}
	b.Reset() // keys and values belong to callers who are about to return
	return err
}

// judge says whether b could be applied by itself to the stored state, as the
// error that Apply would return. Nobody else writes meanwhile.
func (e *engine) judge(ctx context.Context, b *engines.Batch) error {
	for i := range b.Conditions {
		c := &b.Conditions[i]
		have, err := e.read(ctx, c.Keyspace, c.Key)
		if err != nil && !errors.Is(err, engines.ErrNotFound) {
			return err
		}
		if have != c.Version {
			return &engines.ConflictError{Keyspace: c.Keyspace, Want: c.Version, Have: have}
		}
	}
	for i := range b.Ops {
		op := &b.Ops[i]
		if op.Kind != engines.OpRenew {
			continue
		}
		if _, err := e.read(ctx, op.Keyspace, op.Key); err != nil {
			return err
		}
		if err := op.Renewal.Check(e.cohort.value); err != nil {
			return renewError(err)
		}
	}
	return nil
}

// renewError is what Apply returns when a record cannot be renewed.
func renewError(err error) error {
	if errors.Is(err, lease.ErrExpired) {
		return err
	}
	return errors.Join(engines.ErrInvalid, err)
}

// read gets a record into the leader's scratch.
func (e *engine) read(ctx context.Context, ks engines.Keyspace, key []byte) (engines.Version, error) {
	value, v, err := e.inner.Get(ctx, ks, key, e.cohort.value[:0])
	if err != nil {
		return 0, err
	}
	e.cohort.value = value
	return v, nil
}
