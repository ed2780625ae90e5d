package actorstore_test

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
	"orbitbench/engines/actorstore"
	"orbitbench/engines/lease"
	"orbitbench/engines/pebble"
)

// The record of the speed targets: a 28-byte key and about 196 bytes in all.
func benchKey(i int) []byte {
	var k lease.Key
	binary.LittleEndian.PutUint64(k.ActorID[:], uint64(i)*0x9e3779b97f4a7c15)
	binary.LittleEndian.PutUint64(k.ActorID[8:], uint64(i))
	k.ActorType = "bench.worker"
	return k.AppendKey(nil)
}

func benchValue(b *testing.B) []byte {
	l := lease.New("node-0001", 1, time.Hour, make([]byte, 119))
	value, err := l.AppendBinary(nil)
	if err != nil {
		b.Fatal(err)
	}
	return value
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
	value := benchValue(b)
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

var benchSizes = []int{100_000, 1_000_000}

// renew renews leases at random on one thread.
func renew(b *testing.B, driver engines.Driver, d engines.Durability, n int) {
	e, keys, versions := benchStore(b, driver, d, n, nil)
	rng := rand.New(rand.NewPCG(1, 2))
	ctx := context.Background()
	r := lease.Renewal{ExpiresAt: 1 << 60, Now: 2}
	renewer, native := e.(engines.LeaseRenewer)
	var batch engines.Batch
	b.ReportAllocs()
	defer cpuTimer(b)()
	for range b.N {
		i := rng.IntN(n)
		if native {
			v, err := renewer.RenewLease(ctx, keys[i], versions[i], r)
			if err != nil {
				b.Fatal(err)
			}
			versions[i] = v
			continue
		}
		batch.Reset()
		batch.Require(engines.Leases, keys[i], versions[i])
		batch.Renew(keys[i], r)
		if err := e.Apply(ctx, &batch); err != nil {
			b.Fatal(err)
		}
		versions[i] = batch.Ops[0].Assigned
	}
}

// BenchmarkRenewInterval is one thread renewing at random with a window of 10 ms.
// Its yardsticks in the same run are BenchmarkShardedMap and BenchmarkRenewIntervalPebble.
func BenchmarkRenewInterval(b *testing.B) {
	for _, n := range benchSizes {
		b.Run(benchName(n), func(b *testing.B) {
			renew(b, actorstore.Driver{}, engines.Durability{Class: engines.Interval, Window: 10 * time.Millisecond}, n)
		})
	}
}

func BenchmarkRenewIntervalPebble(b *testing.B) {
	for _, n := range benchSizes {
		b.Run(benchName(n), func(b *testing.B) {
			renew(b, pebble.Driver{}, engines.Durability{Class: engines.Interval, Window: 10 * time.Millisecond}, n)
		})
	}
}

// BenchmarkRenewProcess logs each renewal.
func BenchmarkRenewProcess(b *testing.B) {
	for _, n := range benchSizes {
		b.Run(benchName(n), func(b *testing.B) {
			renew(b, actorstore.Driver{}, engines.Durability{Class: engines.Process}, n)
		})
	}
}

func BenchmarkGet(b *testing.B) {
	for _, n := range benchSizes {
		b.Run(benchName(n), func(b *testing.B) {
			e, keys, _ := benchStore(b, actorstore.Driver{}, engines.Durability{}, n, nil)
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

// BenchmarkShardedMap is the yardstick: a 256-shard Go map doing the same renewal without any log.
func BenchmarkShardedMap(b *testing.B) {
	type entry struct {
		version engines.Version
		value   []byte
	}
	type shard struct {
		mu sync.Mutex
		m  map[string]*entry
	}
	for _, n := range benchSizes {
		b.Run(benchName(n), func(b *testing.B) {
			shards := make([]shard, 256)
			keys := make([][]byte, n)
			value := benchValue(b)
			for i := range keys {
				keys[i] = benchKey(i)
				s := &shards[keys[i][3]]
				if s.m == nil {
					s.m = map[string]*entry{}
				}
				s.m[string(keys[i])] = &entry{1, append([]byte(nil), value...)}
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
	e, err := actorstore.Driver{}.Open(context.Background(), o)
	if err != nil {
		b.Fatal(err)
	}
	value := benchValue(b)
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
	for _, i := range rand.New(rand.NewPCG(1, 2)).Perm(n) {
		if _, err := e.(engines.LeaseRenewer).RenewLease(context.Background(), benchKey(i), 1, lease.Renewal{ExpiresAt: 1 << 60, Now: 2}); err != nil {
			b.Fatal(err)
		}
	}
	st := e.Stats()
	b.ReportMetric(float64(st.TableBytes)/1e6, "table-MB")
	if err := e.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		e, err := actorstore.Driver{}.Open(context.Background(), o)
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

// BenchmarkFirstLease is the time from Open to the first lease after a clean close.
func BenchmarkFirstLease(b *testing.B) {
	for _, n := range benchSizes {
		b.Run(benchName(n), func(b *testing.B) {
			ctx := context.Background()
			o := engines.Options{Dir: b.TempDir() + "/store", Durability: engines.Durability{Class: engines.Process}}
			e, err := actorstore.Driver{}.Open(ctx, o)
			if err != nil {
				b.Fatal(err)
			}
			value := benchValue(b)
			var batch engines.Batch
			for i := range n {
				batch.Put(engines.Leases, benchKey(i), value)
				if len(batch.Ops) == 2000 || i == n-1 {
					if err := e.Apply(ctx, &batch); err != nil {
						b.Fatal(err)
					}
					batch.Reset()
				}
			}
			if err := e.Close(); err != nil {
				b.Fatal(err)
			}
			rng := rand.New(rand.NewPCG(1, 2))
			for b.Loop() {
				e, err := actorstore.Driver{}.Open(ctx, o)
				if err != nil {
					b.Fatal(err)
				}
				if _, _, err := e.Get(ctx, engines.Leases, benchKey(rng.IntN(n)), nil); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				if err := e.Close(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
	}
}
