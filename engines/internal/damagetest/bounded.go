package damagetest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"orbitbench/engines"
	"orbitbench/engines/internal/crashtest"
	"orbitbench/engines/internal/vfs"
)

// LogStaysBounded writes 400 records of at most 700 bytes again and again, with a
// config whose checkpoints keep a log of 64 KiB segments short. rest checks what the
// engine has besides the log, after a last checkpoint.
func LogStaysBounded(t *testing.T, s Subject, config map[string]any, rest func(e crashtest.Engine)) {
	e := s.open(t, vfs.NewMem(), syncClass, config)
	var most int64
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 1500 {
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
			most = max(most, s.Log(e).Stats().DiskBytes)
		}
	}
	st := e.Stats()
	// Checkpoints are asked for every 50 ms, so a fast writer gets some way beyond the limit.
	if st.Checkpoints == 0 || uint64(most) > st.LogBytes {
		t.Errorf("log of up to %d bytes after %d checkpoints, %d bytes were written", most, st.Checkpoints, st.LogBytes)
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
