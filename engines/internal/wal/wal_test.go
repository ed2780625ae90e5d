package wal

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orbitbench/engines"
	"orbitbench/engines/internal/vfs"
)

func testOptions(t testing.TB, class engines.Class) Options {
	o := Options{FS: vfs.OS, Dir: t.TempDir() + "/log", Class: class, SegmentBytes: 64 << 10, Logf: t.Logf}
	if class == engines.Interval {
		o.Window = 10 * time.Millisecond
	}
	return o
}

type collected struct {
	mu   sync.Mutex
	recs map[LSN]string
}

func (c *collected) apply(_ int, r Record) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.recs == nil {
		c.recs = map[LSN]string{}
	}
	c.recs[r.LSN] = fmt.Sprint(r.Kind, ":", string(r.Payload))
	return nil
}

func openTest(t testing.TB, o Options, from LSN) (*Log, ReplayInfo, map[LSN]string) {
	t.Helper()
	var c collected
	l, info, err := Open(context.Background(), o, from, c.apply)
	require.NoError(t, err)
	// A test that has failed must not fail again because its directory is still in use.
	t.Cleanup(func() {
		if t.Failed() {
			_ = l.Close()
		}
	})
	return l, info, c.recs
}

func TestAppendReopenReplaysEverything(t *testing.T) {
	for _, class := range engines.Classes() {
		for _, workers := range []int{1, 3} {
			t.Run(fmt.Sprint(class, workers), func(t *testing.T) {
				o := testOptions(t, class)
				o.ReplayWorkers = workers
				want := map[LSN]string{}
				for round := range 5 {
					l, info, got := openTest(t, o, 0)
					require.Equal(t, len(want), len(got))
					for k, v := range want {
						require.Equal(t, v, got[k])
					}
					require.Equal(t, round > 0, info.Clean)
					for i := range 2000 {
						p := fmt.Sprintf("round %d record %d", round, i)
						lsn, err := l.Append(uint8(1+i%7), []byte(p[:3]), []byte(p[3:]))
						require.NoError(t, err)
						require.Equal(t, LSN(len(want)+1), lsn)
						want[lsn] = fmt.Sprint(1+i%7, ":", p)
						if i%500 == 0 {
							require.NoError(t, l.Wait(lsn))
						}
					}
					require.NoError(t, l.Close())
					require.ErrorIs(t, l.Close(), engines.ErrClosed)
				}
			})
		}
	}
}

func TestManyWritersRotationAndDrop(t *testing.T) {
	for _, class := range engines.Classes() {
		t.Run(class.String(), func(t *testing.T) {
			o := testOptions(t, class)
			l, _, _ := openTest(t, o, 0)
			var wg sync.WaitGroup
			n := 200
			for w := range 64 {
				wg.Go(func() {
					for i := range n {
						lsn, err := l.Append(1, []byte(fmt.Sprintf("writer %d op %d with some padding to fill the segments quickly", w, i)))
						if err == nil {
							err = l.Wait(lsn)
						}
						if err != nil {
							t.Error(err)
							return
						}
						if class == engines.Sync && l.Durable() < lsn {
							t.Errorf("record %d acknowledged, durable up to %d", lsn, l.Durable())
						}
					}
				})
			}
			stop := make(chan struct{})
			done := make(chan struct{})
			go func() {
				defer close(done)
				for {
					select {
					case <-stop:
						return
					case <-time.After(5 * time.Millisecond):
					}
					lsn, err := l.Rotate()
					if err == nil {
						err = l.DropBefore(lsn)
					}
					if err != nil {
						t.Error(err)
						return
					}
				}
			}()
			wg.Wait()
			close(stop)
			<-done
			last, err := l.Rotate()
			require.NoError(t, err)
			require.NoError(t, l.DropBefore(last))
			st := l.Stats()
			t.Logf("%+v", st)
			require.LessOrEqual(t, st.Segments+st.FreeSegments, 2+defaultKeepFree)
			lsn, err := l.Append(1, []byte("after the last checkpoint"))
			require.NoError(t, err)
			require.NoError(t, l.Wait(lsn))
			require.NoError(t, l.Close())
			l, info, recs := openTest(t, o, last-1)
			require.Len(t, recs, 1)
			require.True(t, info.Clean)
			require.NoError(t, l.Close())
		})
	}
}

func TestAppendDoesNotAllocate(t *testing.T) {
	o := testOptions(t, engines.Process)
	o.SegmentBytes = 8 << 20
	l, _, _ := openTest(t, o, 0)
	defer l.Close()
	head, value := make([]byte, 20), make([]byte, 176)
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		lsn, err := l.Append(1, head, value)
		if err == nil {
			err = l.Wait(lsn)
		}
		if err != nil {
			t.Error(err)
		}
	}))
}

// ClosedAt tells a log that was closed from one that was not, whatever its segments.
func TestClosedAt(t *testing.T) {
	for _, class := range []engines.Class{engines.Process, engines.Sync} {
		o := testOptions(t, class)
		mem := vfs.NewMem()
		o.FS = mem
		want := func(fs vfs.FS, last LSN, closed bool) {
			t.Helper()
			got, ok, err := ClosedAt(fs, o.Dir)
			require.NoError(t, err)
			require.Equal(t, closed, ok)
			if closed {
				require.Equal(t, last, got)
			}
		}
		want(mem, 0, false)
		for round := range 3 {
			l, _, _ := openTest(t, o, 0)
			want(mem.Kill(), 0, false)
			for range 200 { // some segments
				lsn, err := l.Append(1, small(7))
				require.NoError(t, err)
				require.NoError(t, l.Wait(lsn))
			}
			want(mem.Kill(), 0, false)
			if round == 2 {
				start, err := l.Rotate()
				require.NoError(t, err)
				require.NoError(t, l.DropBefore(start))
			}
			require.NoError(t, l.Close())
			want(mem, LSN(200*(round+1)), true)
		}
	}
}
