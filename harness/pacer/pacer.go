package pacer

import (
	"sync"
	"sync/atomic"

	"orbitbench/harness/record"
)

// Options of a Pacer.
type Options struct {
	Schedule Schedule
	Workers  int
	// Now reads the clock: ns since the start of the phase. It must be monotonic.
	Now func() int64
	// Backlog is how many operations may be due and not yet taken; what falls
	// due beyond it is dropped. 0 means DefaultBacklog.
	Backlog int
	// GiveUpNs is when, in ns since the start, operations that nobody has taken
	// are dropped; 0 means never.
	GiveUpNs int64
}

// DefaultBacklog is the bound where none is given.
const DefaultBacklog = 1 << 17

// Pacer hands the operations of a schedule to workers. Its methods are safe
// for concurrent use.
type Pacer struct {
	schedule Schedule
	now      func() int64
	backlog  int64
	giveUp   int64
	workers  int64

	_       [64]byte
	cursor  atomic.Int64 // next operation; overflown when the queue rules
	_       [56]byte
	leading atomic.Bool  // a worker waits for the next due time
	waking  atomic.Bool  // a worker has been woken and has not looked yet
	idle    atomic.Int64 // workers that sleep or lead
	stopped atomic.Bool
	_       [40]byte

	mu      sync.Mutex
	asleep  []*Ticket // last in, first out: the warmest worker is woken; guarded by mu
	queue   overflow  // guarded by mu
	dropped int64     // guarded by mu
}

// overflown is the cursor's value while more than backlog operations wait.
const overflown = -1

// New returns a Pacer whose phase begins at 0 of o.Now.
func New(o Options) *Pacer {
	p := &Pacer{schedule: o.Schedule, now: o.Now, backlog: int64(o.Backlog), giveUp: o.GiveUpNs, workers: int64(o.Workers)}
	if p.backlog <= 0 {
		p.backlog = DefaultBacklog
	}
	return p
}

// Ticket is one worker's side of a Pacer.
type Ticket struct {
	Number  int64 // of the operation
	DueNs   int64 // its due time
	StartNs int64 // when it was taken

	lag      *record.Histogram
	waited   bool          // for this operation, as leader or asleep
	inFlight int64         // most operations that were due and not done
	wake     chan struct{} // closed by nobody; one token at most
	_        [64]byte
}

// NewTicket returns the ticket of one more worker, which records its lag into
// lag. A Ticket is for one goroutine.
func (p *Pacer) NewTicket(lag *record.Histogram) *Ticket {
	return &Ticket{lag: lag, wake: make(chan struct{}, 1)}
}

// Take waits for the next operation and takes it. It returns false when there
// is none any more, or Stop was called.
func (p *Pacer) Take(t *Ticket) bool {
	t.waited = false
	for !p.stopped.Load() {
		i := p.cursor.Load()
		if i == overflown {
			if p.takeQueued(t) {
				return true
			}
			continue
		}
		if i >= p.schedule.n {
			p.release()
			return false
		}
		now, due := p.now(), p.schedule.Due(i)
		if now < due {
			p.await(t, due)
			continue
		}
		if p.giveUp > 0 && now >= p.giveUp {
			p.Stop()
			return false
		}
		behind := p.schedule.dueBy(now) - i
		if behind > p.backlog {
			p.startOverflow(i, now)
			continue
		}
		if p.cursor.CompareAndSwap(i, i+1) {
			p.taken(t, i, now, behind)
			return true
		}
	}
	p.release()
	return false
}

// taken fills in t, sees to it that someone leads, and records the lag.
func (p *Pacer) taken(t *Ticket, i, now, behind int64) {
	t.Number, t.DueNs, t.StartNs = i, p.schedule.Due(i), now
	idle := p.idle.Load()
	t.inFlight = max(t.inFlight, behind-1+p.workers-idle)
	lag := int64(0)
	if idle > 0 {
		lag = now - t.DueNs
		p.wakeOne()
	} else if t.waited {
		lag = now - t.DueNs
	}
	t.lag.Record(lag)
}

// await leads until due, or sleeps if another worker leads.
func (p *Pacer) await(t *Ticket, due int64) {
	t.waited = true
	p.idle.Add(1)
	defer p.idle.Add(-1)
	if p.leading.CompareAndSwap(false, true) {
		p.sleepUntil(due)
		p.leading.Store(false)
		return
	}
	p.mu.Lock()
	p.asleep = append(p.asleep, t)
	p.mu.Unlock()
	// A leader that left before t was on the list has not seen it: look again.
	if !p.leading.Load() || p.stopped.Load() {
		p.wakeOne()
	}
	<-t.wake
	p.waking.Store(false)
}

// wakeOne wakes a sleeping worker, unless someone leads already or is on the
// way: then nobody is needed.
func (p *Pacer) wakeOne() {
	if p.leading.Load() || !p.waking.CompareAndSwap(false, true) {
		return
	}
	p.mu.Lock()
	n := len(p.asleep)
	if n == 0 {
		// Within the lock: a worker that joins the list after this must find
		// waking unset, or nobody would wake it.
		p.waking.Store(false)
		p.mu.Unlock()
		return
	}
	t := p.asleep[n-1]
	p.asleep[n-1] = nil
	p.asleep = p.asleep[:n-1]
	p.mu.Unlock()
	t.wake <- struct{}{}
}

// release wakes everyone: there is nothing left to wait for.
func (p *Pacer) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.asleep {
		t.wake <- struct{}{}
	}
	p.asleep = nil
}

// Stop ends the phase: every Take returns false from now on.
func (p *Pacer) Stop() {
	p.stopped.Store(true)
	p.release()
}

// Report is what a Pacer knows of the phase.
type Report struct {
	Lag         []*record.Histogram // of the tickets, to be merged
	InFlightMax int64               // most operations that were due and not done
	Dropped     int64               // never started: the backlog was full, or time was up
}

// Report sums up the tickets. Every worker must have got false from Take.
func (p *Pacer) Report(tickets []*Ticket) Report {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := Report{Dropped: p.dropped}
	if i := p.cursor.Load(); i != overflown {
		r.Dropped += p.schedule.n - i
	} else {
		r.Dropped += int64(p.queue.length) + p.schedule.n - p.queue.judged
	}
	for _, t := range tickets {
		r.Lag = append(r.Lag, t.lag)
		r.InFlightMax = max(r.InFlightMax, t.inFlight)
	}
	return r
}
