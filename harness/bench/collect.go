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

// floorShare is the part of collectTime for which the floor is watched: it needs as many stops of the
// world, and not as much time.
const floorShare = 0.25

// collect fills a store and renews leases of it while the garbage collector runs
// a few times. Before that it watches the process without any store, with threads that
// only compute: a pause that this has too is the machine's (a processor that was taken away while
// the world was being stopped), and not the engine's.
func (j *job) collect(ctx context.Context, d engines.Driver) (collector, error) {
	floor, err := watchCollector(j.Seconds*floorShare, computeWhile)
	if err != nil {
		return collector{}, err
	}
	e, err := j.open(ctx, d)
	if err != nil {
		return collector{}, err
	}
	s := newHeldStore(ctx, e, j)
	if err := s.load(); err != nil {
		return collector{}, err
	}
	c, err := watchCollector(j.Seconds, s.renewWhile)
	c.FloorNs = floor.PauseNs
	return c, err
}

// watchCollector forces collectCycles collections at equal distances in so many seconds while load
// runs, and says what they took. load runs until do has returned, and returns its operations.
func watchCollector(seconds float64, load func(do func()) (uint64, error)) (collector, error) {
	runtime.GC() // brings the runtime's figures up to date
	before, err := procstat.Read()
	if err != nil {
		return collector{}, err
	}
	pauses, stopping, cycles := gcPauses(pausesTotal), gcPauses(pausesStopping), gcCycles()
	begin := time.Now()
	operations, err := load(func() {
		for n := range collectCycles {
			time.Sleep(time.Until(begin.Add(time.Duration(float64(n+1) * seconds * 1e9 / collectCycles))))
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
		PauseNs:    1e9 * longest(pauses, gcPauses(pausesTotal)),
		StopNs:     1e9 * longest(stopping, gcPauses(pausesStopping)),
		Cycles:     float64(gcCycles() - cycles),
		NsPerRenew: float64(took) / float64(max(operations, 1)),
	}, nil
}

// computeWhile keeps Procs threads busy without memory, locks or system calls until do has returned.
func computeWhile(do func()) (uint64, error) {
	var over atomic.Bool
	var operations atomic.Uint64
	var done sync.WaitGroup
	for w := range Procs {
		done.Go(func() {
			x, n := uint64(w), uint64(0)
			for ; !over.Load(); n++ {
				x = mix(x + golden)
			}
			operations.Add(n + x&1) // so that the loop is not left out
		})
	}
	do()
	over.Store(true)
	done.Wait()
	return operations.Load(), nil
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
			r := s.newRenewer()
			rng := rand.New(rand.NewPCG(s.seed, uint64(w)))
			own := (len(s.versions) - w + Procs - 1) / Procs
			for n := uint64(0); ; n++ {
				if over.Load() || own == 0 {
					renewed.Add(n)
					return
				}
				if err := r.renew(rng.IntN(own)*Procs + w); err != nil {
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

// The runtime's distributions of the collector's stops of the world: how long they were from the
// decision to stop it, and how much of that passed until every thread stood still.
const (
	pausesTotal    = "/sched/pauses/total/gc:seconds"
	pausesStopping = "/sched/pauses/stopping/gc:seconds"
)

func gcPauses(name string) *metrics.Float64Histogram {
	s := []metrics.Sample{{Name: name}}
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
	return fmt.Sprintf("%.0f cycles took %.3f%% of the processors, longest pause %.0f us (%.0f until all stood still; %.0f without a store), %.0f ns a renewal",
		c.Cycles, 100*c.Share, c.PauseNs/1e3, c.StopNs/1e3, c.FloorNs/1e3, c.NsPerRenew)
}
