package record

import (
	"fmt"

	"orbitbench/harness/offheap"
	"orbitbench/harness/result"
)

// Outcome is how an operation ended.
type Outcome uint8

// The outcomes.
const (
	OK       Outcome = iota
	Conflict         // another writer won: a result, not a fault
	Expired          // the lease had run out
	NotFound
	Evicted // it was stored, and the engine, which may do so here, has dropped it
	Error   // anything else

	NumOutcomes = int(Error) + 1
)

var outcomeNames = [NumOutcomes]string{"ok", "conflict", "expired", "not_found", "evicted", "error"}

// String returns the name used in results.
func (o Outcome) String() string {
	if int(o) >= NumOutcomes {
		return fmt.Sprintf("outcome(%d)", uint8(o))
	}
	return outcomeNames[o]
}

// Set holds what the workers of one phase record.
type Set struct {
	ops       []string
	memory    offheap.Arena
	series    *series
	recorders []*Recorder
}

// NewSet returns an empty Set for operations of these names.
func NewSet(ops []string, workers int) *Set {
	s := &Set{ops: ops}
	s.series = &series{ops: len(ops), memory: &s.memory}
	for w := range workers {
		s.recorders = append(s.recorders, newRecorder(s, w, workers))
	}
	return s
}

// Recorder returns the recorder of a worker. A Recorder is for one goroutine.
func (s *Set) Recorder(worker int) *Recorder { return s.recorders[worker] }

// Histogram returns an empty histogram whose counts live with those of the Set.
func (s *Set) Histogram() *Histogram { return &Histogram{counts{memory: &s.memory}} }

// ResidentBytes is the physical memory that the counts take outside the Go heap.
func (s *Set) ResidentBytes() uint64 { return s.memory.Resident() }

// Release gives the counts' memory back. The Set and its recorders must not be used any more.
func (s *Set) Release() {
	s.memory.Release()
	s.recorders = nil
}

// Last returns what all workers have recorded for the latest second that is
// complete: operations with outcome OK, and the 99th percentile of their
// latency. It is safe while workers record, and says 0 before there is a second.
func (s *Set) Last() (opsPerS float64, p99Ns int64) { return s.series.last() }

// Results merges what the workers have recorded. All of them must have ended.
func (s *Set) Results() ([]result.OpResult, error) {
	var list []result.OpResult
	for op, name := range s.ops {
		for outcome := range Outcome(NumOutcomes) {
			i := op*NumOutcomes + int(outcome)
			latency, err := s.merge(func(r *Recorder) *counts { return &r.latency[i] })
			if err != nil {
				return nil, err
			}
			if latency.Count+latency.OutOfRange == 0 {
				continue
			}
			res := result.OpResult{Op: name, Outcome: outcome.String(), Latency: latency}
			service, err := s.merge(func(r *Recorder) *counts { return &r.service[i] })
			if err != nil {
				return nil, err
			}
			if service.Count+service.OutOfRange > 0 {
				res.Service = &service
			}
			list = append(list, res)
		}
	}
	return list, nil
}

func (s *Set) merge(of func(*Recorder) *counts) (result.Latency, error) {
	sum := NewHistogram()
	var out uint64
	for _, r := range s.recorders {
		c := of(r)
		out += c.outOfRange
		if err := c.addTo(sum); err != nil {
			return result.Latency{}, err
		}
	}
	return ToLatency(sum, out)
}

// Intervals returns the seconds of the phase. All workers must have ended.
func (s *Set) Intervals() []result.Interval {
	for _, r := range s.recorders {
		r.flush()
	}
	return s.series.intervals(s.ops)
}

// Recorder records the operations of one worker.
type Recorder struct {
	current *[]coarse // seconds being counted, by operation
	due     int64     // when tick has something to do, ns since the start of the phase
	latency []counts  // by operation and outcome
	service []counts

	second  int       // of current
	past    *[]coarse // the second before, to be flushed
	pastNo  int       // its number, -1 when there is none
	stagger int64     // how far into a second this worker flushes the one before
	series  *series

	_ [64]byte // keeps the next recorder off this one's cache lines
}

func newRecorder(s *Set, worker, workers int) *Recorder {
	r := &Recorder{
		latency: make([]counts, len(s.ops)*NumOutcomes),
		service: make([]counts, len(s.ops)*NumOutcomes),
		pastNo:  -1,
		stagger: 50e6 + int64(worker)*800e6/int64(workers),
		series:  s.series,
		due:     second,
	}
	for i := range r.latency {
		r.latency[i].memory, r.service[i].memory = &s.memory, &s.memory
	}
	current, past := newCoarse(len(s.ops), &s.memory), newCoarse(len(s.ops), &s.memory)
	r.current, r.past = &current, &past
	return r
}

// Record counts one operation that ended at now, in nanoseconds since the start
// of the phase, and took latency nanoseconds. It reports whether the worker
// lost time to bookkeeping, in which case a caller that chains its time stamps
// takes a new one.
func (r *Recorder) Record(op int, outcome Outcome, latency, now int64) (lost bool) {
	if now >= r.due {
		r.tick(now)
		lost = true
	}
	bucket := r.latency[op*NumOutcomes+int(outcome)].record(latency)
	if outcome == OK {
		(*r.current)[op].add(bucket)
	}
	return lost
}

// Kind is an operation with its outcome.
type Kind uint8

// KindOf returns the Kind of operation op.
func KindOf(op int, outcome Outcome) Kind { return Kind(op*NumOutcomes + int(outcome)) }

// Outcome is the outcome of the operation.
func (k Kind) Outcome() Outcome { return Outcome(k % Kind(NumOutcomes)) }

// Op is the operation.
func (k Kind) Op() int { return int(k) / NumOutcomes }

// RecordChain is Record for operations that followed each other: the first
// began at began, and each of the others when the one before ended. ended are
// their ends. Times are those of a clock that read start when the phase began.
func (r *Recorder) RecordChain(kinds []Kind, ended []int64, began, start int64) {
	if len(ended) == 0 {
		return
	}
	ended = ended[:len(kinds)]
	if ended[len(ended)-1]-start >= r.due { // a second ends among them
		for i, k := range kinds {
			r.Record(k.Op(), k.Outcome(), ended[i]-began, ended[i]-start)
			began = ended[i]
		}
		return
	}
	last := ^Kind(0)
	var fine *counts
	var second *coarse
	for i, k := range kinds {
		if k != last {
			fine, second, last = &r.latency[k], nil, k
			if k.Outcome() == OK {
				second = &(*r.current)[k.Op()]
			}
		}
		bucket := fine.record(ended[i] - began)
		began = ended[i]
		if second != nil {
			second.add(bucket)
		}
	}
}

// RecordOpen is Record for an open loop: latency runs from the intended start
// and service from the call.
func (r *Recorder) RecordOpen(op int, outcome Outcome, latency, service, now int64) {
	r.service[op*NumOutcomes+int(outcome)].record(service)
	r.Record(op, outcome, latency, now)
}

const second = 1_000_000_000

// tick begins a second, or flushes the one before.
//
//go:noinline
func (r *Recorder) tick(now int64) {
	if n := int(now / second); n > r.second {
		r.flushPast()
		r.current, r.past = r.past, r.current
		r.pastNo, r.second = r.second, n
	}
	if now-int64(r.second)*second >= r.stagger {
		r.flushPast()
	}
	r.due = int64(r.second+1) * second
	if r.pastNo >= 0 {
		r.due = int64(r.second)*second + r.stagger
	}
}

func (r *Recorder) flushPast() {
	if r.pastNo >= 0 {
		r.series.add(r.pastNo, *r.past)
		r.pastNo = -1
	}
}

// flush hands over everything, after the end.
func (r *Recorder) flush() {
	r.flushPast()
	r.series.add(r.second, *r.current)
}
