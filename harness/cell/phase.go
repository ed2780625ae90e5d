package cell

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"orbitbench/harness/child"
	"orbitbench/harness/clock"
	"orbitbench/harness/pacer"
	"orbitbench/harness/record"
	"orbitbench/harness/result"
	"orbitbench/workloads"
)

// looper is one worker in the loops of a phase. It is for one goroutine, which
// calls closed or open once.
type looper interface {
	// closed runs operations one after the other to the end of the phase, which
	// began when the clock read start, and returns how many.
	closed(p *phase, rec *record.Recorder, start int64) uint64
	// open runs operations as they fall due.
	open(p *phase, rec *record.Recorder, t *pacer.Ticket, start int64) uint64
	// missed is how many renewals came too late.
	missed() uint64
}

// phase is one run of all workers: warm-up, or what is measured.
type phase struct {
	loop    string
	ops     []string      // names of the operations
	ratePer float64       // open loop, operations/s
	length  time.Duration // of the offered load
	clock   clock.Clock
	workers []looper
	sampled int    // closed loop: every how many operations one is timed; 0 and 1 time all
	most    uint64 // closed loop: operations of one worker; 0 for any number
	stop    atomic.Bool
	failed  atomic.Bool  // a worker met record.Error
	pace    *pacer.Pacer // open loop, set before the workers start
	first   int64        // open loop, distribution rounds: turn of the first operation
	slack   int64        // open loop: an acknowledgement this long after its due time is late, ns; 0 does not judge
}

// measured is what a phase has given.
type measured struct {
	set     *record.Set
	begin   time.Time
	seconds float64 // until the last operation returned
	done    uint64  // operations carried out
	offered int64   // operations that the open loop offered
	pace    *pacer.Report
}

var (
	errInterrupted = child.ErrInterrupted
	errHangs       = errors.New("operations did not return")
)

// drainShare and drainLeast say how long an open loop may go on after its time
// to finish what is waiting; what nobody has started by then is dropped.
const (
	drainShare = 0.1
	drainLeast = time.Second
)

// run runs the workers to the end of the phase. A phase that is interrupted, or
// whose operations have not returned patience after its end, has no result, and
// its workers may still be at work.
func (p *phase) run(ctx context.Context, patience time.Duration, progress func(elapsed float64, set *record.Set)) (*measured, error) {
	m := &measured{set: record.NewSet(p.ops, len(p.workers))}
	// The clock of the workers began earlier; the recorders count from the phase.
	start := p.clock.Now()
	m.begin = p.clock.Begin().Add(time.Duration(start))
	limit := p.length + patience
	run := func(i int) uint64 { return p.workers[i].closed(p, m.set.Recorder(i), start) }
	if p.loop == workloads.Open {
		drain := max(time.Duration(float64(p.length)*drainShare), drainLeast)
		limit += drain
		var err error
		if run, err = p.open(m, start, drain); err != nil {
			return nil, err
		}
	}
	counts := make([]uint64, len(p.workers))
	var wg sync.WaitGroup
	for i := range p.workers {
		wg.Go(func() { counts[i] = run(i) })
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	if err := p.watch(ctx, done, limit, func(elapsed float64) { progress(elapsed, m.set) }); err != nil {
		return nil, err
	}
	m.seconds = float64(p.clock.Now()-start) / 1e9
	for _, n := range counts {
		m.done += n
	}
	return m, nil
}

// interruptPatience is how long an interrupted cell waits for its workers.
const interruptPatience = 2 * time.Second

// watch waits for the workers and reports progress.
func (p *phase) watch(ctx context.Context, done <-chan struct{}, limit time.Duration, progress func(elapsed float64)) error {
	begin := time.Now()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	timeout := time.NewTimer(limit)
	defer timeout.Stop()
	for {
		select {
		case <-done:
			if ctx.Err() != nil {
				return errInterrupted
			}
			return nil
		case <-tick.C:
			progress(time.Since(begin).Seconds())
		case <-timeout.C:
			p.halt()
			return fmt.Errorf("%w within %v of the end of the phase", errHangs, limit-p.length)
		case <-ctx.Done():
			p.halt()
			select {
			case <-done:
			case <-time.After(interruptPatience):
			}
			return errInterrupted
		}
	}
}

func (p *phase) fail() {
	p.failed.Store(true)
	p.halt()
}

// halt makes every worker end after its current operation.
func (p *phase) halt() {
	p.stop.Store(true)
	if p.pace != nil {
		p.pace.Stop()
	}
}

// open lays out the open loop and returns one worker's part.
func (p *phase) open(m *measured, start int64, drain time.Duration) (func(int) uint64, error) {
	schedule, err := pacer.Fixed(p.ratePer, int64(p.length))
	if err != nil {
		return nil, err
	}
	m.offered = schedule.Len()
	c := p.clock
	p.pace = pacer.New(pacer.Options{
		Schedule: schedule,
		Workers:  len(p.workers),
		Now:      func() int64 { return c.Now() - start },
		GiveUpNs: int64(p.length + drain),
	})
	tickets := make([]*pacer.Ticket, len(p.workers))
	for i := range tickets {
		tickets[i] = p.pace.NewTicket(m.set.Histogram())
	}
	var running atomic.Int64
	running.Store(int64(len(p.workers)))
	return func(i int) uint64 {
		n := p.workers[i].open(p, m.set.Recorder(i), tickets[i], start)
		if running.Add(-1) == 0 {
			r := p.pace.Report(tickets)
			m.pace = &r
		}
		return n
	}, nil
}

// open is looper's open.
func (w *worker) open(p *phase, rec *record.Recorder, t *pacer.Ticket, start int64) (n uint64) {
	draw := make([]workloads.Draw, 1)
	r := &draw[0]
	for p.pace.Take(t) {
		w.next.Seek(uint64(p.first + t.Number))
		w.next.Fill(draw)
		began := t.StartNs
		op, outcome := w.do(r, start+began)
		after := w.clock.Now() - start
		n++
		rec.RecordOpen(int(op), outcome, after-t.DueNs, after-began, after)
		if outcome == record.OK {
			w.settle(op, r.Actor, start+began, start+after)
			if p.slack > 0 && after-t.DueNs > p.slack {
				w.counts.late++
			}
		}
		if outcome == record.Error {
			p.fail()
			return n
		}
	}
	return n
}

// result turns a phase into the figures of a result.
func (m *measured) result(p *phase) (*result.Measure, error) {
	ops, err := m.set.Results()
	if err != nil {
		return nil, err
	}
	out := &result.Measure{Seconds: m.seconds, AchievedPerS: float64(m.done) / m.seconds, Ops: ops, Intervals: m.set.Intervals()}
	for _, w := range p.workers {
		out.DeadlineMisses += w.missed()
	}
	if m.pace == nil {
		return out, nil
	}
	out.OfferedPerS = p.ratePer
	out.InFlightMax, out.Dropped = int(m.pace.InFlightMax), uint64(m.pace.Dropped)
	lag, outOfRange, err := record.Merged(m.pace.Lag...)
	if err != nil {
		return nil, err
	}
	l, err := record.ToLatency(lag, outOfRange)
	out.Lag = &l
	return out, err
}
