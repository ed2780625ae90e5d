package damagetest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"orbitbench/engines"
	"orbitbench/engines/internal/crashtest"
	"orbitbench/engines/internal/vfs"
)

// LogStaysBounded writes 400 records of at most 700 bytes again and again, with a
// config whose checkpoints keep a log of 64 KiB segments short, until twice as much was
// written as the log ever held: that of an engine that does not cut its log holds all of
// it. rest checks what the engine has besides the log, after a last checkpoint.
func LogStaysBounded(t *testing.T, s Subject, config map[string]any, rest func(e crashtest.Engine)) {
	e := s.open(t, vfs.NewMem(), syncClass, config)
	var most atomic.Int64
	enough := func() bool {
		st := e.Stats()
		return st.Checkpoints > 1 && st.LogBytes > 2*uint64(most.Load())
	}
	limit := time.Now().Add(2 * time.Minute) // checkpoints are asked for every 50 ms, but a busy machine takes its time
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := 0; i < 1500 || !enough() && time.Now().Before(limit); i++ {
				Put(t, e, engines.Keyspace(w), fmt.Sprintf("key-%03d", i%100), strings.Repeat("x", i%700))
				if i%50 == 0 {
					time.Sleep(time.Millisecond)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for running := true; running; {
		select {
		case <-done:
			running = false
		case <-time.After(5 * time.Millisecond):
			most.Store(max(most.Load(), s.Log(e).Stats().DiskBytes))
		}
	}
	if st := e.Stats(); !enough() {
		t.Errorf("log of up to %d bytes after %d checkpoints, %d bytes were written", most.Load(), st.Checkpoints, st.LogBytes)
	}
	if err := e.Checkpoint(context.Background()); err != nil {
		t.Fatal(err)
	}
	if left := s.Log(e).Stats(); left.Segments > 3 {
		t.Errorf("%d segments are left after a checkpoint", left.Segments)
	}
	rest(e)
	mustClose(t, e)
}
