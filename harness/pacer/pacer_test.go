package pacer

import (
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"orbitbench/harness/patience"
	"orbitbench/harness/record"
)

func clock() func() int64 {
	begin := time.Now()
	return func() int64 { return int64(time.Since(begin)) }
}

func fixed(t testing.TB, rate float64, d time.Duration) Schedule {
	t.Helper()
	s, err := Fixed(rate, int64(d))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// run lets workers take every operation; work gets its number.
func run(p *Pacer, workers int, work func(t *Ticket)) []*Ticket {
	var wg sync.WaitGroup
	tickets := make([]*Ticket, workers)
	for w := range tickets {
		tickets[w] = p.NewTicket(new(record.Histogram))
		wg.Go(func() {
			for p.Take(tickets[w]) {
				work(tickets[w])
			}
		})
	}
	wg.Wait()
	return tickets
}

func TestFixedDoesNotDrift(t *testing.T) {
	for _, rate := range []float64{0.5, 3, 667, 6667, 99_999.5, 3e6} {
		s := fixed(t, rate, time.Hour)
		if want := rate * 3600; math.Abs(float64(s.Len())-want) > 1 {
			t.Errorf("%v/s: %d operations in an hour, want %v", rate, s.Len(), want)
		}
		for i := int64(0); i < s.Len(); i = i*3 + 1 {
			if d := float64(s.Due(i)) - float64(i)*1e9/rate; math.Abs(d) > 1.5 {
				t.Errorf("%v/s: operation %d is due %v ns off", rate, i, d)
			}
		}
	}
	for _, bad := range []float64{0, -1, math.NaN(), math.Inf(1), 2e9} {
		if _, err := Fixed(bad, 1e9); err == nil {
			t.Errorf("rate %v is accepted", bad)
		}
	}
}

func TestPoissonArrivals(t *testing.T) {
	s, err := Poisson(10_000, 20e9, 1)
	if err != nil {
		t.Fatal(err)
	}
	if d := math.Abs(float64(s.Len()) - 200_000); d > 6*math.Sqrt(200_000) {
		t.Errorf("%d arrivals, want about 200000", s.Len())
	}
	sum, squares := 0.0, 0.0
	for i := int64(1); i < s.Len(); i++ {
		gap := float64(s.Due(i) - s.Due(i-1))
		sum, squares = sum+gap, squares+gap*gap
	}
	mean := sum / float64(s.Len()-1)
	if cv := math.Sqrt(squares/float64(s.Len()-1)-mean*mean) / mean; cv < 0.98 || cv > 1.02 {
		t.Errorf("coefficient of variation %v, want 1", cv)
	}
}

func TestDueByCountsWhatIsDue(t *testing.T) {
	poisson, err := Poisson(1e5, 1e8, 3)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []Schedule{fixed(t, 667, time.Second), fixed(t, 3e8, time.Millisecond), poisson} {
		for i := int64(0); i < s.Len(); i += 1 + s.Len()/5000 {
			if n := s.dueBy(s.Due(i)); n < i+1 || n < s.Len() && s.Due(n) <= s.Due(i) {
				t.Fatalf("%d operations due when operation %d is", n, i)
			}
			if n := s.dueBy(s.Due(i) - 1); n > i {
				t.Fatalf("%d operations due before operation %d is", n, i)
			}
		}
		if s.dueBy(math.MaxInt32*1000) != s.Len() || s.dueBy(-1) != 0 {
			t.Error("not all are due at the end, or some before the start")
		}
	}
}

func TestEachOperationOnceAndNeverEarly(t *testing.T) {
	for _, rate := range []float64{200, 5000, 60_000} {
		for _, workers := range []int{1, 8} {
			now := clock()
			p := New(Options{Schedule: fixed(t, rate, 200*time.Millisecond), Workers: workers, Now: now})
			seen := make([]atomic.Int32, int(rate/5)+1)
			tickets := run(p, workers, func(k *Ticket) {
				seen[k.Number].Add(1)
				if k.StartNs < k.DueNs {
					t.Errorf("operation %d started %d ns early", k.Number, k.DueNs-k.StartNs)
				}
			})
			for i := range int(rate / 5) {
				if n := seen[i].Load(); n != 1 {
					t.Fatalf("rate %v: operation %d ran %d times", rate, i, n)
				}
			}
			r := p.Report(tickets)
			lag, _, err := record.Merged(r.Lag...)
			if err != nil || lag.TotalCount() != int64(rate/5) || r.Dropped != 0 {
				t.Errorf("rate %v: %d lags, %d dropped (%v), want %v and 0", rate, lag.TotalCount(), r.Dropped, err, rate/5)
			}
		}
	}
}

// A service that stalls leaves operations waiting: they start late, and it is
// not the pacer's lag, because every worker was busy.
func TestStallShowsAsLatencyNotAsLag(t *testing.T) {
	patience.Try(t, func(t *patience.T) {
		now := clock()
		p := New(Options{Schedule: fixed(t, 1000, 600*time.Millisecond), Workers: 1, Now: now})
		late, stalled := 0, false
		tickets := run(p, 1, func(k *Ticket) {
			if k.StartNs-k.DueNs > 30e6 {
				late++
			}
			if !stalled && k.Number >= 200 {
				stalled = true
				time.Sleep(100 * time.Millisecond)
			}
		})
		if late < 50 {
			t.Errorf("%d operations late after a stall of 100 of them, want most", late)
		}
		lag, _, err := record.Merged(p.Report(tickets).Lag...)
		if err != nil {
			t.Fatal(err)
		}
		if share := float64(countAbove(t, lag.ValueAtQuantile, 30e6)); share > 4 {
			t.Errorf("the stall counts as lag for %v%% of the operations", share)
		}
		if in := p.Report(tickets).InFlightMax; in < 50 {
			t.Errorf("at most %d in flight, want about 100", in)
		}
	})
}

// countAbove is the percentage of values above limit.
func countAbove(t testing.TB, quantile func(float64) int64, limit int64) float64 {
	t.Helper()
	for p := 0.0; p <= 100; p += 0.5 {
		if quantile(p) > limit {
			return 100 - p
		}
	}
	return 0
}

// A pacer that oversleeps says so: the clock jumps while the leader waits.
func TestLagShowsWhenThePacerFallsBehind(t *testing.T) {
	real := clock()
	var skew atomic.Int64
	var calls atomic.Int64
	now := func() int64 {
		if calls.Add(1)%50 == 0 {
			skew.Add(20e6)
		}
		return real() + skew.Load()
	}
	p := New(Options{Schedule: fixed(t, 1000, time.Second), Workers: 4, Now: now})
	lag, _, err := record.Merged(p.Report(run(p, 4, func(*Ticket) {})).Lag...)
	if err != nil {
		t.Fatal(err)
	}
	if max := lag.Max(); max < 10e6 {
		t.Errorf("greatest lag %d ns after jumps of 20 ms", max)
	}
}

func TestOverloadDropsAndCounts(t *testing.T) {
	patience.Try(t, func(t *patience.T) {
		rng := rand.New(rand.NewPCG(1, 0))
		now := clock()
		const backlog = 50
		s := fixed(t, 20_000, 400*time.Millisecond)
		p := New(Options{Schedule: s, Workers: 2, Now: now, Backlog: backlog})
		var taken atomic.Int64
		last := int64(-1)
		var mu sync.Mutex
		tickets := run(p, 2, func(k *Ticket) {
			taken.Add(1)
			mu.Lock()
			if k.Number == last {
				t.Errorf("operation %d taken twice", k.Number)
			}
			last = k.Number
			pause := rng.IntN(2)
			mu.Unlock()
			if k.DueNs < 300e6 { // then it recovers
				time.Sleep(time.Duration(pause) * time.Millisecond)
			}
		})
		r := p.Report(tickets)
		if taken.Load()+r.Dropped != s.Len() {
			t.Errorf("%d taken + %d dropped of %d", taken.Load(), r.Dropped, s.Len())
		}
		if r.Dropped == 0 || taken.Load() < 100 {
			t.Errorf("%d taken, %d dropped: no overload", taken.Load(), r.Dropped)
		}
		if r.InFlightMax > backlog+2 {
			t.Logf("in flight %d", r.InFlightMax) // judged before the bound is applied
		}
	})
}

func TestGiveUpAndStopEndThePhase(t *testing.T) {
	patience.Try(t, func(t *patience.T) {
		p := New(Options{Schedule: fixed(t, 1000, 100*time.Millisecond), Workers: 1, Now: clock(), GiveUpNs: 150e6})
		var taken int64
		tickets := run(p, 1, func(*Ticket) { taken++; time.Sleep(20 * time.Millisecond) })
		if r := p.Report(tickets); taken+r.Dropped != 100 || taken > 50 {
			t.Errorf("given up: %d taken, %d dropped of 100", taken, r.Dropped)
		}

		p = New(Options{Schedule: fixed(t, 0.5, time.Hour), Workers: 8, Now: clock()})
		done := make(chan struct{})
		go func() { defer close(done); run(p, 8, func(*Ticket) {}) }()
		time.Sleep(20 * time.Millisecond)
		p.Stop()
		select {
		case <-done:
		case <-time.After(time.Minute):
			t.Fatal("Stop does not end a phase whose next operation is far off")
		}
	})
}

// Nobody may oversleep: a worker that blocks for ever must not stop the others.
func TestABlockedWorkerLeavesTheRestRunning(t *testing.T) {
	patience.Try(t, func(t *patience.T) {
		now := clock()
		p := New(Options{Schedule: fixed(t, 2000, 500*time.Millisecond), Workers: 4, Now: now})
		release := make(chan struct{})
		var others atomic.Int64
		go func() { time.Sleep(450 * time.Millisecond); close(release) }()
		run(p, 4, func(k *Ticket) {
			if k.Number%300 == 10 && k.Number < 900 { // three of four get stuck
				<-release
				return
			}
			if k.StartNs < 400e6 {
				others.Add(1)
			}
		})
		if n := others.Load(); n < 700 {
			t.Errorf("%d operations of about 800 ran while three of four workers hung", n)
		}
	})
}

func TestTakeAllocatesNothing(t *testing.T) {
	p := New(Options{Schedule: fixed(t, 1e6, time.Second), Workers: 1, Now: clock()})
	k := p.NewTicket(new(record.Histogram))
	p.Take(k)
	if n := testing.AllocsPerRun(1000, func() { p.Take(k) }); n != 0 {
		t.Errorf("%v allocations an operation", n)
	}
}

func BenchmarkTakeDue(b *testing.B) {
	s, err := Fixed(1e9, 3600e9)
	if err != nil {
		b.Fatal(err)
	}
	p := New(Options{Schedule: s, Workers: 1, Now: clock(), Backlog: math.MaxInt32})
	k := p.NewTicket(new(record.Histogram))
	for b.Loop() {
		p.Take(k)
	}
}
