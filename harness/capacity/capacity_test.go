package capacity

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"orbitbench/harness/record"
	"orbitbench/harness/result"
)

func TestPromiseText(t *testing.T) {
	for text, want := range map[string]Promise{
		"p99.9<=10ms":      {0.999, 10 * time.Millisecond},
		" p99 <= 2.5 ms ":  {0.99, 2500 * time.Microsecond},
		"p50<=1s":          {0.5, time.Second},
		"p99.999 <= 250us": {0.99999, 250 * time.Microsecond},
	} {
		p, err := Parse(text)
		if err != nil || p != want {
			t.Errorf("%q: %+v, %v", text, p, err)
		}
		if again, err := Parse(p.String()); err != nil || again != p {
			t.Errorf("%q becomes %q, which is %+v, %v", text, p, again, err)
		}
	}
	for _, bad := range []string{"", "p99.9", "99.9<=10ms", "p100<=1ms", "p0<=1ms", "p99<=0s", "p99<=-1ms", "p99<=10", "pNaN<=1ms", "p99>=1ms"} {
		if _, err := Parse(bad); err == nil || !strings.Contains(err.Error(), DefaultPromise) {
			t.Errorf("%q: %v, want an error that says what would be right", bad, err)
		}
	}
	if n := (Promise{Quantile: 0.999}).Allowed(10_000); n != 10 {
		t.Errorf("p99.9 allows %d of 10000", n)
	}
}

// stretch is n renewals of 1 ms, of which over take 50 ms.
func stretch(t *testing.T, n, over int64) Stretch {
	t.Helper()
	h := record.NewHistogram()
	if err := h.RecordValues(1e6, n-over); err != nil {
		t.Fatal(err)
	}
	if over > 0 {
		if err := h.RecordValues(50e6, over); err != nil {
			t.Fatal(err)
		}
	}
	l, err := record.ToLatency(h, 0)
	if err != nil {
		t.Fatal(err)
	}
	return Stretch{RatePerS: float64(n), Seconds: 1, Leases: int(n), Offered: uint64(n), Measure: &result.Measure{
		AchievedPerS: float64(n), Ops: []result.OpResult{{Op: "renew", Outcome: "ok", Latency: l}},
	}}
}

func TestJudge(t *testing.T) {
	p := Promise{0.999, 10 * time.Millisecond}
	for name, c := range map[string]struct {
		n, over int64
		edit    func(*Stretch)
		want    string // "" is kept
	}{
		"kept":               {20_000, 0, nil, ""},
		"as many as allowed": {20_000, 20, nil, ""},
		"one too many":       {20_000, 21, nil, "21 of 20000"},
		"a short probe":      {2000, 9, func(s *Stretch) { s.Short = true }, ""},
		"not as short":       {2000, 9, nil, "9 of 2000"},
		"short and slow":     {2000, 11, func(s *Stretch) { s.Short = true }, "11 of 2000"},
		"rate missed":        {20_000, 0, func(s *Stretch) { s.Measure.AchievedPerS = 19_000 }, "offered rate missed"},
		"never answered":     {20_000, 0, func(s *Stretch) { s.Offered += 100 }, "120 are allowed"},
		"dropped":            {20_000, 0, func(s *Stretch) { s.Offered += 200 }, "200 of 20200"},
		"a lease ran out":    {20_000, 0, func(s *Stretch) { s.Lease.FalseExpiries = 1 }, "1 leases ran out"},
		"acknowledged late":  {20_000, 1, func(s *Stretch) { s.Lease.DeadlineMisses = 1 }, "after their lease had run out"},
		"nothing":            {20_000, 0, func(s *Stretch) { s.Measure.Ops = nil }, "none of 20000"},
	} {
		s := stretch(t, c.n, c.over)
		if c.edit != nil {
			c.edit(&s)
		}
		if name == "never answered" { // 100 of 20100 are more than 20
			c.want = "100 of 20100"
		}
		out, err := p.Judge(s)
		if err != nil {
			t.Fatal(err)
		}
		if out.Kept != (c.want == "") || !strings.Contains(out.Reason, c.want) {
			t.Errorf("%s: kept %v, %q; want %q", name, out.Kept, out.Reason, c.want)
		}
	}
}

func TestGeneratorIsHeldResponsible(t *testing.T) {
	p := Promise{0.999, 10 * time.Millisecond}
	for lag, want := range map[int64]bool{1e6: false, 8e6: true} {
		s := stretch(t, 20_000, 100)
		h := record.NewHistogram()
		if err := h.RecordValues(lag, 20_000); err != nil {
			t.Fatal(err)
		}
		l, err := record.ToLatency(h, 0)
		if err != nil {
			t.Fatal(err)
		}
		s.Measure.Lag = &l
		if out, err := p.Judge(s); err != nil || out.GeneratorBound != want {
			t.Errorf("lag of %v: %+v, %v", time.Duration(lag), out, err)
		}
	}
}

// Whatever the knee, a search brackets it within its precision, in few probes.
func TestSearchBracketsTheKnee(t *testing.T) {
	for _, knee := range []float64{13, 90, 999, 1000, 1001, 4321, 88_000, 99_999} {
		s := NewSearch(1000, 100_000, 0.1)
		probes := 0
		for rate, ok := s.Next(); ok; rate, ok = s.Next() {
			if probes++; probes > 40 {
				t.Fatalf("knee %v: still searching at %v", knee, rate)
			}
			s.Record(rate, rate <= knee)
		}
		kept, missed := s.Bracket()
		if !(kept <= knee && knee < missed) || missed > kept*1.1*(1+1e-9) {
			t.Errorf("knee %v: bracket %v to %v", knee, kept, missed)
		}
	}
	above := NewSearch(1000, 100_000, 0.1)
	for rate, ok := above.Next(); ok; rate, ok = above.Next() {
		above.Record(rate, true)
	}
	if kept, missed := above.Bracket(); kept != 100_000 || missed != 0 {
		t.Errorf("nothing missed: bracket %v to %v", kept, missed)
	}
	below := NewSearch(1000, 100_000, 0.1)
	probes := 0
	for rate, ok := below.Next(); ok; rate, ok = below.Next() {
		below.Record(rate, false)
		probes++
	}
	if kept, missed := below.Bracket(); kept != 0 || missed > 1000/81.0*1.01 || probes > 12 {
		t.Errorf("nothing kept: bracket %v to %v in %d probes", kept, missed, probes)
	}
}

func TestOneStallDoesNotEndASearch(t *testing.T) {
	s := NewSearch(1000, 100_000, 0.1)
	seen := map[float64]bool{}
	for rate, ok := s.Next(); ok; rate, ok = s.Next() {
		s.Record(rate, seen[rate]) // the first probe of each rate is missed
		seen[rate] = true
	}
	if kept, missed := s.Bracket(); kept != 100_000 || missed != 0 {
		t.Errorf("bracket %v to %v, want all kept", kept, missed)
	}
}

func climb(l Ladder, kept func(rate float64) bool) (trials []Trial) {
	for rate, ok := l.Next(trials); ok; rate, ok = l.Next(trials) {
		trials = append(trials, Trial{rate, kept(rate)})
	}
	return trials
}

func TestLadderBracketsTheCapacity(t *testing.T) {
	for _, n := range []int{1, 3, 5} {
		for _, knee := range []float64{300, 700, 990, 1000, 1050, 1500, 9000} {
			l := Ladder{StartPerS: 1000, BoundPerS: 50_000, Step: 0.1, Confirmations: n, MaxTrials: 200}
			confirmed, refuted := l.Bracket(climb(l, func(r float64) bool { return r <= knee }))
			if !(confirmed <= knee && knee < refuted) || refuted > confirmed*1.1*1.02 {
				t.Errorf("%d confirmations, knee %v: %v to %v", n, knee, confirmed, refuted)
			}
		}
	}
	l := Ladder{StartPerS: 1000, BoundPerS: 3000, Step: 0.1, Confirmations: 1, MaxTrials: 50}
	if confirmed, refuted := l.Bracket(climb(l, func(float64) bool { return true })); confirmed != 3000 || refuted != 0 {
		t.Errorf("all kept: %v to %v, want the bound", confirmed, refuted)
	}
	if trials := climb(l, func(float64) bool { return false }); len(trials) != 50 {
		t.Errorf("none kept: %d trials, want all that it may have", len(trials))
	}
	l.StartPerS = 0
	if _, ok := l.Next(nil); ok {
		t.Error("a search that kept nothing has nothing to confirm")
	}
}

// A rate that is confirmed above one that was refuted does not count.
func TestLadderIsNotFooledByLuck(t *testing.T) {
	l := Ladder{StartPerS: 1000, BoundPerS: 50_000, Step: 0.1, Confirmations: 1, MaxTrials: 9}
	confirmed, refuted := l.Bracket([]Trial{{1000, true}, {1100, false}, {1210, true}})
	if confirmed != 1000 || refuted != 1100 {
		t.Errorf("%v to %v", confirmed, refuted)
	}
}

// With noise the answer stays near the truth: the promise is kept with a
// probability that falls from one to zero around the knee.
func TestLadderUnderNoise(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const knee = 1000.0
	off := 0
	for range 200 {
		l := Ladder{StartPerS: 800 + 600*rng.Float64(), BoundPerS: 50_000, Step: 0.1, Confirmations: 3, MaxTrials: 40}
		confirmed, _ := l.Bracket(climb(l, func(r float64) bool { return rng.Float64() < 1/(1+math.Exp((r/knee-1)*40)) }))
		if confirmed < 0.8*knee || confirmed > 1.15*knee {
			off++
		}
	}
	if off > 20 {
		t.Errorf("%d of 200 ladders end more than 20%% below or 15%% above", off)
	}
}
