package enginebench

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"orbitbench/engines"
)

// Renew renews leases at random on one thread, with a batch if the engine has no shorter way.
func Renew(b *testing.B, d engines.Durability, drivers ...engines.Driver) {
	each(b, drivers, sizes, func(b *testing.B, driver engines.Driver, n int) {
		e, keys, versions := store(b, driver, d, n)
		rng := rand.New(rand.NewPCG(1, 2))
		ctx := context.Background()
		renewer, native := e.(engines.LeaseRenewer)
		var batch engines.Batch
		b.ReportAllocs()
		defer cpuTimer(b)()
		for range b.N {
			i := rng.IntN(n)
			if native {
				v, err := renewer.RenewLease(ctx, keys[i], versions[i], renewal)
				if err != nil {
					b.Fatal(err)
				}
				versions[i] = v
				continue
			}
			batch.Reset()
			batch.Require(engines.Leases, keys[i], versions[i])
			batch.Renew(keys[i], renewal)
			if err := e.Apply(ctx, &batch); err != nil {
				b.Fatal(err)
			}
			versions[i] = batch.Ops[0].Assigned
		}
	})
}

// Rewrite renews leases at random on one thread by putting the whole record under a condition.
func Rewrite(b *testing.B, d engines.Durability, drivers ...engines.Driver) {
	each(b, drivers, sizes, func(b *testing.B, driver engines.Driver, n int) {
		e, keys, versions := store(b, driver, d, n)
		rng := rand.New(rand.NewPCG(1, 2))
		ctx := context.Background()
		value := value(b)
		var batch engines.Batch
		b.ReportAllocs()
		defer cpuTimer(b)()
		for range b.N {
			i := rng.IntN(n)
			batch.Reset()
			batch.Require(engines.Leases, keys[i], versions[i])
			batch.Put(engines.Leases, keys[i], value)
			if err := e.Apply(ctx, &batch); err != nil {
				b.Fatal(err)
			}
			versions[i] = batch.Ops[0].Assigned
		}
	})
}

// Get reads leases at random on one thread.
func Get(b *testing.B, drivers ...engines.Driver) {
	each(b, drivers, sizes, func(b *testing.B, driver engines.Driver, n int) {
		e, keys, _ := store(b, driver, engines.Durability{}, n)
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

// RenewSync is the sync class at several numbers of writers.
func RenewSync(b *testing.B, driver engines.Driver) {
	for _, writers := range []int{1, 8, 64, 256} {
		b.Run(fmt.Sprintf("%dw", writers), func(b *testing.B) {
			const n = 100_000
			e, keys, versions := store(b, driver, engines.Durability{Class: engines.Sync}, n)
			renewer := e.(engines.LeaseRenewer)
			ctx := context.Background()
			b.ResetTimer()
			var wg sync.WaitGroup
			for w := range writers {
				wg.Go(func() {
					for i := w; i < b.N; i += writers {
						k := i%(n/writers)*writers + w
						v, err := renewer.RenewLease(ctx, keys[k], versions[k], renewal)
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

// ShardedMap is the yardstick of the process class: a Go map of 256 shards in which one
// thread does the same renewals without any log.
func ShardedMap(b *testing.B) {
	type entry struct {
		version engines.Version
		value   []byte
	}
	type shard struct {
		mu sync.Mutex
		m  map[string]*entry
	}
	for _, n := range sizes {
		b.Run(name(n), func(b *testing.B) {
			shards := make([]shard, 256)
			keys := make([][]byte, n)
			value := value(b)
			for i := range keys {
				keys[i] = key(i)
				s := &shards[keys[i][3]]
				if s.m == nil {
					s.m = map[string]*entry{}
				}
				s.m[string(keys[i])] = &entry{1, bytes.Clone(value)}
			}
			rng := rand.New(rand.NewPCG(1, 2))
			defer cpuTimer(b)()
			for range b.N {
				k := keys[rng.IntN(n)]
				s := &shards[k[3]]
				s.mu.Lock()
				e := s.m[string(k)]
				if err := renewal.Patch(e.value); err != nil {
					b.Fatal(err)
				}
				e.version++
				s.mu.Unlock()
			}
		})
	}
}

// Recovery opens a store of a million leases and as many renewals in the log, warm. With
// config no checkpoint is taken but those called for.
func Recovery(b *testing.B, driver engines.Driver, config map[string]any) {
	const n = 1_000_000
	o, _ := renewedStore(b, driver, n, config)
	for b.Loop() {
		e := open(b, driver, o)
		b.StopTimer()
		if st := e.Stats(); st.Records != n || st.ReplayedRecords < n {
			b.Fatalf("%d records, %d replayed", st.Records, st.ReplayedRecords)
		}
		mustClose(b, e)
		b.StartTimer()
	}
}

// FirstRead opens a store that was closed cleanly, with nothing to replay, and reads one
// lease at random. With config Close takes a checkpoint.
func FirstRead(b *testing.B, driver engines.Driver, config map[string]any, sizes ...int) {
	each(b, []engines.Driver{driver}, sizes, func(b *testing.B, driver engines.Driver, n int) {
		o, keys := renewedStore(b, driver, n, config)
		rng := rand.New(rand.NewPCG(1, 2))
		for b.Loop() {
			e := open(b, driver, o)
			if _, _, err := e.Get(context.Background(), engines.Leases, keys[rng.IntN(n)], nil); err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			if st := e.Stats(); st.ReplayedRecords != 0 {
				b.Fatalf("%d records replayed", st.ReplayedRecords)
			}
			mustClose(b, e)
			b.StartTimer()
		}
	})
}
