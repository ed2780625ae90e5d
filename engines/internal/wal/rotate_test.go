package wal

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orbitbench/engines"
	"orbitbench/engines/internal/vfs"
)

// TestRotateIsNotOvertaken: a rotation, and giving up what is before it, wait for the flush that is on its
// way and not for those that would follow it, however many writers commit.
func TestRotateIsNotOvertaken(t *testing.T) {
	mem := vfs.NewMem()
	o := Options{FS: mem, Dir: "/log", Class: engines.Sync, SegmentBytes: 4 << 20} // writers do not come to its end
	mem.OnPending = func(op, name string) {
		if op == "write" {
			time.Sleep(time.Millisecond) // a device
		}
	}
	l, _, _ := openTest(t, o, 0)
	var over atomic.Bool
	var writers sync.WaitGroup
	for range 16 {
		writers.Go(func() {
			for !over.Load() {
				lsn, err := l.Append(1, []byte("record"))
				if err == nil {
					err = l.Wait(lsn)
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	var flushes []uint64
	for range 20 {
		for prepared := false; !prepared; runtime.Gosched() { // making a segment takes as long as it takes
			l.mu.Lock()
			prepared = l.prep.ready != nil
			l.mu.Unlock()
		}
		want, err := l.Append(1, []byte("record of the one who rotates"))
		require.NoError(t, err)
		before := l.Stats().Flushes
		start, err := l.Rotate()
		require.NoError(t, err)
		require.Greater(t, start, want)
		require.NoError(t, l.DropBefore(start))
		flushes = append(flushes, l.Stats().Flushes-before)
	}
	over.Store(true)
	writers.Wait()
	require.NoError(t, l.Close())
	// For each of the two the one on its way and its own, and what came between reading the counts and the
	// calls: in the middle, as a busy machine may keep this goroutine waiting now and then.
	slices.Sort(flushes)
	require.LessOrEqual(t, flushes[len(flushes)/2], uint64(20), "flushes during rotations: %d", flushes)
}
