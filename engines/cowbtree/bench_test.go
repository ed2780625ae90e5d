package cowbtree_test

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
	"orbitbench/engines/cowbtree"
	"orbitbench/engines/lease"
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
func benchStore(b *testing.B, d engines.Durability, n int, config map[string]any) (engines.Engine, [][]byte, []engines.Version) {
	b.Helper()
	e, err := cowbtree.Driver{}.Open(context.Background(), engines.Options{Dir: b.TempDir() + "/store", Durability: d, Config: config})
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

// BenchmarkRenewProcess is one thread renewing at random under class process.
func BenchmarkRenewProcess(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000} {
		b.Run(benchName(n), func(b *testing.B) {
			e, keys, versions := benchStore(b, engines.Durability{Class: engines.Process}, n, nil)
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
}

func BenchmarkGet(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000} {
		b.Run(benchName(n), func(b *testing.B) {
			e, keys, _ := benchStore(b, engines.Durability{}, n, nil)
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
}

// BenchmarkRenewSync is the sync class at several numbers of writers.
func BenchmarkRenewSync(b *testing.B) {
	for _, writers := range []int{1, 8, 64, 256} {
		b.Run(fmt.Sprintf("%dw", writers), func(b *testing.B) {
			const n = 100_000
			e, keys, versions := benchStore(b, engines.Durability{Class: engines.Sync}, n, nil)
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

// BenchmarkRecovery opens a store of n leases in a checkpoint and n renewals in the log, warm.
func BenchmarkRecovery(b *testing.B) {
	const n = 1_000_000
	dir := b.TempDir() + "/store"
	o := engines.Options{Dir: dir, Durability: engines.Durability{Class: engines.Process}, Config: map[string]any{"checkpoint_log_bytes": -1, "checkpoint_on_close": false}}
	e, err := cowbtree.Driver{}.Open(context.Background(), o)
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
		if len(batch.Ops) == 2000 {
			if err := e.Apply(context.Background(), &batch); err != nil {
				b.Fatal(err)
			}
			batch.Reset()
		}
	}
	if err := e.(engines.Checkpointer).Checkpoint(context.Background()); err != nil {
		b.Fatal(err)
	}
	perm := rand.New(rand.NewPCG(1, 2)).Perm(n)
	for _, i := range perm {
		if _, err := e.(engines.LeaseRenewer).RenewLease(context.Background(), benchKey(i), 1, lease.Renewal{ExpiresAt: 1 << 60, Now: 2}); err != nil {
			b.Fatal(err)
		}
	}
	st := e.Stats()
	b.Logf("%d records, %.0f MB of tables", st.Records, float64(st.TableBytes)/1e6)
	if err := e.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		e, err := cowbtree.Driver{}.Open(context.Background(), o)
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
}

// BenchmarkFirstRead opens a store of n leases that was closed cleanly, and reads one.
func BenchmarkFirstRead(b *testing.B) {
	const n = 1_000_000
	dir := b.TempDir() + "/store"
	o := engines.Options{Dir: dir, Durability: engines.Durability{Class: engines.Process}}
	e, err := cowbtree.Driver{}.Open(context.Background(), o)
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
		if len(batch.Ops) == 2000 {
			if err := e.Apply(context.Background(), &batch); err != nil {
				b.Fatal(err)
			}
			batch.Reset()
		}
	}
	if err := e.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		e, err := cowbtree.Driver{}.Open(context.Background(), o)
		if err != nil {
			b.Fatal(err)
		}
		if _, _, err := e.Get(context.Background(), engines.Leases, benchKey(n/2), nil); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := e.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
