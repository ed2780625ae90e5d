package appendlog

import (
	"context"
	"fmt"
	"math/bits"
	"sync"

	"orbitbench/engines"
	"orbitbench/engines/internal/arena"
	"orbitbench/engines/internal/wal"
)

// commit is the working memory of one Apply.
type commit struct {
	plans  []plan
	conds  []uint64 // hashes of the conditions' keys
	locks  stripeSet
	record []byte // the log record
}

// plan is what one operation of a batch will do.
type plan struct {
	hash    uint64
	ref     arena.Ref // the record, 0 if a delete finds none
	newRef  arena.Ref // opPut: the new block, or ref if the record is new
	created bool      // the record was put into the index for this batch
	version engines.Version
	slot    uint32 // of the pending commit, class sync
}

// stripeSet is a set of stripes, locked in rising order so that two batches
// cannot wait for each other.
type stripeSet [stripes / 64]uint64

func (s *stripeSet) add(i uint64) { s[i/64] |= 1 << (i % 64) }

func (s *stripeSet) each(f func(i int)) {
	for w, word := range s {
		for ; word != 0; word &= word - 1 {
			f(w*64 + bits.TrailingZeros64(word))
		}
	}
}

func (e *engine) lock(s *stripeSet)   { s.each(func(i int) { e.stripes[i].mu.Lock() }) }
func (e *engine) unlock(s *stripeSet) { s.each(func(i int) { e.stripes[i].mu.Unlock() }) }

var commits = sync.Pool{New: func() any { return new(commit) }}

// Apply is engines.Engine: the batch is one record of the log.
func (e *engine) Apply(ctx context.Context, b *engines.Batch) error {
	if err := b.Validate(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	c := commits.Get().(*commit)
	defer commits.Put(c)
	c.prepare(e, b)
	if c.locks == (stripeSet{}) {
		return e.open()
	}
	for {
		o, err := e.tryCommit(c, b)
		if err != nil {
			return err
		}
		if o.none() {
			break
		}
		if err := e.clear(o); err != nil {
			return err
		}
	}
	for i := range b.Ops {
		b.Ops[i].Assigned = c.plans[i].version
		if b.Ops[i].Kind == engines.OpDelete {
			b.Ops[i].Assigned = 0
		}
	}
	return nil
}

func (c *commit) prepare(e *engine, b *engines.Batch) {
	c.plans, c.conds, c.locks = c.plans[:0], c.conds[:0], stripeSet{}
	for i := range b.Ops {
		h := e.hash(b.Ops[i].Keyspace, b.Ops[i].Key)
		c.plans = append(c.plans, plan{hash: h})
		c.locks.add(h >> 56)
	}
	for i := range b.Conditions {
		h := e.hash(b.Conditions[i].Keyspace, b.Conditions[i].Key)
		c.conds = append(c.conds, h)
		c.locks.add(h >> 56)
	}
}

// tryCommit commits the batch unless something must be waited for first.
func (e *engine) tryCommit(c *commit, b *engines.Batch) (obstacle, error) {
	e.lock(&c.locks)
	o, err := e.judge(c, b)
	if err == nil && o.none() {
		o, err = e.plan(c, b)
		if err == nil && o.none() && len(b.Ops) > 0 {
			return obstacle{}, e.commit(c, b) // unlocks
		}
	}
	e.unlock(&c.locks)
	return o, err
}

// judge finds the records of the batch and checks its conditions.
func (e *engine) judge(c *commit, b *engines.Batch) (obstacle, error) {
	for i := range b.Conditions {
		cond := &b.Conditions[i]
		s := e.stripe(c.conds[i])
		if s.closed {
			return obstacle{}, engines.ErrClosed
		}
		ref, rec, wait := e.lookup(s, c.conds[i], cond.Keyspace, cond.Key)
		if wait != 0 {
			return obstacle{lsn: wait}, nil
		}
		var have engines.Version
		if ref != 0 {
			have = rec.version()
		}
		if have != cond.Version {
			s.conflicts++
			return obstacle{}, &engines.ConflictError{Keyspace: cond.Keyspace, Want: cond.Version, Have: have}
		}
	}
	for i := range b.Ops {
		s := e.stripe(c.plans[i].hash)
		if s.closed {
			return obstacle{}, engines.ErrClosed
		}
		_, _, wait := e.lookup(s, c.plans[i].hash, b.Ops[i].Keyspace, b.Ops[i].Key)
		if wait != 0 {
			return obstacle{lsn: wait}, nil
		}
	}
	return obstacle{}, nil
}

// plan decides versions, makes room for what is new and encodes the log
// record. When it fails nothing has changed.
func (e *engine) plan(c *commit, b *engines.Batch) (obstacle, error) {
	c.record = c.record[:0]
	for i := range b.Ops {
		c.plans[i] = plan{hash: c.plans[i].hash}
	}
	for i := range b.Ops {
		v, err := e.planOp(c, &b.Ops[i], &c.plans[i])
		if err == nil && v <= engines.Version(e.meta.Ceiling()) {
			continue
		}
		e.abandon(c)
		if err != nil {
			return obstacle{}, err
		}
		return obstacle{version: v}, nil
	}
	return obstacle{}, nil
}

func (e *engine) planOp(c *commit, b *engines.Op, p *plan) (engines.Version, error) {
	s := e.stripe(p.hash)
	ref, _, rec := e.find(s, p.hash, b.Keyspace, b.Key)
	p.ref = ref
	var cur engines.Version
	if ref != 0 {
		cur = rec.version()
	}
	next := e.nextVersion(s, cur)
	o := op{kind: uint8(b.Kind), ks: b.Keyspace, version: next}
	switch b.Kind {
	case engines.OpPut:
		o.key, o.value = b.Key, b.Value
		if err := e.planPut(s, b, p, rec); err != nil {
			return 0, err
		}
		rec = e.rec(p.ref)
	case engines.OpRenew:
		if cur == 0 {
			return 0, fmt.Errorf("renewing a lease: %w", engines.ErrNotFound)
		}
		if err := b.Renewal.Check(rec.value()); err != nil {
			return 0, fmt.Errorf("renewing a lease: %w", err)
		}
		o.renewals, o.renewal = nextRenewals(rec.value()), b.Renewal
	case engines.OpDelete:
		if cur == 0 {
			p.ref = 0
			return 0, nil
		}
		s.floor = max(s.floor, uint64(next))
	}
	o.id, p.version = rec.id(), next
	c.record = appendOp(c.record, &o)
	return next, nil
}

// planPut makes the block of a new record, or a new block for an old one.
func (e *engine) planPut(s *stripe, b *engines.Op, p *plan, rec record) (err error) {
	if p.ref == 0 {
		p.ref, _, err = e.create(s, p.hash, b.Keyspace, b.Key, b.Value)
		p.newRef, p.created = p.ref, err == nil
		return err
	}
	p.newRef, _, err = newRecord(e.arena, rec.id(), 0, b.Keyspace, b.Key, b.Value)
	return fullError(err)
}

// abandon takes back what plan has made.
func (e *engine) abandon(c *commit) {
	for i := range c.plans {
		p := &c.plans[i]
		switch {
		case p.created:
			e.forget(e.stripe(p.hash), uint32(p.hash), p.ref)
		case p.newRef != 0:
			e.arena.Free(p.newRef, e.rec(p.newRef).size())
		}
	}
}

// commit appends the record and publishes it: under sync when it is durable,
// else at once. It is called with the locks of the batch and returns without them.
func (e *engine) commit(c *commit, b *engines.Batch) error {
	if len(c.record) == 0 { // deletes of what does not exist
		e.unlock(&c.locks)
		return nil
	}
	lsn, err := e.log.Append(kindBatch, c.record)
	if err != nil {
		e.abandon(c)
		e.unlock(&c.locks)
		return err
	}
	for i := range c.plans {
		if p := &c.plans[i]; p.ref != 0 {
			e.hold(p, &b.Ops[i], lsn)
		}
	}
	if !e.deferred {
		e.publishAll(c, lsn)
		e.unlock(&c.locks)
		return e.log.Wait(lsn)
	}
	e.inflight.Add(1)
	e.unlock(&c.locks)
	defer e.inflight.Done()
	if err := e.log.Wait(lsn); err != nil {
		return err
	}
	e.lock(&c.locks)
	e.publishAll(c, lsn)
	e.unlock(&c.locks)
	return nil
}

func (e *engine) publishAll(c *commit, lsn wal.LSN) {
	for i := range c.plans {
		if p := &c.plans[i]; p.ref != 0 {
			e.publishMine(e.stripe(p.hash), p.slot, lsn)
		}
	}
	e.stripe(c.plans[0].hash).commits++
}

func (e *engine) hold(p *plan, b *engines.Op, lsn wal.LSN) {
	p.slot = e.stripe(p.hash).hold(e.rec(p.ref), pending{
		lsn: lsn, kind: uint8(b.Kind), ref: p.ref, newRef: p.newRef,
		tag: uint32(p.hash), version: p.version, renewal: b.Renewal,
	})
}
