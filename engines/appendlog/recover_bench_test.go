package appendlog

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"orbitbench/engines"
	"orbitbench/engines/internal/enginebench"
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
			keys, versions := enginebench.Fill(b, e, n)
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
			var t openTimes
			for b.Loop() {
				t.open(b, o, keys[n/3], n)
				b.StartTimer()
			}
			t.report(b)
		})
	}
}

// openTimes are what opens of a store took, summed: until it was open, until the first
// read, until all was loaded.
type openTimes struct{ opened, first, loaded time.Duration }

// open opens a store of n records, reads key, loads all and closes it. The benchmark's timer
// runs when it is called and stands when it returns.
func (t *openTimes) open(b *testing.B, o engines.Options, key []byte, n uint64) {
	begin := time.Now()
	e, err := open(context.Background(), vfs.OS, o)
	if err != nil {
		b.Fatal(err)
	}
	t.opened += time.Since(begin)
	if _, _, err := e.Get(context.Background(), engines.Leases, key, nil); err != nil {
		b.Fatal(err)
	}
	t.first += time.Since(begin)
	if err := e.index.LoadAll(context.Background()); err != nil {
		b.Fatal(err)
	}
	t.loaded += time.Since(begin)
	b.StopTimer()
	if st := e.Stats(); st.Records != n {
		b.Fatalf("%d records, want %d", st.Records, n)
	}
	if err := e.Close(); err != nil {
		b.Fatal(err)
	}
}

func (t *openTimes) report(b *testing.B) {
	for unit, d := range map[string]time.Duration{"open-ms": t.opened, "first-ms": t.first, "loaded-ms": t.loaded} {
		b.ReportMetric(float64(d.Microseconds())/1e3/float64(b.N), unit)
	}
}
