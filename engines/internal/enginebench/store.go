package enginebench

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"orbitbench/engines"
	"orbitbench/engines/lease"
)

var renewal = lease.Renewal{ExpiresAt: 1 << 60, Now: 2}

func key(i int) []byte {
	var k lease.Key
	binary.LittleEndian.PutUint64(k.ActorID[:], uint64(i)*0x9e3779b97f4a7c15)
	binary.LittleEndian.PutUint64(k.ActorID[8:], uint64(i))
	k.ActorType = "bench.worker"
	return k.AppendKey(nil)
}

func value(b *testing.B) []byte {
	l := lease.New("node-0001", 1, time.Hour, make([]byte, 119))
	value, err := l.AppendBinary(nil)
	if err != nil {
		b.Fatal(err)
	}
	return value
}

// Fill puts n leases into e and returns their keys and versions.
func Fill(b *testing.B, e engines.Engine, n int) ([][]byte, []engines.Version) {
	b.Helper()
	keys, versions := make([][]byte, n), make([]engines.Version, n)
	value := value(b)
	var batch engines.Batch
	for i := range keys {
		keys[i] = key(i)
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

// store opens a store that lasts as long as the benchmark and fills it with n leases.
func store(b *testing.B, driver engines.Driver, d engines.Durability, n int) (engines.Engine, [][]byte, []engines.Version) {
	b.Helper()
	e := open(b, driver, engines.Options{Dir: b.TempDir() + "/store", Durability: d})
	b.Cleanup(func() { mustClose(b, e) })
	keys, versions := Fill(b, e, n)
	return e, keys, versions
}

// renewedStore makes a closed store of n leases whose log holds n renewals behind a
// checkpoint, unless Close takes one more, and returns how to open it and the keys.
func renewedStore(b *testing.B, driver engines.Driver, n int, config map[string]any) (engines.Options, [][]byte) {
	b.Helper()
	o := engines.Options{Dir: b.TempDir() + "/store", Durability: engines.Durability{Class: engines.Process}, Config: config}
	e := open(b, driver, o)
	keys, versions := Fill(b, e, n)
	if err := e.(engines.Checkpointer).Checkpoint(context.Background()); err != nil {
		b.Fatal(err)
	}
	for _, i := range rand.New(rand.NewPCG(1, 2)).Perm(n) {
		if _, err := e.(engines.LeaseRenewer).RenewLease(context.Background(), keys[i], versions[i], renewal); err != nil {
			b.Fatal(err)
		}
	}
	st := e.Stats()
	b.Logf("%d records, %.0f MB of tables", st.Records, float64(st.TableBytes)/1e6)
	mustClose(b, e)
	return o, keys
}

func open(b *testing.B, driver engines.Driver, o engines.Options) engines.Engine {
	b.Helper()
	e, err := driver.Open(context.Background(), o)
	if err != nil {
		b.Fatal(err)
	}
	return e
}

func mustClose(b *testing.B, e engines.Engine) {
	b.Helper()
	if err := e.Close(); err != nil {
		b.Fatal(err)
	}
}

// cpuTimer measures what the thread has used.
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

var sizes = []int{100_000, 1_000_000}

func name(n int) string {
	if n >= 1e6 {
		return fmt.Sprintf("%dM", n/1e6)
	}
	return fmt.Sprintf("%dk", n/1e3)
}

// each runs f for each number of leases and engine; one that is alone is not named.
func each(b *testing.B, drivers []engines.Driver, sizes []int, f func(b *testing.B, d engines.Driver, n int)) {
	for _, n := range sizes {
		for _, d := range drivers {
			at := name(n)
			if len(drivers) > 1 {
				at = d.Info().Name + "/" + at
			}
			b.Run(at, func(b *testing.B) { f(b, d, n) })
		}
	}
}
