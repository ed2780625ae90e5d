package index

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"orbitbench/engines"
	"orbitbench/engines/internal/meta"
	"orbitbench/engines/internal/wal"
)

// Lazy renewals, for class interval. A renewal changes the lease in memory and
// notes a delta in a list of its stripe; a second renewal of the lease before
// the list is logged changes the delta. A round, every half window, logs the
// lists and syncs the log. A batch logs the lists of its stripes first, so that
// within a stripe the order of the log is that of the commits, and a lease that is
// deleted has no delta left.
//
// A renewal is on the device within the window of its acknowledgement if a
// round takes no longer than half of it. When one does, the timer of overdue
// fires and acknowledgements are held back until the next round is done.

// LazyJournal is what a journal must be for lazy renewals.
type LazyJournal interface {
	Journal
	// LogDeltas appends renewals of one stripe, one or more, as one record. buf is memory for the encoding; it is returned for the next call.
	LogDeltas(buf []byte, deltas []Delta) (lsn wal.LSN, again []byte, err error)
}

// maxDeltas is the length of a stripe's list at which a renewal logs it.
const maxDeltas = 512

// lazyStripe is the part of a stripe that lazy renewals need. Guarded by the stripe's lock.
type lazyStripe struct {
	deltas  []Delta // renewals that are not in the log yet
	encoded []byte
	// places has, by the low bits of a record's id, 1 + where in deltas that of a record may be, or 0. Of records that
	// share a place the one that was renewed last has it; another that is renewed again gets one more delta.
	places []uint16
}

// lazy is nil in an index that logs each renewal.
type lazy struct {
	journal LazyJournal
	window  time.Duration

	direct  atomic.Bool // the log took no list: renewals are logged one by one, and get the error
	overdue atomic.Bool // a round is late: acknowledgements wait
	begun   atomic.Uint64

	mu   sync.Mutex
	cond sync.Cond
	done uint64 // last round that succeeded; guarded by mu
	err  error  // why the last one did not; guarded by mu

	late *time.Timer
	stop chan struct{} // closed by Shut
	over chan struct{} // closed when the goroutine has ended
}

// StartLazy is Start for class interval with renewals that are logged in rounds.
func (ix *Index) StartLazy(j LazyJournal, log *wal.Log, window time.Duration, k *meta.Keeper) {
	l := &lazy{journal: j, window: window, stop: make(chan struct{}), over: make(chan struct{})}
	l.cond.L = &l.mu
	for i := range ix.stripes {
		ix.stripes[i].deltas, ix.stripes[i].places = make([]Delta, 0, maxDeltas), make([]uint16, maxDeltas)
	}
	ix.lazy = l
	ix.Start(j, log, engines.Interval, k)
	l.late = time.AfterFunc(window, func() { l.overdue.Store(true) })
	go ix.rounds()
}

// note puts a renewal into the list of its stripe.
func (ix *Index) note(s *stripe, d Delta) error {
	place := &s.places[localOf(d.ID)%maxDeltas]
	if n := int(*place); n > 0 && s.deltas[n-1].ID == d.ID {
		s.deltas[n-1] = d
		return nil
	}
	if len(s.deltas) == maxDeltas {
		if err := ix.logDeltas(s); err != nil {
			return err
		}
	}
	s.deltas = append(s.deltas, d)
	*place = uint16(len(s.deltas))
	return nil
}

// logDeltas logs the list of a stripe and empties it. After an error it is as it was.
func (ix *Index) logDeltas(s *stripe) (err error) {
	if len(s.deltas) == 0 {
		return nil
	}
	if _, s.encoded, err = ix.lazy.journal.LogDeltas(s.encoded, s.deltas); err != nil {
		return err
	}
	s.deltas = s.deltas[:0]
	clear(s.places)
	return nil
}

// logLocked logs the lists of the stripes of a batch, whose locks are held.
func (ix *Index) logLocked(c *commit) (err error) {
	c.locks.each(func(i int) {
		if err == nil {
			err = ix.logDeltas(&ix.stripes[i])
		}
	})
	return err
}

// Flush makes every renewal and commit before the call durable. Errors: those of the log.
func (ix *Index) Flush() error {
	if ix.lazy != nil {
		for i := range ix.stripes {
			s := &ix.stripes[i]
			s.mu.Lock()
			err := ix.logDeltas(s)
			s.mu.Unlock()
			if err != nil {
				return err
			}
		}
	}
	return ix.log.Sync()
}

// rounds is the goroutine of lazy renewals.
func (ix *Index) rounds() {
	l := ix.lazy
	defer close(l.over)
	half := l.window / 2
	tick := time.NewTimer(half)
	defer tick.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-tick.C:
		}
		// What is renewed from here on is exposed until the next round is done.
		begin := time.Now()
		round := l.begun.Add(1)
		err := ix.Flush()
		l.direct.Store(err != nil)
		l.mu.Lock()
		if l.err = err; err == nil {
			l.done = round
			l.late.Reset(max(0, l.window-time.Since(begin)))
			l.overdue.Store(false)
		} else {
			l.overdue.Store(true)
		}
		l.cond.Broadcast()
		l.mu.Unlock()
		if errors.Is(err, engines.ErrFailed) || errors.Is(err, engines.ErrClosed) {
			return // overdue stays set, so that every renewal gets the error
		}
		tick.Reset(max(0, half-time.Since(begin)))
	}
}

// wait holds a renewal's acknowledgement back while a round is late, until one
// has logged it. The renewal is visible already: an error leaves its outcome open.
func (l *lazy) wait() error {
	if !l.overdue.Load() {
		return nil
	}
	// The round that is on its way may have passed the stripe already.
	need := l.begun.Load() + 1
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.overdue.Load() && l.done < need {
		switch {
		case errors.Is(l.err, engines.ErrFailed), errors.Is(l.err, engines.ErrClosed):
			return l.err
		case l.err != nil:
			return fmt.Errorf("a renewal is not durable yet: %v", l.err)
		}
		l.cond.Wait()
	}
	return nil
}

// shut ends the rounds. The engine flushes what is left.
func (l *lazy) shut() {
	close(l.stop)
	<-l.over
	l.late.Stop()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.overdue.Store(false) // nothing holds back what waits: Close makes it durable
	}
	l.cond.Broadcast()
}
