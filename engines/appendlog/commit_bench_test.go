package appendlog

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"orbitbench/engines"
	"orbitbench/engines/internal/enginebench"
	"orbitbench/engines/internal/vfs"
	"orbitbench/engines/lease"
)

// BenchmarkRenewGroup measures renewals under class sync by several writers: the processor
// time of one, and how many there are in the time of one write.
func BenchmarkRenewGroup(b *testing.B) {
	const actors = 100_000
	e, err := open(context.Background(), enginebench.SteadyFS(vfs.OS), engines.Options{
		Dir: b.TempDir() + "/store", Durability: engines.Durability{Class: engines.Sync},
		Config: map[string]any{"snapshot_log_bytes": int64(-1)}, Logf: b.Logf,
	})
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	keys, versions := enginebench.Fill(b, e, actors)
	for _, writers := range []int{1, 8, 64, 256} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			var ready, wg sync.WaitGroup
			start := make(chan struct{})
			for w := range writers {
				n := b.N / writers
				if w < b.N%writers {
					n++
				}
				ready.Add(1)
				wg.Go(func() {
					ready.Done()
					<-start
					rng := rand.New(rand.NewPCG(uint64(w), 2))
					r := lease.Renewal{ExpiresAt: 1 << 60, Now: 2}
					for range n {
						i := rng.IntN(actors/writers)*writers + w
						v, err := e.RenewLease(context.Background(), keys[i], versions[i], r)
						if err != nil {
							b.Error(err)
							return
						}
						versions[i] = v
					}
				})
			}
			ready.Wait()
			b.ReportAllocs()
			before, flushes, used := time.Now(), e.log.Stats().Flushes, processTime(b)
			b.ResetTimer()
			close(start)
			wg.Wait()
			b.StopTimer()
			b.ReportMetric(float64(processTime(b)-used)/float64(b.N), "cpu-ns/op")
			took := time.Since(before)
			flushes = e.log.Stats().Flushes - flushes
			b.ReportMetric(float64(flushes)/float64(b.N)*float64(writers), "flushes*writers/op")
			b.ReportMetric(float64(took-time.Duration(flushes)*e.log.Stats().MeanSync)/float64(b.N), "gap-ns/op")
		})
	}
}

func processTime(b *testing.B) int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &ts); err != nil {
		b.Fatal(err)
	}
	return ts.Nano()
}
