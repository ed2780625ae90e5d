package adapter

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"orbitbench/engines"
)

// TestLatchesExclude increments plain counters under latches, for the race
// detector and the sum to judge; batches overlap in every order, which would
// deadlock if latches were not taken in one.
func TestLatchesExclude(t *testing.T) {
	l := NewLatches()
	const keys, workers, rounds = 40, 8, 400
	var counters [keys]int
	var want [keys]atomic.Int64
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(1, uint64(w)))
			var held []uint32
			for range rounds {
				picked := rng.Perm(keys)[:1+rng.IntN(6)]
				var b engines.Batch
				for i, k := range picked {
					key := fmt.Appendf(nil, "key-%d", k)
					if i%2 == 0 {
						b.Put(engines.Leases, key, nil)
					} else {
						b.Require(engines.Leases, key, 1)
					}
				}
				held = l.LockBatch(&b, held)
				for _, k := range picked {
					counters[k]++
					want[k].Add(1)
				}
				l.UnlockAll(held)
				k := rng.IntN(keys)
				latch := l.Lock(engines.Leases, fmt.Appendf(nil, "key-%d", k))
				counters[k]++
				want[k].Add(1)
				l.Unlock(latch)
			}
		})
	}
	wg.Wait()
	for k := range counters {
		if int64(counters[k]) != want[k].Load() {
			t.Errorf("key %d counts %d, want %d", k, counters[k], want[k].Load())
		}
	}
}

func TestLatchesTakeEachStripeOnce(t *testing.T) {
	l := NewLatches()
	var b engines.Batch
	for i := range 3 * stripes {
		b.Put(engines.Leases, fmt.Appendf(nil, "%d", i), nil)
	}
	held := l.LockBatch(&b, nil) // would hang if a stripe were taken twice
	for i := 1; i < len(held); i++ {
		if held[i-1] >= held[i] {
			t.Fatalf("latch %d is taken before %d", held[i-1], held[i])
		}
	}
	l.UnlockAll(held)
	l.UnlockAll(l.LockBatch(&b, held)) // and all were freed
}

func TestGateWaitsForCalls(t *testing.T) {
	g := NewGate()
	if err := g.Enter(); err != nil {
		t.Fatal(err)
	}
	closed := make(chan error)
	released := make(chan struct{}, 2)
	go func() {
		_, err := g.Close(func() { released <- struct{}{} })
		closed <- err
	}()
	<-released
	if err := g.Enter(); !errors.Is(err, engines.ErrClosed) {
		t.Errorf("Enter while closing: %v, want ErrClosed", err)
	}
	select {
	case err := <-closed:
		t.Fatalf("Close returned %v with a call inside", err)
	case <-time.After(20 * time.Millisecond):
	}
	g.Leave()
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
	if _, err := g.Close(func() {}); !errors.Is(err, engines.ErrClosed) {
		t.Errorf("second Close: %v, want ErrClosed", err)
	}
}

func TestGateFailure(t *testing.T) {
	g := NewGate()
	first := errors.New("first")
	if err := g.Enter(); err != nil {
		t.Fatal(err)
	}
	if err := g.Fail(first); !errors.Is(err, engines.ErrFailed) || !errors.Is(err, first) {
		t.Errorf("Fail returns %v", err)
	}
	if err := g.Fail(errors.New("second")); !errors.Is(err, first) {
		t.Errorf("a second failure hides the first: %v", err)
	}
	if err := g.Enter(); !errors.Is(err, engines.ErrFailed) || !errors.Is(err, first) {
		t.Errorf("Enter after a failure: %v", err)
	}
	stuck, err := g.Close(func() {})
	if stuck != 1 || err != nil {
		t.Errorf("Close of a failed engine: %d stuck, %v, want 1 stuck", stuck, err)
	}
}

// TestFlusherHoldsAcknowledgementsBack lets a sync take longer than the window
// and checks that nothing is acknowledged from then until it is done.
func TestFlusherHoldsAcknowledgementsBack(t *testing.T) {
	const window = 2 * time.Millisecond
	begun, proceed := make(chan struct{}), make(chan struct{})
	var syncs atomic.Int64
	f := NewFlusher(window, func() error {
		if syncs.Add(1) == 1 {
			close(begun)
			<-proceed
		}
		return nil
	})
	go func() { _ = f.Committed() }() // something to sync
	<-begun
	time.Sleep(2 * window)
	acknowledged := make(chan error)
	go func() { acknowledged <- f.Committed() }()
	select {
	case err := <-acknowledged:
		t.Fatalf("acknowledged (%v) a window after the last sync began", err)
	case <-time.After(10 * window):
	}
	close(proceed)
	if err := <-acknowledged; err != nil {
		t.Fatal(err)
	}
	if syncs.Load() < 2 {
		t.Error("a commit that came during a sync was acknowledged by it")
	}
	f.Stop()
	time.Sleep(2 * window)
	if err := f.Committed(); err == nil {
		t.Error("acknowledged though the flusher has stopped")
	}
}

func TestFlusherFailure(t *testing.T) {
	gone := errors.New("device is gone")
	f := NewFlusher(time.Millisecond, func() error { return gone })
	defer f.Stop()
	deadline := time.Now().Add(time.Minute)
	for {
		if err := f.Committed(); errors.Is(err, gone) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("commits are acknowledged after a failed sync")
		}
		time.Sleep(time.Millisecond)
	}
}

func TestSpansKeepTheLatest(t *testing.T) {
	var s Spans
	at := time.Unix(1, 0)
	s.End("flush", 99, at, 1) // never begun
	for i := range 3 * maxSpans {
		s.Begin("flush", i, at)
		s.End("flush", i, at.Add(time.Second), uint64(i))
	}
	s.Begin("compaction", 7, at)
	list := s.List()
	if len(list) == 0 || len(list) > maxSpans {
		t.Fatalf("%d spans, want 1 to %d", len(list), maxSpans)
	}
	if last := list[len(list)-1]; last.Kind != "compaction" || !last.End.IsZero() {
		t.Errorf("the last span is %+v, want a compaction that runs", last)
	}
	if done := list[len(list)-2]; done.Bytes != 3*maxSpans-1 || done.End != at.Add(time.Second) {
		t.Errorf("the last flush is %+v", done)
	}
}

type closer struct{ closed int }

func (c *closer) Close() error {
	if c.closed++; c.closed > 1 {
		return engines.ErrClosed
	}
	return nil
}

func TestViewsCloseWhatIsOpen(t *testing.T) {
	var v Views
	a, b, c := new(closer), new(closer), new(closer)
	v.Add(a)
	v.Add(b)
	v.Add(c)
	v.Remove(a)
	c.closed = 1 // its owner was faster
	if err := v.CloseAll(); err != nil {
		t.Fatal(err)
	}
	if a.closed != 0 || b.closed != 1 {
		t.Errorf("closed %d and %d times, want 0 and 1", a.closed, b.closed)
	}
}
