package bench

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"time"

	"orbitbench/engines"
	"orbitbench/engines/directory"
	"orbitbench/harness/procstat"
)

// collectCycles are forced at equal distances in collectTime while leases are
// renewed, one every two seconds: an engine whose renewals allocate nothing would
// see a natural one every two minutes only, and nothing would be measured. The
// collector's share follows from how often it runs, so that this does not depend
// on the length of a slice.
const (
	collectCycles = 4
	collectTime   = 8 * time.Second
)

// collect fills a store and renews leases of it while the garbage collector runs
// a few times.
func (j *job) collect(ctx context.Context, d engines.Driver) (collector, error) {
	e, err := j.open(ctx, d)
	if err != nil {
		return collector{}, err
	}
	s := newHeldStore(ctx, e, j)
	if err := s.load(); err != nil {
		return collector{}, err
	}
	runtime.GC() // brings the runtime's figures up to date
	before, err := procstat.Read()
	if err != nil {
		return collector{}, err
	}
	pausesBefore, cyclesBefore := gcPauses(), gcCycles()
	begin := time.Now()
	renewed, err := s.renewWhile(func() {
		for n := range collectCycles {
			time.Sleep(time.Until(begin.Add(time.Duration(float64(n+1) * j.Seconds * 1e9 / collectCycles))))
			runtime.GC()
		}
	})
	took := time.Since(begin)
	if err != nil {
		return collector{}, err
	}
	after, err := procstat.Read()
	if err != nil {
		return collector{}, err
	}
	return collector{
		Share:      procstat.GCCPUFraction(before, after),
		PauseNs:    1e9 * longest(pausesBefore, gcPauses()),
		Cycles:     float64(gcCycles() - cyclesBefore),
		NsPerRenew: float64(took) / float64(max(renewed, 1)),
	}, nil
}

// renewWhile renews leases at random in Procs threads, each among its own,
// until do has returned, and says how many were renewed.
func (s *heldStore) renewWhile(do func()) (uint64, error) {
	var over atomic.Bool
	var renewed atomic.Uint64
	errs := make(chan error, Procs)
	var done sync.WaitGroup
	for w := range Procs {
		done.Go(func() {
			session := directory.New(s.engine, directory.Options{}).NewSession()
			rng := rand.New(rand.NewPCG(s.seed, uint64(w)))
			own := (len(s.versions) - w + Procs - 1) / Procs
			for n := uint64(0); ; n++ {
				if over.Load() || own == 0 {
					renewed.Add(n)
					return
				}
				if err := s.renew(session, rng.IntN(own)*Procs+w); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	do()
	over.Store(true)
	done.Wait()
	select {
	case err := <-errs:
		return 0, err
	default:
		return renewed.Load(), nil
	}
}

// gcPauses is the runtime's distribution of the collector's stops of the world.
func gcPauses() *metrics.Float64Histogram {
	s := []metrics.Sample{{Name: "/sched/pauses/total/gc:seconds"}}
	metrics.Read(s)
	if s[0].Value.Kind() != metrics.KindFloat64Histogram {
		return &metrics.Float64Histogram{}
	}
	h := s[0].Value.Float64Histogram()
	return &metrics.Float64Histogram{Counts: append([]uint64(nil), h.Counts...), Buckets: h.Buckets}
}

func gcCycles() uint64 {
	s := []metrics.Sample{{Name: "/gc/cycles/total:gc-cycles"}}
	metrics.Read(s)
	if s[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return s[0].Value.Uint64()
}

// longest is the upper end of the highest bucket that has grown between two
// readings; where that is open, its lower end.
func longest(before, after *metrics.Float64Histogram) float64 {
	for i := len(after.Counts) - 1; i >= 0; i-- {
		var had uint64
		if i < len(before.Counts) {
			had = before.Counts[i]
		}
		if after.Counts[i] == had {
			continue
		}
		if up := after.Buckets[i+1]; !math.IsInf(up, 1) {
			return up
		}
		return after.Buckets[i]
	}
	return 0
}

// String says what was seen, for progress.
func (c collector) String() string {
	return fmt.Sprintf("%.0f cycles took %.3f%% of the processors, longest pause %.0f us, %.0f ns a renewal", c.Cycles, 100*c.Share, c.PauseNs/1e3, c.NsPerRenew)
}
