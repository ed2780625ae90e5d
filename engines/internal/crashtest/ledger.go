package crashtest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"orbitbench/engines"
	"orbitbench/engines/internal/storetest"
	"orbitbench/engines/lease"
)

// progress is what is known of one writer: steps are numbered from 1.
type progress struct {
	issued, acked  int             // steps of the pair
	renewals, held int             // renewals of the lease, issued and acknowledged
	top            engines.Version // highest version acknowledged of the pair's first record
	lease          engines.Version // version acknowledged last of the lease
	made           bool            // the lease was
	making         bool            // the lease may have been
	begun          time.Duration   // when the latest that is acknowledged was issued, on the ledger's clock
}

// ledger is the acknowledged history of all writers.
type ledger struct {
	clock func() time.Duration

	mu  sync.Mutex
	w   []progress    // guarded by mu
	log [][]historian // guarded by mu: what w was and from when on
}

type historian struct {
	from time.Duration // of the ledger's clock
	p    progress
}

func newLedger(n int, clock func() time.Duration) *ledger {
	return &ledger{clock: clock, w: make([]progress, n), log: make([][]historian, n)}
}

func (l *ledger) now() []progress {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]progress(nil), l.w...)
}

// latest is when the latest commit that is acknowledged was issued.
func latest(acked []progress) (at time.Duration) {
	for i := range acked {
		at = max(at, acked[i].begun)
	}
	return at
}

// at returns what was known at an earlier time of the clock.
func (l *ledger) at(t time.Duration) []progress {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]progress, len(l.w))
	for w, log := range l.log {
		for _, h := range log {
			if h.from > t {
				break
			}
			all[w] = h.p
		}
	}
	return all
}

func (l *ledger) update(w int, f func(p *progress)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f(&l.w[w])
	l.log[w] = append(l.log[w], historian{l.clock(), l.w[w]})
}

// deletes says whether a step of the pair deletes it.
func deletes(w, step int) bool { return (w*7+step)%5 == 0 }

func pairKey(w int, second bool) []byte {
	if second {
		return fmt.Appendf(nil, "second-%02d", w)
	}
	return fmt.Appendf(nil, "first-%02d", w)
}

func pairValue(w, step int) []byte {
	return append(fmt.Appendf(nil, "%d/%d/", w, step), make([]byte, (w*131+step*37)%300)...)
}

func leaseKey(w int) []byte { return fmt.Appendf(nil, "lease-of-writer-%02d", w) }

func metric(w int) string { return fmt.Sprintf("metric-%02d", w) }

// batch is what a step commits: the pair, and the point that tells the step.
func batch(w, step int) (*engines.Batch, error) {
	b := &engines.Batch{}
	if deletes(w, step) {
		b.Delete(engines.Leases, pairKey(w, false))
		b.Delete(engines.Index, pairKey(w, true))
	} else {
		b.Put(engines.Leases, pairKey(w, false), pairValue(w, step))
		b.Put(engines.Index, pairKey(w, true), pairValue(w, step))
	}
	p := lease.Point{Value: float64(step)}
	value, err := p.AppendBinary(nil)
	b.Put(engines.TimeSeries, lease.AppendPointKey(nil, metric(w), int64(step)), value)
	return b, err
}

// write commits steps and renewals until the engine fails.
func (l *ledger) write(e storetest.Engine, w, steps int, pause time.Duration) error {
	ctx := context.Background()
	for range steps {
		var step int
		l.update(w, func(p *progress) { p.issued++; step = p.issued })
		b, err := batch(w, step)
		if err != nil {
			return err
		}
		begun := l.clock()
		if err := e.Apply(ctx, b); err != nil {
			return err
		}
		l.update(w, func(p *progress) { p.acked, p.top, p.begun = step, max(p.top, b.Ops[0].Assigned), begun })
		if err := l.renew(ctx, e, w); err != nil {
			return err
		}
		time.Sleep(pause)
	}
	return nil
}

func (l *ledger) renew(ctx context.Context, e storetest.Engine, w int) error {
	p := l.now()[w]
	if !p.made {
		first := lease.New("node", 1, 1000, nil)
		value, err := first.AppendBinary(nil)
		if err != nil {
			return err
		}
		b := &engines.Batch{}
		b.Put(engines.Leases, leaseKey(w), value)
		l.update(w, func(p *progress) { p.making = true })
		begun := l.clock()
		if err := e.Apply(ctx, b); err != nil {
			return err
		}
		l.update(w, func(p *progress) { p.made, p.lease, p.begun = true, b.Ops[0].Assigned, begun })
		return nil
	}
	n := p.renewals + 1
	l.update(w, func(p *progress) { p.renewals = n })
	begun := l.clock()
	v, err := e.RenewLease(ctx, leaseKey(w), p.lease, lease.Renewal{ExpiresAt: int64(1000 + n), Now: 2})
	if err != nil {
		return err
	}
	l.update(w, func(p *progress) { p.held, p.lease, p.begun = n, v, begun })
	return nil
}

// judge compares an open store with the history around the crash.
func judge(ctx context.Context, e storetest.Engine, s *state) error {
	for w := range s.issued {
		var must progress
		if s.must != nil {
			must = s.must[w]
		}
		if err := judgePair(ctx, e, w, must, s.issued[w]); err != nil {
			return err
		}
		if err := judgeLease(ctx, e, w, must, s.issued[w], s.must != nil); err != nil {
			return err
		}
	}
	return nil
}

// judgePair demands that the points end with a step that may have come back, and
// that the pair is what that step made it.
func judgePair(ctx context.Context, e storetest.Engine, w int, must, issued progress) error {
	step := 0
	err := e.Scan(ctx, engines.TimeSeries, append([]byte(metric(w)), 0), append([]byte(metric(w)), 1), func(key, value []byte, _ engines.Version) error {
		step++
		p := lease.Point{}
		if err := p.UnmarshalBinary(value); err != nil {
			return err
		}
		if want := lease.AppendPointKey(nil, metric(w), int64(step)); string(key) != string(want) || p.Value != float64(step) {
			return fmt.Errorf("writer %d: point %d is %v under key %x", w, step, p.Value, key)
		}
		return nil
	})
	if err != nil {
		return err
	}
	a, v, erra := e.Get(ctx, engines.Leases, pairKey(w, false), nil)
	b, _, errb := e.Get(ctx, engines.Index, pairKey(w, true), nil)
	absent := step == 0 || deletes(w, step)
	switch {
	case step < must.acked || step > issued.issued:
		return fmt.Errorf("writer %d: step %d came back, acknowledged %d, issued %d", w, step, must.acked, issued.issued)
	case absent && errors.Is(erra, engines.ErrNotFound) && errors.Is(errb, engines.ErrNotFound):
		return nil
	case !absent && erra == nil && errb == nil && v != 0 && string(a) == string(pairValue(w, step)) && string(b) == string(a):
		return nil
	}
	return fmt.Errorf("writer %d: step %d came back, but the pair is %.20q, %v and %.20q, %v", w, step, a, erra, b, errb)
}

func judgeLease(ctx context.Context, e storetest.Engine, w int, must, issued progress, strict bool) error {
	value, v, err := e.Get(ctx, engines.Leases, leaseKey(w), nil)
	if errors.Is(err, engines.ErrNotFound) && !must.made {
		return nil
	}
	if err != nil || !issued.making {
		return fmt.Errorf("writer %d: lease made %v: %v", w, must.made, err)
	}
	var l lease.Lease
	if err := l.UnmarshalBinary(value); err != nil {
		return err
	}
	n := int(l.RenewalCount)
	if n > issued.renewals || n < must.held {
		return fmt.Errorf("writer %d: lease renewed %d times, acknowledged %d, issued %d", w, n, must.held, issued.renewals)
	}
	if n > 0 && l.ExpiresAt != int64(1000+n) {
		return fmt.Errorf("writer %d: lease renewed %d times expires at %d", w, n, l.ExpiresAt)
	}
	if strict && v < must.lease {
		return fmt.Errorf("writer %d: lease at version %d, acknowledged %d", w, v, must.lease)
	}
	return nil
}

// fenced demands that what is written next is above every version acknowledged.
func fenced(ctx context.Context, e storetest.Engine, w int, acked progress) error {
	b := &engines.Batch{}
	b.Put(engines.Leases, pairKey(w, false), []byte("next"))
	b.Put(engines.Leases, leaseKey(w), []byte("next"))
	b.Put(engines.Index, pairKey(w, true), pairValue(w, 1))
	if err := e.Apply(ctx, b); err != nil {
		return err
	}
	if pair, held := b.Ops[0].Assigned, b.Ops[1].Assigned; pair <= acked.top || held <= acked.lease {
		return fmt.Errorf("writer %d: versions %d and %d after %d and %d were acknowledged", w, pair, held, acked.top, acked.lease)
	}
	return nil
}
