package mmapwal

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"orbitbench/engines"
	"orbitbench/engines/internal/enginebench"
	"orbitbench/engines/internal/vfs"
	"orbitbench/engines/lease"
)

// BenchmarkOpenKilled opens copies of a store without a checkpoint, as a kill leaves it behind
// a million puts, in batches, and a million renewals: until Open returns, and until a
// lease has been read. Each opens a copy that is on the device.
func BenchmarkOpenKilled(b *testing.B) {
	const n = 1_000_000
	dir := b.TempDir() + "/store"
	o := engines.Options{
		Dir: dir, Durability: engines.Durability{Class: engines.Process}, Logf: b.Logf,
		Config: map[string]any{"checkpoint_log_bytes": -1, "checkpoint_on_close": false},
	}
	e, err := open(context.Background(), vfs.OS, o)
	if err != nil {
		b.Fatal(err)
	}
	keys, versions := enginebench.Fill(b, e, n)
	for i, key := range keys {
		if _, err := e.RenewLease(context.Background(), key, versions[i], lease.Renewal{ExpiresAt: 1 << 60, Now: 2}); err != nil {
			b.Fatal(err)
		}
	}
	killed := b.TempDir() + "/killed"
	copyStore(b, dir, killed)
	if err := e.Close(); err != nil {
		b.Fatal(err)
	}
	b.Run("class=process/leases=1M", func(b *testing.B) { benchKilled(b, killed, keys[n/3], n, o) })
}

// copyStore copies a store, on to the device: else opening it would wait for that.
func copyStore(b *testing.B, from, to string) {
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		b.Fatal(err)
	}
	unix.Sync()
}

func benchKilled(b *testing.B, killed string, key []byte, n uint64, o engines.Options) {
	var opened, first time.Duration
	b.StopTimer()
	for range b.N {
		o.Dir = filepath.Join(b.TempDir(), "copy")
		copyStore(b, killed, o.Dir)
		b.StartTimer()
		begin := time.Now()
		e, err := open(context.Background(), vfs.OS, o)
		if err != nil {
			b.Fatal(err)
		}
		opened += time.Since(begin)
		if _, _, err := e.Get(context.Background(), engines.Leases, key, nil); err != nil {
			b.Fatal(err)
		}
		first += time.Since(begin)
		b.StopTimer()
		if st := e.Stats(); st.Records != n {
			b.Fatalf("%d records", st.Records)
		}
		if err := e.Close(); err != nil {
			b.Fatal(err)
		}
		if err := os.RemoveAll(o.Dir); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(opened)/float64(b.N), "open-ns")
	b.ReportMetric(float64(first)/float64(b.N), "first-read-ns")
}
