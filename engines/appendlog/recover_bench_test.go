package appendlog

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"orbitbench/engines"
	"orbitbench/engines/internal/vfs"
	"orbitbench/engines/lease"
)

// BenchmarkOpen opens a store of a million leases, warm, as it is after Close, and after a
// kill with a million renewals behind the snapshot: until Open returns, until the first
// lease has been read, and until all records are in memory.
func BenchmarkOpen(b *testing.B) {
	const n = 1_000_000
	for _, clean := range []bool{true, false} {
		name := map[bool]string{true: "closed", false: "renewed"}[clean]
		b.Run(name, func(b *testing.B) {
			dir := b.TempDir() + "/store"
			o := engines.Options{
				Dir: dir, Durability: engines.Durability{Class: engines.Sync}, Logf: b.Logf,
				Config: map[string]any{"snapshot_log_bytes": -1, "snapshot_on_close": false},
			}
			fill := o
			fill.Durability.Class = engines.Process
			e, err := open(context.Background(), vfs.OS, fill)
			if err != nil {
				b.Fatal(err)
			}
			keys, versions := fillLeases(b, e, n)
			if err := e.Checkpoint(context.Background()); err != nil {
				b.Fatal(err)
			}
			if !clean {
				for _, i := range rand.New(rand.NewPCG(1, 2)).Perm(n) {
					if _, err := e.RenewLease(context.Background(), keys[i], versions[i], lease.Renewal{ExpiresAt: 1 << 60, Now: 2}); err != nil {
						b.Fatal(err)
					}
				}
			}
			if err := e.Close(); err != nil {
				b.Fatal(err)
			}
			var opened, first, loaded time.Duration
			for b.Loop() {
				begin := time.Now()
				e, err := open(context.Background(), vfs.OS, o)
				if err != nil {
					b.Fatal(err)
				}
				opened += time.Since(begin)
				if _, _, err := e.Get(context.Background(), engines.Leases, keys[n/3], nil); err != nil {
					b.Fatal(err)
				}
				first += time.Since(begin)
				if err := e.index.LoadAll(context.Background()); err != nil {
					b.Fatal(err)
				}
				loaded += time.Since(begin)
				b.StopTimer()
				if st := e.Stats(); st.Records != n {
					b.Fatalf("%d records, want %d", st.Records, n)
				}
				if err := e.Close(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
			b.ReportMetric(float64(opened.Microseconds())/1e3/float64(b.N), "open-ms")
			b.ReportMetric(float64(first.Microseconds())/1e3/float64(b.N), "first-ms")
			b.ReportMetric(float64(loaded.Microseconds())/1e3/float64(b.N), "loaded-ms")
		})
	}
}
