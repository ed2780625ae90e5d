package batched

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// queue holds the commits that wait for a cohort, and who leads.
type queue struct {
	mu      sync.Mutex
	waiting []*request // guarded by mu; in order of arrival, deferred ones first
	leading bool       // guarded by mu; somebody leads or has been told to

	size      atomic.Int32 // len(waiting), for the leader to look at while it waits
	expected  int          // commits that the next cohort should hold; belongs to the leader
	meanWrite atomic.Int64 // ns, running mean time of a write; written by the leader
}

// submit waits for the outcome of r. The caller leads a cohort itself if it is
// its turn; r is then in that cohort.
func (e *engine) submit(ctx context.Context, r *request) error {
	q := &e.queue
	q.mu.Lock()
	q.waiting = append(q.waiting, r)
	q.size.Store(int32(len(q.waiting)))
	lead := !q.leading
	if lead {
		q.leading, r.called = true, true
	}
	q.mu.Unlock()
	if !lead {
		var err error
		if lead, err = e.sleep(ctx, r); err != nil {
			return err
		}
	}
	if lead {
		e.lead(r)
	}
	return r.err
}

// sleep waits until r is done (false) or is to lead (true). A context that ends
// takes r out of the queue again unless it has been called already.
func (e *engine) sleep(ctx context.Context, r *request) (lead bool, err error) {
	done := ctx.Done()
	if done == nil {
		return <-r.wake, nil
	}
	select {
	case lead = <-r.wake:
		return lead, nil
	case <-done:
		if e.queue.withdraw(r) {
			return false, ctx.Err()
		}
		return <-r.wake, nil
	}
}

func (q *queue) withdraw(r *request) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if r.called {
		return false
	}
	q.waiting = slices.DeleteFunc(q.waiting, func(w *request) bool { return w == r })
	q.size.Store(int32(len(q.waiting)))
	return true
}

// lead commits one cohort with own in it and hands leadership on.
func (e *engine) lead(own *request) {
	e.gather()
	members := e.choose()
	begin := time.Now()
	if e.commit(members) {
		e.queue.learn(time.Since(begin))
	}
	rivals := e.cohort.rivals[:e.settle()]
	// Counted before anyone is answered: who comes back after that is one of them.
	e.queue.expected = len(members) + len(rivals) + int(e.queue.size.Load())
	for i, r := range rivals {
		rivals[i] = nil
		r.wake <- false // r belongs to its caller from here on
	}
	for i, m := range members {
		members[i] = nil
		if m != own {
			m.wake <- false
		}
	}
	e.queue.handOver()
}

// gather gives the writers that were answered last the time to come back: it
// yields until the queue holds as many commits as the last cohort plus those
// queued meanwhile.
func (e *engine) gather() {
	q := &e.queue
	want := q.expected
	if want <= 1 || want > e.config.WaitLimit {
		return
	}
	limit := time.Duration(e.config.WaitShare * float64(q.meanWrite.Load()))
	for begin := time.Now(); int(q.size.Load()) < want && time.Since(begin) < limit; {
		runtime.Gosched()
	}
}

// learn takes the time of one write into the running mean.
func (q *queue) learn(d time.Duration) {
	mean := q.meanWrite.Load()
	q.meanWrite.Store(mean + (int64(d)-mean)/8)
}

// handOver makes the first that waits the next leader.
func (q *queue) handOver() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		q.leading = false
		return
	}
	next := q.waiting[0]
	next.called = true
	next.wake <- true
}
