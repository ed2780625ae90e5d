package cell

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"orbitbench/harness/procstat"
	"orbitbench/harness/record"
	"orbitbench/harness/result"
	"orbitbench/workloads"
)

// BenchmarkHarness is what one operation costs the harness itself: the closed
// loop on the engine that does nothing. ns/op is per operation and thread:
// with two threads b.N operations are run by each.
func BenchmarkHarness(b *testing.B) {
	for _, mode := range []struct {
		name    string
		sampled int
	}{{"timed", 1}, {"sampled", 64}} {
		for threads := 1; threads <= runtime.GOMAXPROCS(0); threads *= 2 {
			b.Run(fmt.Sprintf("mode=%s/threads=%d", mode.name, threads), func(b *testing.B) {
				r := benchRig(b, threads)
				b.ReportAllocs()
				p := &phase{loop: workloads.Closed, length: time.Hour, most: uint64(b.N), ops: workloads.OpNames(), clock: r.clock, workers: loopers(r.workers), sampled: mode.sampled}
				set := record.NewSet(workloads.OpNames(), threads)
				defer set.Release()
				done := make(chan uint64)
				before := cpuTime(b)
				b.ResetTimer()
				for i, w := range r.workers {
					go func() {
						start := w.clock.Now()
						done <- w.closed(p, set.Recorder(i), start)
					}()
				}
				for range r.workers {
					<-done
				}
				b.StopTimer()
				// On a busy machine ns/op counts other programs too; this does not.
				b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N*threads), "cpu-ns/op")
			})
		}
	}
}

func cpuTime(b *testing.B) int64 {
	u, err := procstat.Read()
	if err != nil {
		b.Fatal(err)
	}
	return u.UserNs + u.SystemNs
}

func benchRig(b *testing.B, threads int) *renewal {
	s := Spec{Plan: result.PlanCell{Engine: "noop"}, Kind: KindOverhead, Params: overheadParams(), Dir: b.TempDir(), Seed: 1}
	s.Params.Workers = threads
	r, err := newRig(context.Background(), &s, lookupTest)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := r.engine.Close(); err != nil {
			b.Error(err)
		}
	})
	return r
}
