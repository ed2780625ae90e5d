package wal

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orbitbench/engines"
	"orbitbench/engines/internal/enginebench"
	"orbitbench/engines/internal/vfs"
)

// benchDir returns a directory on the disk to be measured: $WAL_BENCH_DIR or the
// test's own.
func benchDir(b *testing.B) string {
	if d := os.Getenv("WAL_BENCH_DIR"); d != "" {
		d, err := os.MkdirTemp(d, "wal-bench-")
		require.NoError(b, err)
		b.Cleanup(func() { require.NoError(b, os.RemoveAll(d)) })
		return d
	}
	return b.TempDir()
}

// sample is what one side did in a turn: latencies in ns and time spent.
type sample struct {
	lat  []int64
	took time.Duration
}

// ratios collects a ratio of each round; other work on the machine hits some rounds
// and not others, so their median says more than the ratio of sums.
type ratios struct{ p50, p99, ideal []float64 }

func (r *ratios) add(log, floor *sample, writers int) {
	r.p50 = append(r.p50, log.q(.5)/floor.q(.5))
	r.p99 = append(r.p99, log.q(.99)/floor.q(.99))
	r.ideal = append(r.ideal, log.rate()/floor.rate()/float64(writers))
}

func median(x []float64) float64 {
	x = slices.Sorted(slices.Values(x))
	return x[len(x)/2]
}

func (s *sample) q(p float64) float64 {
	if len(s.lat) == 0 {
		return 0
	}
	slices.Sort(s.lat)
	return float64(s.lat[int(p*float64(len(s.lat)-1))])
}

func (s *sample) rate() float64 { return float64(len(s.lat)) / s.took.Seconds() }

// commitFor has n writers append and wait for d and adds their latencies to s.
func commitFor(b *testing.B, l *Log, n int, d time.Duration, record []byte, s *sample) {
	var wg sync.WaitGroup
	lats := make([][]int64, n)
	begin := time.Now()
	for w := range n {
		lats[w] = make([]int64, 0, 1<<14)
		wg.Go(func() {
			last := time.Now()
			for last.Sub(begin) < d {
				lsn, err := l.Append(1, record)
				if err == nil {
					err = l.Wait(lsn)
				}
				if err != nil {
					b.Error(err)
					return
				}
				now := time.Now()
				lats[w] = append(lats[w], int64(now.Sub(last)))
				last = now
			}
		})
	}
	wg.Wait()
	s.took += time.Since(begin)
	for _, x := range lats {
		s.lat = append(s.lat, x...)
	}
}

// BenchmarkCommit measures the floor of the device (one 4 KiB overwrite of a
// zero-filled file, direct and synchronous) and the log with several writers in
// turns of one run, and gives the log as ratios to the floor: x-p50 and x-p99 of a
// commit, and x-ideal, the throughput against n commits for each floor write.
// Set WAL_BENCH_DIR to the disk to be measured and use -benchtime=20x or so; with
// WAL_BENCH_STEADY=1 the waits for the device are sleeps of constant length.
func BenchmarkCommit(b *testing.B) {
	dir := benchDir(b)
	const turn = 25 * time.Millisecond
	writers := []int{1, 8, 64, 256}
	record := make([]byte, 196)

	floorFile := openFloor(b, dir)
	block := vfs.AlignedBuffer(vfs.BlockBytes)
	results := make([]ratios, len(writers))
	open := make([]*Log, len(writers))
	for i, n := range writers {
		l, _, err := Open(context.Background(), Options{FS: benchFS(), Dir: fmt.Sprintf("%s/log%d", dir, n), Class: engines.Sync}, 0, nil)
		require.NoError(b, err)
		defer l.Close()
		open[i] = l
		commitFor(b, l, n, 4*turn, record, &sample{}) // warm up
	}
	b.ResetTimer()
	at := int64(0)
	floorFor := func(d time.Duration, s *sample) {
		begin := time.Now()
		for last := begin; last.Sub(begin) < d; {
			if _, err := floorFile.WriteAt(block, at%(16<<20)); err != nil {
				b.Fatal(err)
			}
			at += vfs.BlockBytes
			now := time.Now()
			s.lat = append(s.lat, int64(now.Sub(last)))
			last = now
		}
		s.took += time.Since(begin)
	}
	var all sample
	for range b.N {
		for i, n := range writers {
			var f, l sample
			floorFor(turn/2, &f)
			commitFor(b, open[i], n, turn, record, &l)
			floorFor(turn/2, &f)
			results[i].add(&l, &f, n)
			all.lat = append(all.lat, f.lat...)
			require.NoError(b, open[i].DropBefore(open[i].Durable()))
		}
	}
	b.StopTimer()
	b.Logf("floor p50 %.1f us p99 %.1f us", all.q(.5)/1e3, all.q(.99)/1e3)
	for i, n := range writers {
		r, st := &results[i], open[i].Stats()
		b.Logf("%3d writers: p50 %.3fx floor  p99 %.3fx floor  throughput %.3fx ideal  flushes per commit %.3f/N, %.0f B each",
			n, median(r.p50), median(r.p99), median(r.ideal),
			float64(st.Flushes)/float64(st.Records)*float64(n), float64(st.WrittenBytes)/float64(st.Flushes))
		b.ReportMetric(median(r.p50), fmt.Sprintf("x-p50/w%d", n))
		b.ReportMetric(median(r.p99), fmt.Sprintf("x-p99/w%d", n))
		b.ReportMetric(median(r.ideal), fmt.Sprintf("x-ideal/w%d", n))
	}
}

func benchFS() vfs.FS {
	if os.Getenv("WAL_BENCH_STEADY") != "" {
		return enginebench.SteadyFS(vfs.OS)
	}
	return vfs.OS
}

func openFloor(b *testing.B, dir string) vfs.File {
	f, err := vfs.OS.OpenFile(dir+"/floor", vfs.Create|vfs.Direct)
	require.NoError(b, err)
	zero := vfs.AlignedBuffer(1 << 20)
	for off := int64(0); off < 16<<20; off += 1 << 20 {
		_, err := f.WriteAt(zero, off)
		require.NoError(b, err)
	}
	require.NoError(b, f.Sync())
	require.NoError(b, f.Close())
	f, err = benchFS().OpenFile(dir+"/floor", vfs.Direct|vfs.DSync)
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, f.Close()) })
	return f
}

// BenchmarkAppend measures Append and Wait of one writer where no device is waited for.
func BenchmarkAppend(b *testing.B) {
	for _, class := range []engines.Class{engines.None, engines.Process, engines.Interval} {
		for _, size := range []int{24, 196} {
			b.Run(fmt.Sprintf("%s/%d", class, size), func(b *testing.B) {
				o := Options{FS: vfs.OS, Dir: benchDir(b) + "/log", Class: class}
				if class == engines.Interval {
					o.Window = 10 * time.Millisecond
				}
				l, _, err := Open(context.Background(), o, 0, nil)
				require.NoError(b, err)
				defer l.Close()
				record := make([]byte, size)
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					lsn, err := l.Append(1, record)
					if err == nil {
						err = l.Wait(lsn)
					}
					if err != nil {
						b.Fatal(err)
					}
					if i%(1<<18) == 1<<18-1 {
						b.StopTimer()
						require.NoError(b, l.DropBefore(lsn))
						b.StartTimer()
					}
				}
			})
		}
	}
}
