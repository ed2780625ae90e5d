package cell

import (
	"context"
	"errors"
	"fmt"
	"time"

	"orbitbench/engines"
	"orbitbench/engines/directory"
	"orbitbench/engines/lease"
	"orbitbench/harness/clock"
	"orbitbench/harness/offheap"
	"orbitbench/harness/pacer"
	"orbitbench/harness/record"
	"orbitbench/harness/result"
	"orbitbench/workloads"
)

// A cell of a store beside the leases goes the way of a renewal cell: open,
// fill, warm up, measure, close, reopen and check. What differs from store to
// store is behind the interface store.

// store is what the harness does with, and knows of, the records of one store.
type store interface {
	// fill stores what is there before the load. progress is told now and then
	// how many records are stored.
	fill(ctx context.Context, e engines.Engine, progress func(done, total int)) (records int, bytes int64, err error)
	// performers returns one for each worker.
	performers(e engines.Engine, seed uint64) []performer
	// check compares the records of e, which was closed and opened, with what
	// was acknowledged.
	check(ctx context.Context, e engines.Engine) (*checked, error)
	// liveBytes is the keys and values of the records that are there.
	liveBytes() uint64
	// writtenBytes is the keys and values that one acknowledged operation wrote.
	writtenBytes(op int) uint64
}

// performer carries out the operations of one worker. It is for one goroutine.
type performer interface {
	// prepare draws the next operation and lays out what is no part of its time.
	prepare()
	// do carries it out; it begins when the clock reads now. err says what an
	// outcome of record.Error means.
	do(now int64) (op int, outcome record.Outcome, err error)
}

// newStore lays out what the harness needs for a store.
func newStore(s *Spec, info engines.Info, c clock.Clock, m *offheap.Arena) (store, error) {
	p := workloads.Params(s.Params)
	switch p.Store {
	case workloads.StoreNodes:
		return newNodeStore(p, s.Seed, c, m)
	case workloads.StoreQueryCache:
		return newQueryStore(p, s.Seed, c, m, info.QueryCacheEvicts)
	case workloads.StoreTimeSeries:
		return newSeriesStore(p, s.Seed, m)
	}
	return nil, fmt.Errorf("store %q is not known", p.Store)
}

// storeCell is a cell of a store in the making.
type storeCell struct {
	base
	store   store
	workers []*storeWorker
}

func (s *storeCell) run(ctx context.Context) (err error) {
	s.clock = clock.New()
	if s.store, err = newStore(s.spec, s.driver.Info(), s.clock, &s.arena); err != nil {
		return err
	}
	if err := s.noteHarness(); err != nil {
		return err
	}
	if err := s.open(ctx, "open"); err != nil {
		return err
	}
	if err := s.drive(ctx); err != nil {
		if ctx.Err() == nil { // the first error is the reason; what closing says adds nothing
			_ = within(ctx, "close", s.limits.operation, s.engine.Close)
		}
		return err
	}
	err = s.closeAndCheck(ctx, func(e engines.Engine) (*checked, error) { return s.store.check(ctx, e) })
	if err == nil {
		s.arena.Release()
	}
	return err
}

// drive fills, warms up and measures.
func (s *storeCell) drive(ctx context.Context) error {
	s.cell.Capabilities = engines.Capabilities(s.engine)
	if err := s.timed("load", func() error { return s.load(ctx) }); err != nil {
		return err
	}
	for _, p := range s.store.performers(s.engine, s.spec.Seed) {
		s.workers = append(s.workers, &storeWorker{clock: s.clock, perform: p})
	}
	p := s.spec.Params
	if p.WarmupSeconds > 0 {
		if err := s.timed("warmup", func() error { return s.warmup(ctx, p.WarmupSeconds) }); err != nil {
			return err
		}
	}
	return s.timed("measure", func() error { return s.measure(ctx, p.Seconds) })
}

func (s *storeCell) load(ctx context.Context) error {
	begin := time.Now()
	records, bytes, err := s.store.fill(ctx, s.engine, func(done, total int) {
		s.progress(Progress{Phase: "load", Done: float64(done), Total: float64(total)})
	})
	switch {
	case ctx.Err() != nil:
		return errInterrupted
	case err != nil:
		return fmt.Errorf("load: %w", err)
	case records == 0:
		return nil
	}
	seconds := time.Since(begin).Seconds()
	s.cell.Load = &result.Load{Records: records, Bytes: bytes, Seconds: seconds, RatePerS: float64(records) / seconds}
	return nil
}

func (s *storeCell) newPhase(seconds float64) *phase {
	p := s.spec.Params
	return &phase{loop: p.Loop, ops: workloads.OpNamesOf(p.Store), ratePer: p.RatePerS, length: time.Duration(seconds * 1e9), clock: s.clock, workers: loopers(s.workers)}
}

func (s *storeCell) warmup(ctx context.Context, seconds float64) error {
	m, err := s.runPhase(ctx, s.newPhase(seconds), "warmup")
	if err != nil {
		return err
	}
	m.set.Release()
	return s.firstError()
}

func (s *storeCell) measure(ctx context.Context, seconds float64) error {
	m, res, err := s.measurePhase(ctx, s.newPhase(seconds))
	if err != nil {
		return err
	}
	m.set.Release()
	ops := workloads.OpNamesOf(s.spec.Params.Store)
	for _, o := range s.cell.Measure.Ops {
		for i, name := range ops {
			if o.Op == name && o.Outcome == record.OK.String() {
				res.UserBytes += (o.Latency.Count + o.Latency.OutOfRange) * s.store.writtenBytes(i)
			}
		}
	}
	res.LiveBytes = s.store.liveBytes()
	s.cell.Warnings = append(s.cell.Warnings, warnings(s.cell.Measure, ops[0], nil)...)
	return s.firstError()
}

// errLost: an acknowledged record was not there, or was an older one, while the
// store was open.
var errLost = errors.New("an acknowledged record was lost")

// firstError is the error that ended a phase, if one did. A record that was lost
// under load counts as one that the check after reopening misses, which there
// will be none of.
func (s *storeCell) firstError() error {
	for _, w := range s.workers {
		if w.err == nil {
			continue
		}
		if errors.Is(w.err, errLost) {
			s.cell.Check = &result.Check{Records: 1, Lost: 1, Verdict: w.err.Error()}
		}
		return s.explain(w.err)
	}
	return nil
}

// storeWorker runs the operations of a performer.
type storeWorker struct {
	clock   clock.Clock
	perform performer
	ready   bool  // an operation has been prepared and not yet carried out
	err     error // the first outcome record.Error, with its operation
}

func (w *storeWorker) missed() uint64 { return 0 }

// prepare prepares an operation, unless one was left over from the phase before.
func (w *storeWorker) prepare() {
	if !w.ready {
		w.perform.prepare()
		w.ready = true
	}
}

// step carries out the operation that was prepared.
func (w *storeWorker) step(p *phase, now int64) (op int, outcome record.Outcome) {
	w.ready = false
	op, outcome, err := w.perform.do(now)
	if outcome == record.Error && w.err == nil {
		w.err = fmt.Errorf("%s: %w", p.ops[op], err)
	}
	return op, outcome
}

// closed is looper's closed. What prepare takes is in no latency.
func (w *storeWorker) closed(p *phase, rec *record.Recorder, start int64) (n uint64) {
	end := start + int64(p.length)
	for now := w.clock.Now(); now < end && !p.stop.Load(); {
		w.prepare()
		began := w.clock.Now()
		op, outcome := w.step(p, began)
		now = w.clock.Now()
		n++
		rec.Record(op, outcome, now-began, now-start)
		if outcome == record.Error {
			p.fail()
			return n
		}
	}
	return n
}

// open is looper's open.
func (w *storeWorker) open(p *phase, rec *record.Recorder, t *pacer.Ticket, start int64) (n uint64) {
	for w.prepare(); p.pace.Take(t); w.prepare() {
		began := t.StartNs
		op, outcome := w.step(p, start+began)
		after := w.clock.Now() - start
		n++
		rec.RecordOpen(op, outcome, after-t.DueNs, after-began, after)
		if outcome == record.Error {
			p.fail()
			return n
		}
	}
	return n
}

// outcomeOf sorts an error of the directory or the engine.
func outcomeOf(err error) record.Outcome {
	switch {
	case err == nil:
		return record.OK
	case errors.Is(err, engines.ErrConflict), errors.Is(err, directory.ErrHeld):
		return record.Conflict
	case errors.Is(err, lease.ErrExpired):
		return record.Expired
	case errors.Is(err, engines.ErrNotFound):
		return record.NotFound
	}
	return record.Error
}

// storeBatch is how many records fill puts into one batch.
const storeBatch = 256

// filler puts records in batches.
type filler struct {
	ctx      context.Context
	engine   engines.Engine
	keyspace engines.Keyspace
	assigned func(i int, v uint64) // of the i-th record

	batch engines.Batch
	bytes int64
	first int // number of the batch's first record
	total int
	told  func(done, total int)
}

// put adds a record. It keeps key and value until the batch is applied.
func (f *filler) put(key, value []byte) error {
	f.batch.Put(f.keyspace, key, value)
	f.bytes += int64(len(key) + len(value))
	if len(f.batch.Ops) < storeBatch {
		return nil
	}
	return f.flush()
}

func (f *filler) flush() error {
	if len(f.batch.Ops) == 0 {
		return nil
	}
	if err := f.ctx.Err(); err != nil {
		return err
	}
	if err := f.engine.Apply(f.ctx, &f.batch); err != nil {
		return err
	}
	for i := range f.batch.Ops {
		f.assigned(f.first+i, uint64(f.batch.Ops[i].Assigned))
	}
	f.first += len(f.batch.Ops)
	f.batch.Reset()
	f.told(f.first, f.total)
	return nil
}
