package index

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
	stored bool   // conditions are on what is stored, expired or not
	record []byte // the encoded operations
}

// plan is what one operation of a batch will do.
type plan struct {
	hash    uint64
	ref     arena.Ref // the record, 0 if a delete finds none
	newRef  arena.Ref // engines.OpPut: the new block, ref if the record is new, 0 if its block is overwritten
	created bool      // the record was put into the index for this batch
	version engines.Version
	slot    uint32 // of the pending commit, class sync
}

// stripeSet is a set of stripes, locked in rising order so that two batches
// cannot wait for each other.
type stripeSet [Stripes / 64]uint64

func (s *stripeSet) add(i uint64) { s[i/64] |= 1 << (i % 64) }

func (s *stripeSet) each(f func(i int)) {
	for w, word := range s {
		for ; word != 0; word &= word - 1 {
			f(w*64 + bits.TrailingZeros64(word))
		}
	}
}

func (ix *Index) lock(s *stripeSet)   { s.each(func(i int) { ix.stripes[i].mu.Lock() }) }
func (ix *Index) unlock(s *stripeSet) { s.each(func(i int) { ix.stripes[i].mu.Unlock() }) }

var commits = sync.Pool{New: func() any { return new(commit) }}

// Apply is engines.Engine: the batch is one record of the log.
func (ix *Index) Apply(ctx context.Context, b *engines.Batch) error { return ix.apply(ctx, b, false) }

// Remove is Apply for a batch of the engine itself: its conditions are on what
// is stored, whether it has expired or not, and its conflicts are not counted.
func (ix *Index) Remove(ctx context.Context, b *engines.Batch) error { return ix.apply(ctx, b, true) }

func (ix *Index) apply(ctx context.Context, b *engines.Batch, stored bool) error {
	if err := b.Validate(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	c := commits.Get().(*commit)
	defer commits.Put(c)
	c.prepare(ix, b)
	c.stored = stored
	if c.locks == (stripeSet{}) {
		return ix.open()
	}
	for {
		o, err := ix.tryCommit(c, b)
		if err != nil {
			return err
		}
		if o.none() {
			break
		}
		if err := ix.clear(o); err != nil {
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

func (c *commit) prepare(ix *Index, b *engines.Batch) {
	c.plans, c.conds, c.locks = c.plans[:0], c.conds[:0], stripeSet{}
	for i := range b.Ops {
		h := ix.hash(b.Ops[i].Keyspace, b.Ops[i].Key)
		c.plans = append(c.plans, plan{hash: h})
		c.locks.add(h >> 56)
	}
	for i := range b.Conditions {
		h := ix.hash(b.Conditions[i].Keyspace, b.Conditions[i].Key)
		c.conds = append(c.conds, h)
		c.locks.add(h >> 56)
	}
}

// tryCommit commits the batch unless something must be waited for first.
func (ix *Index) tryCommit(c *commit, b *engines.Batch) (obstacle, error) {
	ix.lock(&c.locks)
	o, err := ix.judge(c, b)
	if err == nil && o.none() {
		o, err = ix.plan(c, b)
		if err == nil && o.none() && len(b.Ops) > 0 {
			return obstacle{}, ix.commit(c, b) // unlocks
		}
	}
	ix.unlock(&c.locks)
	return o, err
}

// judge finds the records of the batch and checks its conditions.
func (ix *Index) judge(c *commit, b *engines.Batch) (obstacle, error) {
	for i := range b.Conditions {
		cond := &b.Conditions[i]
		s := ix.stripe(c.conds[i])
		if err := ix.enter(s); err != nil {
			return obstacle{}, err
		}
		ref, rec, wait := ix.lookup(s, c.conds[i], cond.Keyspace, cond.Key)
		if wait != 0 {
			return obstacle{lsn: wait}, nil
		}
		var have engines.Version
		if ref != 0 {
			have = rec.version()
		}
		if have == 0 {
			have = ix.coldVersion(cond.Keyspace, cond.Key)
		} else if !c.stored && ix.expired != nil && cond.Keyspace == engines.QueryCache && ix.expired(rec.value()) {
			have = 0
		}
		if have != cond.Version {
			if !c.stored {
				s.conflicts++
			}
			return obstacle{}, &engines.ConflictError{Keyspace: cond.Keyspace, Want: cond.Version, Have: have}
		}
	}
	for i := range b.Ops {
		s := ix.stripe(c.plans[i].hash)
		if err := ix.enter(s); err != nil {
			return obstacle{}, err
		}
		if !ix.deferred {
			continue // nothing is waited for
		}
		_, _, wait := ix.lookup(s, c.plans[i].hash, b.Ops[i].Keyspace, b.Ops[i].Key)
		if wait != 0 {
			return obstacle{lsn: wait}, nil
		}
	}
	return obstacle{}, nil
}

// plan decides versions, makes room for what is new and encodes the log
// record. When it fails nothing has changed.
func (ix *Index) plan(c *commit, b *engines.Batch) (obstacle, error) {
	c.record = c.record[:0]
	for i := range b.Ops {
		c.plans[i] = plan{hash: c.plans[i].hash}
	}
	for i := range b.Ops {
		v, err := ix.planOp(c, &b.Ops[i], &c.plans[i])
		if err == nil && v <= ix.ceiling() {
			continue
		}
		ix.abandon(c)
		if err != nil {
			return obstacle{}, err
		}
		return obstacle{version: v}, nil
	}
	return obstacle{}, nil
}

func (ix *Index) planOp(c *commit, b *engines.Op, p *plan) (engines.Version, error) {
	s := ix.stripe(p.hash)
	ref, _, rec := ix.find(s, p.hash, b.Keyspace, b.Key)
	p.ref = ref
	var cur engines.Version
	if ref != 0 {
		cur = rec.version()
	}
	hidden := engines.Version(0)
	if cur == 0 {
		hidden = ix.coldVersion(b.Keyspace, b.Key)
		cur = hidden
	}
	next := ix.nextVersion(s, cur)
	o := Op{Kind: b.Kind, Keyspace: b.Keyspace, Version: next}
	switch b.Kind {
	case engines.OpPut:
		o.Key, o.Value = b.Key, b.Value
		if err := ix.planPut(s, b, p, rec, hidden != 0); err != nil {
			return 0, err
		}
		rec = ix.rec(p.ref)
	case engines.OpRenew:
		if cur == 0 {
			return 0, fmt.Errorf("renewing a lease: %w", engines.ErrNotFound)
		}
		if err := b.Renewal.Check(rec.value()); err != nil {
			return 0, fmt.Errorf("renewing a lease: %w", err)
		}
		o.Renewals, o.Renewal = nextRenewals(rec.value()), b.Renewal
	case engines.OpDelete:
		if cur == 0 {
			p.ref = 0
			return 0, nil
		}
		s.floor = max(s.floor, uint64(next))
	}
	o.ID, p.version = rec.id(), next
	c.record = AppendOp(c.record, &o)
	return next, nil
}

// planPut makes the block of a new record, or a new block for an old one unless
// the batch will be published from its own memory, into the block that is there.
func (ix *Index) planPut(s *stripe, b *engines.Op, p *plan, rec record, unused bool) (err error) {
	if p.ref == 0 {
		p.ref, _, err = ix.create(s, p.hash, b.Keyspace, b.Key, b.Value, unused)
		p.newRef, p.created = p.ref, err == nil
		return err
	}
	if !ix.deferred && rec.version() != 0 && arena.SameClass(rec.size(), recHead+len(b.Key)+len(b.Value)) {
		return nil
	}
	p.newRef, _, err = newRecord(ix.arena, rec.id(), 0, b.Keyspace, b.Key, b.Value)
	return fullError(err)
}

// abandon takes back what plan has made.
func (ix *Index) abandon(c *commit) {
	for i := range c.plans {
		p := &c.plans[i]
		switch {
		case p.created:
			ix.forget(ix.stripe(p.hash), uint32(p.hash), p.ref)
		case p.newRef != 0:
			ix.arena.Free(p.newRef, ix.rec(p.newRef).size())
		}
	}
}

// commit appends the record and publishes it: under sync when it is durable,
// else at once. It is called with the locks of the batch and returns without them.
func (ix *Index) commit(c *commit, b *engines.Batch) error {
	if len(c.record) == 0 { // deletes of what does not exist
		ix.unlock(&c.locks)
		return nil
	}
	var lsn wal.LSN
	var err error
	if ix.lazy != nil {
		err = ix.logLocked(c)
	}
	if err == nil {
		lsn, err = ix.journal.LogBatch(c.record)
	}
	if err != nil {
		ix.abandon(c)
		ix.unlock(&c.locks)
		return err
	}
	if !ix.deferred {
		for i := range c.plans {
			p, s := &c.plans[i], ix.stripe(c.plans[i].hash)
			switch {
			case p.ref == 0:
			case b.Ops[i].Kind == engines.OpPut && p.newRef == 0:
				ix.publishValue(s, ix.rec(p.ref), b.Ops[i].Value, p.version)
			default:
				now := p.pending(&b.Ops[i], lsn)
				ix.publish(s, &now)
			}
		}
		ix.stripe(c.plans[0].hash).commits++
		ix.unlock(&c.locks)
		return ix.log.Wait(lsn)
	}
	for i := range c.plans {
		if p := &c.plans[i]; p.ref != 0 {
			p.slot = ix.stripe(p.hash).hold(ix.rec(p.ref), p.pending(&b.Ops[i], lsn))
		}
	}
	ix.inflight.Add(1)
	ix.unlock(&c.locks)
	defer ix.inflight.Done()
	if err := ix.log.Wait(lsn); err != nil {
		return err
	}
	ix.lock(&c.locks)
	ix.publishAll(c, lsn)
	ix.unlock(&c.locks)
	return nil
}

func (ix *Index) publishAll(c *commit, lsn wal.LSN) {
	for i := range c.plans {
		if p := &c.plans[i]; p.ref != 0 {
			ix.publishMine(ix.stripe(p.hash), p.slot, lsn)
		}
	}
	ix.stripe(c.plans[0].hash).commits++
}

// pending is what the plan comes to once its batch has a number in the log.
func (p *plan) pending(b *engines.Op, lsn wal.LSN) pending {
	return pending{
		lsn: lsn, kind: b.Kind, ref: p.ref, newRef: p.newRef,
		tag: uint32(p.hash), version: p.version, renewal: b.Renewal,
	}
}
