package pacer

import (
	"testing"

	"orbitbench/harness/record"
)

// simulated runs one worker through a schedule on a clock that goes on by its
// readings and by the service time only, so that the outcome is the same on any
// machine. It returns the achieved rate, the median lag and what was dropped.
func simulated(t *testing.T, ratePerS float64, serviceNs int64) (achievedPerS float64, lagP50Ns, worstNs, dropped int64) {
	t.Helper()
	const readingNs, length = 100, 100_000_000
	schedule, err := Fixed(ratePerS, length)
	if err != nil {
		t.Fatal(err)
	}
	var now int64
	p := New(Options{Schedule: schedule, Workers: 1, Now: func() int64 { now += readingNs; return now }, Backlog: 300})
	ticket := p.NewTicket(new(record.Histogram))
	done := 0
	for p.Take(ticket) {
		now += serviceNs
		worstNs = max(worstNs, now-ticket.DueNs)
		done++
	}
	report := p.Report([]*Ticket{ticket})
	lag, _, err := record.Merged(report.Lag...)
	if err != nil {
		t.Fatal(err)
	}
	return float64(done) / (float64(now) / 1e9), lag.ValueAtQuantile(50), worstNs, report.Dropped
}

// A ladder of rates against an engine of 30 us, which can do 33 k/s, and one
// that does nothing: up to saturation what is offered is achieved within 1%, and
// the generator is not late; beyond it the rate stays where the engine's is, the
// latency grows, what cannot wait is dropped and counted, and no lag is booked to the generator.
func TestOfferedIsAchievedUpToSaturation(t *testing.T) {
	for _, engine := range []struct {
		name      string
		serviceNs int64
		limitPerS float64
	}{{"no-op", 0, 5e6}, {"slow", 30_000, 33_000}} {
		for _, rate := range []float64{20_000, 25_000, 30_000, 32_000, 40_000, 80_000} {
			achieved, lag, worst, dropped := simulated(t, rate, engine.serviceNs)
			ratio := achieved / rate
			t.Logf("%s: offered %.0f/s, achieved %.0f/s (%.4f), lag p50 %d ns, worst %d ns, %d dropped", engine.name, rate, achieved, ratio, lag, worst, dropped)
			if lag > 500 {
				t.Errorf("%s at %.0f/s: generator lag of %d ns", engine.name, rate, lag)
			}
			saturated := rate > engine.limitPerS
			switch {
			case !saturated && (ratio < 0.99 || ratio > 1.01 || dropped > 0):
				t.Errorf("%s: %.0f/s offered, %.0f/s achieved, %d dropped", engine.name, rate, achieved, dropped)
			case !saturated && worst > 2*engine.serviceNs+1000:
				t.Errorf("%s at %.0f/s: %d ns from the due time", engine.name, rate, worst)
			case saturated && ratio > 0.99:
				t.Errorf("%s: %.0f/s offered is beyond it, and %.0f/s were achieved", engine.name, rate, achieved)
			case saturated && worst < 1_000_000:
				t.Errorf("%s at %.0f/s: an overload shows as latency, here %d ns", engine.name, rate, worst)
			}
			if rate == 80_000 && saturated && dropped == 0 {
				t.Errorf("%s at %.0f/s: a backlog of 300 drops nothing", engine.name, rate)
			}
		}
	}
}
