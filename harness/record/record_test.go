package record

import (
	"math"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/HdrHistogram/hdrhistogram-go"

	"orbitbench/harness/patience"
	"orbitbench/harness/result"
)

func seeded(t testing.TB) *rand.Rand {
	seed := patience.Seed(t)
	return rand.New(rand.NewPCG(seed, 0))
}

// Every value lands in the bucket that HdrHistogram would use.
func TestGeometryIsHdrHistograms(t *testing.T) {
	r := seeded(t)
	var values []int64
	for shift := range 41 {
		for d := int64(-2); d <= 2; d++ {
			values = append(values, max(0, int64(1)<<shift+d))
		}
	}
	for range 200 {
		values = append(values, int64(math.Exp(r.Float64()*math.Log(HighestNs))))
	}
	for _, v := range append(values, HighestNs) {
		want := NewHistogram()
		err := want.RecordValue(v)
		var h Histogram
		h.Record(v)
		got, out, mergeErr := Merged(&h)
		if mergeErr != nil {
			t.Fatal(mergeErr)
		}
		if err != nil && out != 1 || err == nil && (out != 0 || !got.Equals(want)) {
			t.Fatalf("value %d: %d out of range, HdrHistogram says %v", v, out, err)
		}
	}
	for i := range buckets {
		if bucketOf(lowestOf(i)) != uint(i) || bucketOf(highestOf(i)) != uint(i) {
			t.Fatalf("bucket %d spans %d to %d, which are of buckets %d and %d", i, lowestOf(i), highestOf(i), bucketOf(lowestOf(i)), bucketOf(highestOf(i)))
		}
	}
}

func TestOutOfRangeIsCountedNotClamped(t *testing.T) {
	var h Histogram
	for _, v := range []int64{5, -1, math.MaxInt64, math.MinInt64, highestOf(buckets-1) + 1} {
		h.Record(v)
	}
	sum, out, err := Merged(&h, new(Histogram))
	if err != nil || out != 4 || sum.TotalCount() != 1 || sum.Max() != 5 {
		t.Errorf("%d values, %d out of range, max %d (%v), want 1, 4, 5", sum.TotalCount(), out, sum.Max(), err)
	}
}

func TestACountOf32BitsRunsOver(t *testing.T) {
	var h Histogram
	h.Record(7)
	h.c.bucket[7] = math.MaxUint32
	h.Record(7)
	h.Record(7)
	sum, _, err := Merged(&h)
	if err != nil || sum.TotalCount() != math.MaxUint32+2 {
		t.Errorf("%d values (%v), want %d", sum.TotalCount(), err, uint64(math.MaxUint32)+2)
	}
}

func TestLatencyRoundTrip(t *testing.T) {
	r := seeded(t)
	h := NewHistogram()
	for range 100_000 {
		if err := h.RecordValue(int64(1000 * r.ExpFloat64())); err != nil {
			t.Fatal(err)
		}
	}
	l, err := ToLatency(h, 3)
	if err != nil {
		t.Fatal(err)
	}
	if l.Count != 100_000 || l.OutOfRange != 3 || l.P50Ns != h.ValueAtQuantile(50) || l.P999Ns != h.ValueAtQuantile(99.9) || l.MaxNs != h.Max() {
		t.Errorf("latency %+v does not describe its histogram", l)
	}
	back, err := FromLatency(l)
	if err != nil {
		t.Fatal(err)
	}
	if !back.Equals(h) {
		t.Error("the histogram that comes back is another")
	}
	empty, err := ToLatency(NewHistogram(), 0)
	if err != nil || empty.Histogram != "" {
		t.Fatalf("empty histogram: %+v, %v", empty, err)
	}
	if back, err := FromLatency(empty); err != nil || back.TotalCount() != 0 {
		t.Errorf("empty latency: %v", err)
	}
}

func TestFromLatencyRefusesWhatDoesNotAddUp(t *testing.T) {
	h := NewHistogram()
	if err := h.RecordValue(5); err != nil {
		t.Fatal(err)
	}
	l, err := ToLatency(h, 0)
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]result.Latency{
		"count":        {Count: 2, Histogram: l.Histogram},
		"no histogram": {Count: 2},
		"garbage":      {Count: 1, Histogram: "AAAA" + l.Histogram},
		"cut":          {Count: 1, Histogram: l.Histogram[:len(l.Histogram)/2]},
	} {
		if _, err := FromLatency(bad); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func FuzzFromLatency(f *testing.F) {
	h := NewHistogram()
	for v := int64(1); v < HighestNs; v *= 3 {
		if err := h.RecordValue(v); err != nil {
			f.Fatal(err)
		}
	}
	l, err := ToLatency(h, 0)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(l.Histogram, l.Count)
	f.Add("", uint64(0))
	f.Fuzz(func(t *testing.T, histogram string, count uint64) {
		h, err := FromLatency(result.Latency{Histogram: histogram, Count: count})
		if err != nil {
			return
		}
		if uint64(h.TotalCount()) != count {
			t.Fatalf("%d values where the result says %d", h.TotalCount(), count)
		}
	})
}

const (
	opA = iota
	opB
)

// Workers in several goroutines, compared with plain histograms.
func TestSetMergesWorkers(t *testing.T) {
	r := seeded(t)
	const workers, each = 8, 5_000
	s := NewSet([]string{"a", "b"}, workers)
	defer s.Release()
	want := map[string]*hdrhistogram.Histogram{"a/ok": NewHistogram(), "a/conflict": NewHistogram(), "b/ok": NewHistogram()}
	perSecond := make(map[int]uint64)
	var wg sync.WaitGroup
	var mu sync.Mutex
	for w := range workers {
		seed := r.Uint64()
		wg.Go(func() {
			rng, rec, now := rand.New(rand.NewPCG(seed, 1)), s.Recorder(w), int64(0)
			for range each {
				v := int64(rng.ExpFloat64() * 200_000)
				now += v
				op, outcome, name := opA, OK, "a/ok"
				switch rng.IntN(10) {
				case 0:
					outcome, name = Conflict, "a/conflict"
				case 1:
					op, name = opB, "b/ok"
				}
				rec.Record(op, outcome, v, now)
				mu.Lock()
				if err := want[name].RecordValue(v); err != nil {
					t.Error(err)
				}
				if name == "a/ok" {
					perSecond[int(now/second)]++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	results, err := s.Results()
	if err != nil {
		t.Fatal(err)
	}
	for _, res := range results {
		h, err := FromLatency(res.Latency)
		if err != nil {
			t.Fatal(err)
		}
		name := res.Op + "/" + res.Outcome
		if want[name] == nil || !h.Equals(want[name]) {
			t.Errorf("%s: not the values that were recorded", name)
		}
		delete(want, name)
		if res.Service != nil {
			t.Errorf("%s: service time in a closed loop", name)
		}
	}
	if len(want) != 0 {
		t.Errorf("missing: %v", want)
	}
	for _, i := range s.Intervals() {
		if i.Op == "a" && perSecond[i.Second] != i.Count {
			t.Errorf("second %d: %d operations, want %d", i.Second, i.Count, perSecond[i.Second])
		}
		if i.Op == "a" {
			delete(perSecond, i.Second)
		}
		if !(i.P50Ns <= i.P99Ns && i.P99Ns <= i.MaxNs) {
			t.Errorf("interval out of order: %+v", i)
		}
		n := uint64(0)
		for j, b := range i.Bins {
			if n += b[1]; b[1] == 0 || j > 0 && b[0] <= i.Bins[j-1][0] {
				t.Errorf("bins out of order: %v", i.Bins)
			}
		}
		last := i.Bins[len(i.Bins)-1][0]
		if top := uint64(math.Log10(float64(i.MaxNs)) * result.BinsPerDecade); n != i.Count || last != top {
			t.Errorf("bins hold %d of %d operations, the last is %d, want %d", n, i.Count, last, top)
		}
	}
	if len(perSecond) != 0 {
		t.Errorf("seconds missing: %v", perSecond)
	}
}

// A stall in one second shows in that second, and nowhere else.
func TestIntervalsShowAStall(t *testing.T) {
	s := NewSet([]string{"a"}, 1)
	defer s.Release()
	r := s.Recorder(0)
	for ms := int64(0); ms < 5000; ms++ {
		latency := int64(100_000)
		if ms >= 2000 && ms < 2100 {
			latency = 50_000_000
		}
		r.Record(opA, OK, latency, ms*1e6)
		if ms == 2500 {
			if rate, p99 := s.Last(); rate != 1000 || p99 < 90_000 || p99 > 110_000 {
				t.Errorf("last second: %v/s, p99 %d ns", rate, p99)
			}
		}
	}
	list := s.Intervals()
	if len(list) != 5 {
		t.Fatalf("%d intervals, want 5", len(list))
	}
	for _, i := range list {
		if stalled := i.P99Ns > 45_000_000; stalled != (i.Second == 2) || i.Count != 1000 {
			t.Errorf("%+v", i)
		}
	}
}

func TestServiceStandsBesideLatency(t *testing.T) {
	s := NewSet([]string{"a"}, 1)
	defer s.Release()
	s.Recorder(0).RecordOpen(opA, OK, 5000, 1000, 5000)
	list, err := s.Results()
	if err != nil || len(list) != 1 || list[0].Service == nil {
		t.Fatalf("%+v, %v", list, err)
	}
	if list[0].Latency.MaxNs < 5000 || list[0].Service.MaxNs > 1001 {
		t.Errorf("latency %d, service %d, want 5000 and 1000", list[0].Latency.MaxNs, list[0].Service.MaxNs)
	}
}

func TestRecordingAllocatesNothing(t *testing.T) {
	s := NewSet([]string{"a"}, 1)
	defer s.Release()
	r, now := s.Recorder(0), int64(0)
	if n := testing.AllocsPerRun(100_000, func() {
		now += 1000
		r.RecordOpen(opA, OK, 700, 600, now)
		r.Record(opA, Error, -1, now)
	}); n != 0 {
		t.Errorf("%v allocations a record", n)
	}
	if s.ResidentBytes() == 0 {
		t.Error("the counts take no memory")
	}
}

func BenchmarkRecord(b *testing.B) {
	s := NewSet([]string{"a"}, 1)
	defer s.Release()
	r, now := s.Recorder(0), int64(0)
	for b.Loop() {
		now += 37
		r.Record(opA, OK, 30+now&15, now)
	}
}
