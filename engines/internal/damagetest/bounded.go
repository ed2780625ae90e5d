package damagetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"orbitbench/engines"
	"orbitbench/engines/internal/storetest"
	"orbitbench/engines/internal/vfs"
)

// LogStaysBounded writes 400 records of at most 700 bytes again and again, with
// checkpoints that keep a log of 64 KiB segments short, until twice as much was
// written as the log ever held: that of an engine that does not cut its log holds all of
// it. rest checks what the engine has besides the log, after a last checkpoint.
func LogStaysBounded[E storetest.Engine](t *testing.T, s storetest.Subject[E], rest func(e E)) {
	e := s.MustOpen(t, vfs.NewMem(), syncClass, s.Options(65536, map[string]any{"log_bytes": 131072, "share": 1}))
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
				storetest.Put(t, e, engines.Keyspace(w), fmt.Sprintf("key-%03d", i%100), strings.Repeat("x", i%700))
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
	storetest.MustClose(t, e)
}

// Limit demands that beyond the limit that is set commits are refused and nothing else
// suffers: records of size bytes are put until there is no room, and one, after at least
// least of them, is deleted for another.
func Limit[E storetest.Engine](t *testing.T, s storetest.Subject[E], option string, limit, size, least int) {
	config := s.Options(1<<20, nil)
	config[option] = limit
	e := s.MustOpen(t, vfs.NewMem(), syncClass, config)
	var err error
	var b engines.Batch
	n := 0
	for ; err == nil; n++ {
		b.Reset()
		b.Put(engines.Nodes, fmt.Append(nil, n), make([]byte, size))
		err = e.Apply(context.Background(), &b)
	}
	if !errors.Is(err, engines.ErrFull) || n < least {
		t.Fatalf("after %d records of %d bytes: %v, want ErrFull", n, size, err)
	}
	b.Reset()
	b.Delete(engines.Nodes, []byte("0"))
	if err := e.Apply(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	storetest.Put(t, e, engines.Nodes, "0", strings.Repeat("x", size))
	storetest.MustClose(t, e)
}
