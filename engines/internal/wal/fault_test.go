package wal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"orbitbench/engines"
	"orbitbench/engines/internal/vfs"
)

// After a write or sync that failed once, nothing waiting is acknowledged, and the
// log refuses everything until it is opened again from disk.
func TestFailedWriteIsNeverAcknowledged(t *testing.T) {
	for _, c := range []struct {
		name     string
		buffered bool
		fault    vfs.Fault
	}{
		{"direct write", false, vfs.Fault{Op: vfs.OpWrite, Name: ".wal", Skip: 5, Times: 1}},
		{"short direct write", false, vfs.Fault{Op: vfs.OpWrite, Name: ".wal", Skip: 5, Times: 1, Part: 512}},
		{"direct write that arrives", false, vfs.Fault{Op: vfs.OpWrite, Name: ".wal", Skip: 5, Times: 1, Done: true}},
		{"buffered write", true, vfs.Fault{Op: vfs.OpWrite, Name: ".wal", Skip: 5, Times: 1}},
		{"fdatasync", true, vfs.Fault{Op: vfs.OpSync, Name: ".wal", Skip: 5, Times: 1}},
		{"no space in mid-write", false, vfs.Fault{Op: vfs.OpWrite, Name: ".wal", Skip: 5, Times: 1, Err: unix.ENOSPC}},
	} {
		t.Run(c.name, func(t *testing.T) {
			mem := vfs.NewMem()
			faulty := vfs.NewFaulty(mem)
			o := crashOptions(engines.Sync)
			o.SegmentBytes, o.FS, o.Buffered = 1<<20, faulty, c.buffered
			l, _, _, err := replayAll(o, 0)
			require.NoError(t, err)
			for l.Stats().Segments < 2 { // the preparer is done: the fault hits the log itself
				time.Sleep(time.Millisecond)
			}
			faulty.Set(c.fault)
			h := newHistory()
			var wg sync.WaitGroup
			for w := range 8 {
				wg.Go(func() {
					var err error
					for i := 0; err == nil && i < 1000; i++ {
						err = h.commit(l, uint64(w)<<32|uint64(i))
					}
					if err == nil {
						t.Error("a writer never saw the failure")
					}
					if !isFailed(err) {
						t.Errorf("error is %v", err)
					}
				})
			}
			wg.Wait()
			require.Equal(t, 1, faulty.Hits())
			_, err = l.Append(1, []byte("x"))
			require.ErrorIs(t, err, engines.ErrFailed)
			require.ErrorIs(t, l.Wait(l.Next()-1), engines.ErrFailed)
			require.ErrorIs(t, l.Sync(), engines.ErrFailed)
			_, err = l.Rotate()
			require.ErrorIs(t, err, engines.ErrFailed)
			require.ErrorIs(t, l.DropBefore(1), engines.ErrFailed)
			require.ErrorIs(t, l.Close(), engines.ErrFailed)
			require.ErrorIs(t, l.Close(), engines.ErrClosed)

			o.FS = mem
			l, info, got, err := replayAll(o, 0)
			require.NoError(t, err)
			require.NoError(t, h.check(info, got))
			require.NoError(t, h.commit(l, 1<<40))
			require.NoError(t, l.Close())
		})
	}
}

// Linux reports a failed fdatasync once and takes the pages for clean: what the
// next Open reads may be in the page cache alone, and must be made durable before it counts.
func TestRecordsOfAFailedSyncAreDurableAfterOpen(t *testing.T) {
	for _, sealed := range []bool{false, true} {
		mem := vfs.NewMem()
		faulty := vfs.NewFaulty(mem)
		o := crashOptions(engines.Sync)
		o.FS, o.Buffered = faulty, true
		l, _, _, err := replayAll(o, 0)
		require.NoError(t, err)
		for l.Stats().Segments < 2 { // the preparer is done: the fault hits the log itself
			time.Sleep(time.Millisecond)
		}
		h := newHistory()
		for i := range uint64(5) {
			require.NoError(t, h.commit(l, i))
		}
		h.issued[5] = true
		lsn, err := l.Append(1, payload(5))
		require.NoError(t, err)
		faulty.Set(vfs.Fault{Op: vfs.OpSync, Name: ".wal", Times: 1, Clean: true})
		if sealed {
			_, err = l.Rotate()
		} else {
			err = l.Wait(lsn)
		}
		require.ErrorIs(t, err, engines.ErrFailed)
		require.ErrorIs(t, l.Close(), engines.ErrFailed)

		o.FS = mem
		l, _, got, err := replayAll(o, 0)
		require.NoError(t, err)
		require.Contains(t, got, lsn, "the group is in the page cache")
		require.Equal(t, lsn, l.Durable())
		after := mem.Crash(rand.New(rand.NewPCG(1, 2)), vfs.LoseAll)
		require.NoError(t, l.Close())
		o.FS = after
		l, info, got, err := replayAll(o, 0)
		require.NoError(t, err)
		require.NoError(t, h.check(info, got))
		require.Contains(t, got, lsn, "sealed=%t: it was counted durable", sealed)
		require.NoError(t, l.Close())
	}
}

// Whoever waits in Sync while the log is closed, the flusher included, is woken.
func TestCloseWakesWhoeverWaits(t *testing.T) {
	for round := range 200 {
		mem := vfs.NewMem()
		mem.OnPending = func(string, string) { runtime.Gosched() }
		o := crashOptions(engines.Interval)
		o.FS, o.Window, o.SegmentBytes = mem, 200*time.Microsecond, 1<<20
		l, _, _, err := replayAll(o, 0)
		require.NoError(t, err)
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() {
				for {
					_, err := l.Append(1, []byte("x"))
					if err == nil {
						err = l.Sync()
					}
					if err != nil {
						if !errors.Is(err, engines.ErrClosed) {
							t.Error(err)
						}
						return
					}
				}
			})
		}
		time.Sleep(time.Duration(round%10) * 100 * time.Microsecond)
		closed := make(chan error, 1)
		go func() { closed <- l.Close() }()
		select {
		case err := <-closed:
			require.NoError(t, err)
		case <-time.After(time.Minute):
			t.Fatalf("round %d: Close hangs", round)
		}
		wg.Wait()
	}
}

func isFailed(err error) bool {
	return err != nil && bytes.Contains([]byte(err.Error()), []byte(engines.ErrFailed.Error()))
}

func TestFailedSyncOfMappedSegments(t *testing.T) {
	faulty := vfs.NewFaulty(vfs.NewMem())
	o := crashOptions(engines.Process)
	o.FS = faulty
	l, _, _, err := replayAll(o, 0)
	require.NoError(t, err)
	lsn, err := l.Append(1, []byte("x"))
	require.NoError(t, err)
	faulty.Set(vfs.Fault{Op: vfs.OpSync, Times: 1})
	require.NoError(t, l.Wait(lsn))
	require.ErrorIs(t, l.Sync(), engines.ErrFailed)
	require.ErrorIs(t, l.Sync(), engines.ErrFailed)
	require.ErrorIs(t, l.Wait(lsn), engines.ErrFailed)
	_, err = l.Append(1, []byte("y"))
	require.ErrorIs(t, err, engines.ErrFailed)
	require.ErrorIs(t, l.Close(), engines.ErrFailed)
}

// Class Interval: a flush that fails stops the log, one that takes too long holds
// acknowledgements back.
func TestIntervalFlusher(t *testing.T) {
	mem := vfs.NewMem()
	faulty := vfs.NewFaulty(mem)
	var stall sync.Mutex
	var writes atomic.Int64 // begun
	mem.OnPending = func(op, _ string) {
		if op == "write" {
			writes.Add(1)
			stall.Lock()
			defer stall.Unlock()
		}
	}
	o := crashOptions(engines.Interval)
	o.FS, o.Window, o.SegmentBytes = faulty, 4*time.Millisecond, 1<<20
	l, _, _, err := replayAll(o, 0)
	require.NoError(t, err)
	lsn, err := l.Append(1, []byte("x"))
	require.NoError(t, err)
	require.NoError(t, l.Wait(lsn))
	for l.Durable() < lsn {
		time.Sleep(time.Millisecond)
	}

	for l.Stats().Segments < 2 { // the preparer is done: writes are flushes
		time.Sleep(time.Millisecond)
	}
	stall.Lock()
	for before := writes.Load(); writes.Load() == before || !l.overdue.Load(); {
		lsn, err = l.Append(1, []byte("y"))
		require.NoError(t, err)
		time.Sleep(time.Millisecond)
	}
	done := make(chan error, 1)
	go func() { done <- l.Wait(lsn) }()
	select {
	case err := <-done:
		t.Fatalf("acknowledged while a flush was late: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	stall.Unlock()
	require.NoError(t, <-done)

	faulty.Set(vfs.Fault{Op: vfs.OpWrite, Name: ".wal"})
	for err == nil {
		lsn, err = l.Append(1, []byte("z"))
		if err == nil {
			err = l.Wait(lsn)
		}
	}
	require.ErrorIs(t, err, engines.ErrFailed)
	require.ErrorIs(t, l.Close(), engines.ErrFailed)
}

// A full disk is ErrFull, loses nothing, and the log goes on when there is room again.
func TestFullDisk(t *testing.T) {
	for _, class := range engines.Classes() {
		t.Run(class.String(), func(t *testing.T) {
			mem := vfs.NewMem()
			mem.SetFree(200 << 10)
			o := crashOptions(class)
			o.FS = mem
			if class == engines.Interval {
				o.Window = time.Second
			}
			l, _, _, err := replayAll(o, 0)
			require.NoError(t, err)
			h := newHistory()
			n := uint64(0)
			for ; ; n++ {
				if err = h.commit(l, n); err != nil {
					break
				}
				require.Less(t, n, uint64(10000))
			}
			require.ErrorIs(t, err, engines.ErrFull)
			last := l.Next() - 1
			require.EqualValues(t, n, last)
			require.ErrorIs(t, h.commit(l, n), engines.ErrFull)
			require.NoError(t, l.Sync())
			// Dropping segments makes room.
			require.NoError(t, l.DropBefore(last/2))
			require.NoError(t, h.commit(l, n))
			require.NoError(t, l.Close())
			got := 0
			_, err = Verify(context.Background(), mem, o.Dir, last/2, 0, func(Record) error { got++; return nil })
			require.NoError(t, err)
			require.EqualValues(t, last+1-last/2, got)
		})
	}
}

// Whatever operation fails while a log is opened, the error comes out, nothing panics,
// and a second try gives everything.
func TestFaultsDuringOpen(t *testing.T) {
	for _, clean := range []bool{true, false} {
		mem, _ := writeLog(t, crashOptions(engines.Sync), 600, 1, clean)
		for op := vfs.OpOpen; op <= vfs.OpSyncDir; op++ {
			for skip := range 12 {
				state := mem.Kill()
				faulty := vfs.NewFaulty(state, vfs.Fault{Op: op, Skip: skip, Times: 1})
				o := crashOptions(engines.Sync)
				o.FS = faulty
				l, _, got, err := replayAll(o, 0)
				name := fmt.Sprintf("clean=%t op=%d skip=%d", clean, op, skip)
				if err == nil {
					require.Len(t, got, 600, name)
					_ = l.Close() // the fault may hit here
				} else {
					require.ErrorIs(t, err, unix.EIO, name)
				}
				out, _, err := judgeLog(t, state, o, 600)
				require.Equal(t, whole, out, "%s: %v", name, err)
			}
		}
	}
}

func TestApplyErrorEndsOpen(t *testing.T) {
	for _, workers := range []int{1, 3} {
		mem, _ := writeLog(t, crashOptions(engines.Sync), 600, 1, true)
		o := crashOptions(engines.Sync)
		o.FS, o.ReplayWorkers = mem, workers
		boom := fmt.Errorf("boom")
		_, _, err := Open(context.Background(), o, 0, func(_ int, r Record) error {
			if r.LSN == 500 {
				return boom
			}
			return nil
		})
		require.ErrorIs(t, err, boom)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_, _, err = Open(ctx, o, 0, nil)
		require.ErrorIs(t, err, context.Canceled)
	}
}

// Where direct IO is refused, at open or at the first write, the log says so and goes
// through the page cache.
func TestDirectIORefused(t *testing.T) {
	for _, fault := range []vfs.Fault{
		{Op: vfs.OpOpen, Name: "probe.tmp", Err: vfs.ErrNoDirect},
		{Op: vfs.OpWrite, Name: "probe.tmp", Err: unix.EINVAL},
	} {
		said := ""
		o := crashOptions(engines.Sync)
		o.FS = vfs.NewFaulty(vfs.NewMem(), fault)
		o.Logf = func(format string, args ...any) { said += fmt.Sprintf(format, args...) }
		l, _, _, err := replayAll(o, 0)
		require.NoError(t, err)
		require.False(t, l.Direct())
		require.Contains(t, said, "fdatasync")
		require.NoError(t, newHistory().commit(l, 1))
		require.NoError(t, l.Close())
	}
}
