package cell

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"orbitbench/engines"
	"orbitbench/engines/lease"
	"orbitbench/harness/clock"
	"orbitbench/harness/offheap"
	"orbitbench/harness/record"
	"orbitbench/workloads"
)

// queryStore is the cache of query results. All workers put all queries.
type queryStore struct {
	params  workloads.Params
	space   *workloads.Queries
	clock   clock.Clock
	evicts  bool     // the engine may drop entries by itself, and says so
	version []uint64 // highest acknowledged, 0: never put; accessed atomically
	expires []uint64 // ns since the Unix epoch; accessed atomically
}

func newQueryStore(p workloads.Params, seed uint64, c clock.Clock, m *offheap.Arena, evicts bool) (*queryStore, error) {
	space, err := workloads.NewQueries(p, seed)
	if err != nil {
		return nil, err
	}
	n := space.Size()
	return &queryStore{params: p, space: space, clock: c, evicts: evicts, version: offheap.Take[uint64](m, n), expires: offheap.Take[uint64](m, n)}, nil
}

// raise sets *to to v if that is higher.
func raise(to *uint64, v uint64) {
	for {
		old := atomic.LoadUint64(to)
		if old >= v || atomic.CompareAndSwapUint64(to, old, v) {
			return
		}
	}
}

// acknowledge notes that an entry was put. The expiry goes first: who sees the
// version must see it too.
func (s *queryStore) acknowledge(query int, v uint64, created int64) {
	raise(&s.expires[query], uint64(created+s.space.TTL()))
	raise(&s.version[query], v)
}

func (s *queryStore) fill(ctx context.Context, e engines.Engine, progress func(done, total int)) (records int, bytes int64, err error) {
	total := s.space.Prefilled()
	created := make([]int64, total)
	f := &filler{ctx: ctx, engine: e, keyspace: engines.QueryCache, total: total, told: progress,
		assigned: func(i int, v uint64) { s.acknowledge(i, v, created[i]) }}
	for query := range total {
		created[query] = s.clock.Wall(s.clock.Now())
		var entry lease.QueryEntry
		s.space.Fill(&entry, query, created[query])
		value, err := entry.AppendBinary(nil)
		if err == nil {
			err = f.put(s.space.AppendKey(nil, query), value)
		}
		if err != nil {
			return 0, 0, err
		}
	}
	return total, f.bytes, f.flush()
}

func (s *queryStore) performers(e engines.Engine, seed uint64) (all []performer) {
	for _, next := range s.space.Steps(seed) {
		all = append(all, &queryPerformer{queryStore: s, ctx: context.Background(), engine: e, next: next, missed: -1})
	}
	return all
}

func (s *queryStore) liveBytes() (n uint64) {
	for _, v := range s.version {
		if v != 0 {
			n += uint64(workloads.QueryKeyBytes + s.params.ValueBytes)
		}
	}
	return n
}

func (s *queryStore) writtenBytes(op int) uint64 {
	if op == workloads.QueryPut {
		return uint64(workloads.QueryKeyBytes + s.params.ValueBytes)
	}
	return 0
}

// check compares every entry. One that is gone was evicted where the engine says
// that it does so, and is lost where it does not.
func (s *queryStore) check(ctx context.Context, e engines.Engine) (*checked, error) {
	c := &checked{what: "query results"}
	seen := make([]bool, s.space.Size())
	var entry lease.QueryEntry
	var scratch []byte
	err := e.Scan(ctx, engines.QueryCache, nil, nil, func(key, value []byte, v engines.Version) error {
		query, ok := s.space.QueryOf(key)
		if !ok || seen[query] {
			c.fault(&c.Phantom, "key %x is of no query, or is there twice", key)
			return nil
		}
		seen[query] = true
		if !c.version(fmt.Sprintf("query %d", query), uint64(v), s.version[query]) {
			return nil
		}
		err := entry.UnmarshalBinary(value)
		if err == nil {
			err = s.space.Check(&entry, query, &scratch)
		}
		if err != nil {
			c.fault(&c.Lost, "query %d at version %d: %v", query, v, err)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("scan of the query cache: %w", err)
	}
	for query, v := range s.version {
		switch {
		case v == 0 || seen[query]:
		case s.evicts:
			c.Evicted++
		default:
			c.gone("query %d, acknowledged at version %d", query, v)
		}
	}
	return c, nil
}

// queryPerformer carries out the operations of one worker on the cache.
type queryPerformer struct {
	*queryStore
	ctx    context.Context
	engine engines.Engine
	next   workloads.Stepper
	step   workloads.Step
	missed int // query that was looked up in vain and is to be put next, or -1

	key, value []byte
	entry      lease.QueryEntry
	batch      engines.Batch
}

func (p *queryPerformer) prepare() {
	if p.missed >= 0 {
		p.step, p.missed = workloads.Step{Op: workloads.QueryPut, Item: p.missed}, -1
	} else {
		p.next.Next(&p.step)
	}
	p.key = p.space.AppendKey(p.key[:0], p.step.Item)
}

func (p *queryPerformer) do(now int64) (op int, outcome record.Outcome, err error) {
	if p.step.Op == workloads.QueryPut {
		err = p.put(p.clock.Wall(now))
		return workloads.QueryPut, outcomeOf(err), err
	}
	outcome, err = p.get(p.clock.Wall(now))
	if outcome != record.OK {
		p.missed = p.step.Item
	}
	return workloads.QueryGet, outcome, err
}

func (p *queryPerformer) put(wall int64) (err error) {
	p.space.Fill(&p.entry, p.step.Item, wall)
	if p.value, err = p.entry.AppendBinary(p.value[:0]); err != nil {
		return err
	}
	p.batch.Reset()
	p.batch.Put(engines.QueryCache, p.key, p.value)
	if err := p.engine.Apply(p.ctx, &p.batch); err != nil {
		return err
	}
	p.acknowledge(p.step.Item, uint64(p.batch.Ops[0].Assigned), wall)
	return nil
}

// get looks a query up: ok is a hit, not_found a query that was never put,
// expired one whose time is over, and evicted one that the engine has dropped.
func (p *queryPerformer) get(wall int64) (record.Outcome, error) {
	query := p.step.Item
	acknowledged := atomic.LoadUint64(&p.version[query])
	over := int64(atomic.LoadUint64(&p.expires[query])) <= wall
	value, v, err := p.engine.Get(p.ctx, engines.QueryCache, p.key, p.value[:0])
	if value != nil {
		p.value = value
	}
	switch {
	case errors.Is(err, engines.ErrNotFound):
		return p.absent(acknowledged, over)
	case err != nil:
		return outcomeOf(err), err
	case uint64(v) < acknowledged || len(value) != p.params.ValueBytes:
		return record.Error, fmt.Errorf("%w: query %d has %d bytes at version %d, acknowledged were %d at version %d", errLost, query, len(value), v, p.params.ValueBytes, acknowledged)
	case uint64(v) == acknowledged && over:
		return record.Expired, nil
	}
	return record.OK, nil
}

// absent is the outcome for a query that is not there.
func (p *queryPerformer) absent(acknowledged uint64, over bool) (record.Outcome, error) {
	switch {
	case acknowledged == 0:
		return record.NotFound, nil
	case !p.evicts:
		return record.Error, fmt.Errorf("%w: query %d, acknowledged at version %d, is gone, and the engine does not say that it evicts", errLost, p.step.Item, acknowledged)
	case over:
		return record.Expired, nil
	}
	return record.Evicted, nil
}
