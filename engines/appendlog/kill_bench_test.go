package appendlog

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"orbitbench/engines"
	"orbitbench/engines/internal/enginebench"
	"orbitbench/engines/internal/vfs"
	"orbitbench/engines/lease"
)

// BenchmarkOpenKilled opens copies of a store without a snapshot, as a kill leaves it behind
// a million puts, in batches, and a million renewals: until Open returns, until the
// first lease has been read, and until all records are in memory. Each opens a copy that is on the device. See
// BenchmarkFirstTouch of package arena for what a fresh process adds.
func BenchmarkOpenKilled(b *testing.B) {
	const n = 1_000_000
	dir := b.TempDir() + "/store"
	o := engines.Options{
		Dir: dir, Durability: engines.Durability{Class: engines.Process}, Logf: b.Logf,
		Config: map[string]any{"snapshot_log_bytes": -1, "snapshot_on_close": false},
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
	b.Run("class=process/leases=1M", func(b *testing.B) { benchRecovery(b, killed, keys[n/3], n, o) })
}

// copyStore copies a store, on to the device: else opening it would wait for that.
func copyStore(b *testing.B, from, to string) {
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		b.Fatal(err)
	}
	unix.Sync()
}

func benchRecovery(b *testing.B, killed string, key []byte, n uint64, o engines.Options) {
	var t openTimes
	b.StopTimer()
	for range b.N {
		o.Dir = filepath.Join(b.TempDir(), "copy")
		copyStore(b, killed, o.Dir)
		b.StartTimer()
		t.open(b, o, key, n)
		if err := os.RemoveAll(o.Dir); err != nil {
			b.Fatal(err)
		}
	}
	t.report(b)
}
