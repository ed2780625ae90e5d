package appendlog

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"orbitbench/engines"
	"orbitbench/engines/internal/vfs"
	"orbitbench/engines/lease"
)

// steadyFS is a disk on which a synchronous write of the log takes the same time every
// time: a sleep in the kernel, which is to the scheduler what waiting for a device is. It shows the
// engine's own cost of a commit where the real disk is shared with others.
type steadyFS struct{ vfs.FS }

func (s steadyFS) OpenFile(name string, flag vfs.Flag) (vfs.File, error) {
	f, err := s.FS.OpenFile(name, flag)
	if err != nil || flag&vfs.DSync == 0 {
		return f, err
	}
	return steadyFile{f}, nil
}

type steadyFile struct{ vfs.File }

func (f steadyFile) WriteAt(p []byte, _ int64) (int, error) {
	// Timer slack of up to 50 us and the wake-up come on top.
	t := unix.Timespec{Nsec: 60_000}
	for unix.Nanosleep(&t, &t) == unix.EINTR {
	}
	return len(p), nil
}

// BenchmarkRenewGroup measures renewals under class sync by several writers: the processor
// time of one, and how many there are in the time of one write.
func BenchmarkRenewGroup(b *testing.B) {
	const actors = 100_000
	e, err := open(context.Background(), steadyFS{vfs.OS}, engines.Options{
		Dir: b.TempDir() + "/store", Durability: engines.Durability{Class: engines.Sync},
		Config: map[string]any{"snapshot_log_bytes": int64(-1)}, Logf: b.Logf,
	})
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	keys, versions := fillLeases(b, e, actors)
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

// fillLeases puts n leases of about 196 bytes into e.
func fillLeases(b *testing.B, e *engine, n int) ([][]byte, []engines.Version) {
	keys, versions := make([][]byte, n), make([]engines.Version, n)
	l := lease.New("node-0001", 1, time.Hour, make([]byte, 119))
	value, err := l.AppendBinary(nil)
	if err != nil {
		b.Fatal(err)
	}
	var batch engines.Batch
	for i := range keys {
		var k lease.Key
		binary.LittleEndian.PutUint64(k.ActorID[:], uint64(i)*0x9e3779b97f4a7c15)
		binary.LittleEndian.PutUint64(k.ActorID[8:], uint64(i))
		k.ActorType = "bench.worker"
		keys[i] = k.AppendKey(nil)
		batch.Put(engines.Leases, keys[i], value)
		if len(batch.Ops) == 2000 || i == n-1 {
			if err := e.Apply(context.Background(), &batch); err != nil {
				b.Fatal(err)
			}
			for j := range batch.Ops {
				versions[i-len(batch.Ops)+1+j] = batch.Ops[j].Assigned
			}
			batch.Reset()
		}
	}
	return keys, versions
}
