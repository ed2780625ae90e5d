//go:build rocksdb && cgo

package rocksdb

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"orbitbench/engines"
	"orbitbench/engines/lease"
)

// BenchmarkRenew renews leases of their own keys from 2, 8 and 64 writers on two cores.
func BenchmarkRenew(b *testing.B) {
	for _, c := range []struct{ durability, commit string }{
		{"none", commitSyncWAL}, {"process", commitSyncWAL}, {"sync", commitSyncWAL}, {"sync", commitWriteSync},
	} {
		for _, writers := range []int{2, 8, 64} {
			b.Run(fmt.Sprintf("durability=%s/commit=%s/writers=%d", c.durability, c.commit, writers), func(b *testing.B) {
				d, err := engines.ParseDurability(c.durability)
				if err != nil {
					b.Fatal(err)
				}
				benchmarkRenew(b, engines.Options{Dir: b.TempDir(), Durability: d, Config: map[string]any{"commit": c.commit}}, writers)
			})
		}
	}
}

func benchmarkRenew(b *testing.B, o engines.Options, writers int) {
	ctx := context.Background()
	e, err := Driver{}.Open(ctx, o)
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := e.Close(); err != nil {
			b.Error(err)
		}
	}()
	l := lease.New("node", 0, time.Hour, make([]byte, 150))
	value, err := l.AppendBinary(nil)
	if err != nil {
		b.Fatal(err)
	}
	var worker atomic.Int32
	b.SetParallelism(max(1, writers/runtime.GOMAXPROCS(0)))
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		key := fmt.Appendf(nil, "actor-%02d", worker.Add(1))
		var put engines.Batch
		put.Put(engines.Leases, key, value)
		if err := e.Apply(ctx, &put); err != nil {
			b.Error(err)
			return
		}
		v := put.Ops[0].Assigned
		for pb.Next() {
			var err error
			if v, err = e.(engines.LeaseRenewer).RenewLease(ctx, key, v, lease.Renewal{ExpiresAt: 1 << 60, Now: 1}); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.StopTimer()
	if s := e.Stats(); s.Flushes > 0 {
		b.ReportMetric(float64(s.Flushes)/float64(s.Commits), "syncs/op")
	}
}
