package mmapwal

import (
	"bytes"
	"context"
	"fmt"
	"math/bits"
	"runtime/debug"
	"sync"

	"orbitbench/engines"
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
	stripe  *stripe
	ref     ref // the record, 0 if a delete finds none
	newRef  ref // opPut: where the new record is
	created bool
	version engines.Version
	slot    uint32 // of the pending commit, class sync
}

// stripeSet is a set of stripes, locked in rising order so that two batches
// cannot wait for each other.
type stripeSet [(numStripes + 63) / 64]uint64

func (s *stripeSet) add(i int) { s[i/64] |= 1 << (i % 64) }

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
	if err := e.logged(); err != nil {
		return err
	}
	c := commits.Get().(*commit)
	defer commits.Put(c)
	c.prepare(e, b)
	if c.locks == (stripeSet{}) {
		return e.open()
	}
	for {
		lsn, o, err := e.tryCommit(c, b)
		if err != nil {
			return err
		}
		if !o.none() {
			if err := e.clear(o); err != nil {
				return err
			}
			continue
		}
		if err := e.finishCommit(c, lsn); err != nil {
			return err
		}
		break
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
		ks := b.Ops[i].Keyspace
		h := e.hash(ks, b.Ops[i].Key)
		at := stripeIndex(ks, h)
		c.plans = append(c.plans, plan{hash: h, stripe: &e.stripes[at]})
		c.locks.add(at)
	}
	for i := range b.Conditions {
		ks, key := b.Conditions[i].Keyspace, b.Conditions[i].Key
		var h uint64
		if i < len(b.Ops) && b.Ops[i].Keyspace == ks && bytes.Equal(b.Ops[i].Key, key) { // what is written on a condition of its own
			h = c.plans[i].hash
		} else {
			h = e.hash(ks, key)
		}
		c.conds = append(c.conds, h)
		c.locks.add(stripeIndex(ks, h))
	}
}

// tryCommit appends the batch to the log unless something must be waited for first. The
// number is 0 if there was nothing to append.
func (e *engine) tryCommit(c *commit, b *engines.Batch) (lsn wal.LSN, o obstacle, err error) {
	defer e.guard(debug.SetPanicOnFault(true), &err)
	e.lock(&c.locks)
	defer e.unlock(&c.locks)
	if o, err = e.judge(c, b); err != nil || !o.none() {
		return 0, o, err
	}
	if o, err = e.plan(c, b); err != nil || !o.none() || len(c.record) == 0 {
		return 0, o, err
	}
	if lsn, err = e.log.Append(kindBatch, c.record); err != nil {
		e.abandon(c)
		return 0, o, err
	}
	for i := range c.plans {
		p := &c.plans[i]
		if p.ref == 0 {
			continue
		}
		n := pending{lsn: lsn, kind: uint8(b.Ops[i].Kind), created: p.created, ref: p.ref, newRef: p.newRef, version: p.version, renewal: b.Ops[i].Renewal}
		if e.deferred {
			p.slot = p.stripe.hold(n)
		} else {
			e.publish(p.stripe, &n)
		}
	}
	if e.deferred {
		e.inflight.Add(1)
	} else {
		c.plans[0].stripe.commits++
	}
	return lsn, o, nil
}

// finishCommit waits until a commit is what its class promises, and makes it visible if it is not yet.
func (e *engine) finishCommit(c *commit, lsn wal.LSN) (err error) {
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
	defer e.guard(debug.SetPanicOnFault(true), &err)
	e.lock(&c.locks)
	defer e.unlock(&c.locks)
	for i := range c.plans {
		if p := &c.plans[i]; p.ref != 0 {
			e.publishMine(p.stripe, p.slot, lsn)
		}
	}
	c.plans[0].stripe.commits++
	return nil
}

// judge checks the conditions of a batch, and that nothing is pending on its records.
func (e *engine) judge(c *commit, b *engines.Batch) (obstacle, error) {
	for i := range b.Conditions {
		cond := &b.Conditions[i]
		s := e.stripe(cond.Keyspace, c.conds[i])
		if err := e.ready(s); err != nil {
			return obstacle{}, err
		}
		r, rec, wait, err := e.lookup(s, uint32(c.conds[i]), cond.Key)
		if err != nil || wait != 0 {
			return obstacle{lsn: wait}, err
		}
		var have engines.Version
		if r != 0 && rec.state() == stateUsed {
			have = rec.version()
		}
		if have != cond.Version {
			s.conflicts++
			return obstacle{}, &engines.ConflictError{Keyspace: cond.Keyspace, Want: cond.Version, Have: have}
		}
	}
	for i := range b.Ops {
		p := &c.plans[i]
		if err := e.ready(p.stripe); err != nil {
			return obstacle{}, err
		}
		_, _, wait, err := e.lookup(p.stripe, uint32(p.hash), b.Ops[i].Key)
		if err != nil || wait != 0 {
			return obstacle{lsn: wait}, err
		}
	}
	return obstacle{}, nil
}

// plan decides versions, makes room for what is new and encodes the log
// record. When it fails nothing has changed.
func (e *engine) plan(c *commit, b *engines.Batch) (obstacle, error) {
	c.record = c.record[:0]
	for i := range c.plans {
		c.plans[i] = plan{hash: c.plans[i].hash, stripe: c.plans[i].stripe}
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
	s, tag := p.stripe, uint32(p.hash)
	r, rec, err := e.find(s, tag, b.Key)
	if err != nil {
		return 0, err
	}
	p.ref = r
	cur := engines.Version(s.floor)
	if r != 0 {
		cur = rec.version()
	}
	next := max(cur, e.base) + 1
	o := op{kind: uint8(b.Kind), stripe: s.no, ref: r, version: next}
	switch b.Kind {
	case engines.OpPut:
		o.key, o.value = b.Key, b.Value
		if p.newRef, err = e.newRecord(s, next, tag, b.Key, b.Value); err != nil {
			return 0, err
		}
		o.ref = p.newRef
		if r == 0 {
			if err := e.insert(s, tag, p.newRef); err != nil {
				return 0, err
			}
			p.ref, p.created = p.newRef, true
		}
	case engines.OpRenew:
		if r == 0 {
			return 0, fmt.Errorf("renewing a lease: %w", engines.ErrNotFound)
		}
		if err := b.Renewal.Check(rec.value()); err != nil {
			return 0, fmt.Errorf("renewing a lease: %w", err)
		}
		o.renewal = b.Renewal
	case engines.OpDelete:
		if r == 0 {
			return 0, nil
		}
		s.floor = max(s.floor, uint64(next))
	}
	s.highest = max(s.highest, uint64(next))
	p.version = next
	c.record = appendOp(c.record, &o)
	return next, nil
}

// abandon takes back what plan has made.
func (e *engine) abandon(c *commit) {
	for i := range c.plans {
		p := &c.plans[i]
		if p.created {
			e.remove(p.stripe, uint32(p.hash), p.newRef)
		}
		if p.newRef != 0 {
			e.freeRecord(p.stripe, p.newRef)
		}
	}
}
