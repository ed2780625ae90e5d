package mmapwal_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"orbitbench/engines"
	"orbitbench/engines/appendlog"
	"orbitbench/engines/lease"
	"orbitbench/engines/mmapwal"
)

// The record of the speed targets: a 28-byte key and about 196 bytes in all.
func benchKey(i int) []byte {
	var k lease.Key
	binary.LittleEndian.PutUint64(k.ActorID[:], uint64(i)*0x9e3779b97f4a7c15)
	binary.LittleEndian.PutUint64(k.ActorID[8:], uint64(i))
	k.ActorType = "bench.worker"
	return k.AppendKey(nil)
}

// benchStore opens a store and fills it with n leases.
func benchStore(b *testing.B, driver engines.Driver, d engines.Durability, n int, config map[string]any) (engines.Engine, [][]byte, []engines.Version) {
	b.Helper()
	e, err := driver.Open(context.Background(), engines.Options{Dir: b.TempDir() + "/store", Durability: d, Config: config})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := e.Close(); err != nil {
			b.Error(err)
		}
	})
	keys, versions := make([][]byte, n), make([]engines.Version, n)
	l := lease.New("node-0001", 1, time.Hour, make([]byte, 119))
	value, err := l.AppendBinary(nil)
	if err != nil {
		b.Fatal(err)
	}
	var batch engines.Batch
	for i := range keys {
		keys[i] = benchKey(i)
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
	return e, keys, versions
}

// cpuTimer measures what the thread has used, which other programs on the
// machine disturb less than the time on the wall.
func cpuTimer(b *testing.B) (report func()) {
	runtime.LockOSThread()
	used := func() int64 {
		var ts unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
			b.Fatal(err)
		}
		return ts.Nano()
	}
	begin := used()
	b.ResetTimer()
	return func() {
		b.ReportMetric(float64(used()-begin)/float64(b.N), "cpu-ns/op")
		runtime.UnlockOSThread()
	}
}

func benchName(n int) string {
	if n >= 1e6 {
		return fmt.Sprintf("%dM", n/1e6)
	}
	return fmt.Sprintf("%dk", n/1e3)
}

// peers are this engine and the in-house one to compare it with.
var peers = []engines.Driver{mmapwal.Driver{}, appendlog.Driver{}}

// eachPeer runs f for each peer and number of leases.
func eachPeer(b *testing.B, sizes []int, f func(b *testing.B, d engines.Driver, n int)) {
	for _, n := range sizes {
		for _, d := range peers {
			b.Run(d.Info().Name+"/"+benchName(n), func(b *testing.B) { f(b, d, n) })
		}
	}
}

// BenchmarkRenewProcess is one thread renewing at random under class process.
func BenchmarkRenewProcess(b *testing.B) {
	eachPeer(b, []int{100_000, 1_000_000}, func(b *testing.B, d engines.Driver, n int) {
		e, keys, versions := benchStore(b, d, engines.Durability{Class: engines.Process}, n, nil)
		rng := rand.New(rand.NewPCG(1, 2))
		renewer := e.(engines.LeaseRenewer)
		ctx := context.Background()
		r := lease.Renewal{ExpiresAt: 1 << 60, Now: 2}
		b.ReportAllocs()
		defer cpuTimer(b)()
		for range b.N {
			i := rng.IntN(n)
			v, err := renewer.RenewLease(ctx, keys[i], versions[i], r)
			if err != nil {
				b.Fatal(err)
			}
			versions[i] = v
		}
	})
}

// BenchmarkGet is one thread reading at random.
func BenchmarkGet(b *testing.B) {
	eachPeer(b, []int{100_000, 1_000_000}, func(b *testing.B, d engines.Driver, n int) {
		e, keys, _ := benchStore(b, d, engines.Durability{}, n, nil)
		rng := rand.New(rand.NewPCG(1, 2))
		ctx := context.Background()
		buf := make([]byte, 0, 256)
		b.ReportAllocs()
		defer cpuTimer(b)()
		for range b.N {
			if _, _, err := e.Get(ctx, engines.Leases, keys[rng.IntN(n)], buf); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkRenewSync is the sync class at several numbers of writers.
func BenchmarkRenewSync(b *testing.B) {
	for _, writers := range []int{1, 8, 64, 256} {
		b.Run(fmt.Sprintf("%dw", writers), func(b *testing.B) {
			const n = 100_000
			e, keys, versions := benchStore(b, mmapwal.Driver{}, engines.Durability{Class: engines.Sync}, n, nil)
			renewer := e.(engines.LeaseRenewer)
			ctx := context.Background()
			r := lease.Renewal{ExpiresAt: 1 << 60, Now: 2}
			b.ResetTimer()
			var wg sync.WaitGroup
			for w := range writers {
				wg.Go(func() {
					for i := w; i < b.N; i += writers {
						k := i%(n/writers)*writers + w
						v, err := renewer.RenewLease(ctx, keys[k], versions[k], r)
						if err != nil {
							b.Error(err)
							return
						}
						versions[k] = v
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(e.Stats().Flushes)/float64(b.N), "flushes/op")
		})
	}
}

// BenchmarkShardedMap is the yardstick of the process class: a 256-shard Go
// map doing the same renewal without any log.
func BenchmarkShardedMap(b *testing.B) {
	type entry struct {
		version engines.Version
		value   []byte
	}
	type shard struct {
		mu sync.Mutex
		m  map[string]*entry
	}
	for _, n := range []int{100_000, 1_000_000} {
		b.Run(benchName(n), func(b *testing.B) {
			shards := make([]shard, 256)
			keys := make([][]byte, n)
			l := lease.New("node-0001", 1, time.Hour, make([]byte, 119))
			for i := range keys {
				keys[i] = benchKey(i)
				s := &shards[keys[i][3]]
				if s.m == nil {
					s.m = map[string]*entry{}
				}
				value, err := l.AppendBinary(nil)
				if err != nil {
					b.Fatal(err)
				}
				s.m[string(keys[i])] = &entry{1, value}
			}
			rng := rand.New(rand.NewPCG(1, 2))
			r := lease.Renewal{ExpiresAt: 1 << 60, Now: 2}
			defer cpuTimer(b)()
			for range b.N {
				k := keys[rng.IntN(n)]
				s := &shards[k[3]]
				s.mu.Lock()
				e := s.m[string(k)]
				if err := r.Patch(e.value); err != nil {
					b.Fatal(err)
				}
				e.version++
				s.mu.Unlock()
			}
		})
	}
}

// recoveryStore makes a closed store of n leases with n renewals behind its last explicit checkpoint.
func recoveryStore(b *testing.B, d engines.Driver, n int, config map[string]any) engines.Options {
	b.Helper()
	o := engines.Options{Dir: b.TempDir() + "/store", Durability: engines.Durability{Class: engines.Process}, Config: config}
	e, err := d.Open(context.Background(), o)
	if err != nil {
		b.Fatal(err)
	}
	l := lease.New("node-0001", 1, time.Hour, make([]byte, 119))
	value, err := l.AppendBinary(nil)
	if err != nil {
		b.Fatal(err)
	}
	var batch engines.Batch
	for i := range n {
		batch.Put(engines.Leases, benchKey(i), value)
		if len(batch.Ops) == 2000 || i == n-1 {
			if err := e.Apply(context.Background(), &batch); err != nil {
				b.Fatal(err)
			}
			batch.Reset()
		}
	}
	if err := e.(engines.Checkpointer).Checkpoint(context.Background()); err != nil {
		b.Fatal(err)
	}
	for _, i := range rand.New(rand.NewPCG(1, 2)).Perm(n) {
		if _, err := e.(engines.LeaseRenewer).RenewLease(context.Background(), benchKey(i), 1, lease.Renewal{ExpiresAt: 1 << 60, Now: 2}); err != nil {
			b.Fatal(err)
		}
	}
	if err := e.Close(); err != nil {
		b.Fatal(err)
	}
	return o
}

// BenchmarkRecovery opens a store with a million renewals to replay, warm.
func BenchmarkRecovery(b *testing.B) {
	const n = 1_000_000
	for _, p := range []struct {
		d      engines.Driver
		config map[string]any
	}{
		{mmapwal.Driver{}, map[string]any{"checkpoint_log_bytes": -1, "checkpoint_on_close": false}},
		{appendlog.Driver{}, map[string]any{"snapshot_log_bytes": -1, "snapshot_on_close": false}},
	} {
		b.Run(p.d.Info().Name, func(b *testing.B) {
			o := recoveryStore(b, p.d, n, p.config)
			for b.Loop() {
				e, err := p.d.Open(context.Background(), o)
				if err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				if st := e.Stats(); st.Records != n || st.ReplayedRecords < n {
					b.Fatalf("%d records, %d replayed", st.Records, st.ReplayedRecords)
				}
				if err := e.Close(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
	}
}

// BenchmarkFirstRead opens a store that was closed cleanly and reads one lease.
func BenchmarkFirstRead(b *testing.B) {
	for _, n := range []int{10_000, 1_000_000} {
		b.Run(benchName(n), func(b *testing.B) {
			d := mmapwal.Driver{}
			o := recoveryStore(b, d, n, map[string]any{"checkpoint_share": 1})
			for b.Loop() {
				e, err := d.Open(context.Background(), o)
				if err != nil {
					b.Fatal(err)
				}
				if _, _, err := e.Get(context.Background(), engines.Leases, benchKey(n/2), nil); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				if st := e.Stats(); st.ReplayedRecords != 0 {
					b.Fatalf("%d records replayed", st.ReplayedRecords)
				}
				if err := e.Close(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
	}
}
