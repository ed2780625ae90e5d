package cowbtree

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"orbitbench/engines"
	"orbitbench/engines/internal/meta"
	"orbitbench/engines/internal/vfs"
)

var syncClass = engines.Durability{Class: engines.Sync}

// TestFailedSync: after a write or sync of the log failed nothing is
// acknowledged any more, reads go on, and a new open finds all that was.
func TestFailedSync(t *testing.T) {
	for _, fault := range []vfs.Fault{
		{Op: vfs.OpWrite, Name: ".wal", Times: 1},
		{Op: vfs.OpWrite, Name: ".wal", Times: 1, Part: 512},
		{Op: vfs.OpWrite, Name: ".wal", Times: 1, Done: true},
	} {
		mem := vfs.NewMem()
		faulty := vfs.NewFaulty(mem)
		e := mustOpen(t, faulty, syncClass, map[string]any{"segment_bytes": 1 << 20})
		time.Sleep(20 * time.Millisecond) // the next segment is made in the background
		put(t, e, engines.Nodes, "kept", "1")
		faulty.Set(fault)
		ctx := context.Background()
		var b engines.Batch
		b.Put(engines.Nodes, []byte("kept"), []byte("2"))
		for i := range 3 {
			if err := e.Apply(ctx, &b); !errors.Is(err, engines.ErrFailed) {
				t.Errorf("commit %d after a failed write: %v, want ErrFailed", i, err)
			}
		}
		if value, _, err := e.Get(ctx, engines.Nodes, []byte("kept"), nil); err != nil || string(value) != "1" {
			t.Errorf("read after a failed write: %q, %v", value, err)
		}
		if err := e.Checkpoint(ctx); !errors.Is(err, engines.ErrFailed) {
			t.Errorf("checkpoint after a failed write: %v, want ErrFailed", err)
		}
		if err := e.Close(); !errors.Is(err, engines.ErrFailed) {
			t.Errorf("close after a failed write: %v, want ErrFailed", err)
		}
		e = mustOpen(t, mem, syncClass, nil)
		value, _, err := e.Get(ctx, engines.Nodes, []byte("kept"), nil)
		if err != nil || string(value) != "1" && string(value) != "2" {
			t.Errorf("reopened: %q, %v", value, err)
		}
		put(t, e, engines.Nodes, "kept", "3")
		mustClose(t, e)
	}
}

// TestFullDisk: a commit that finds no room is refused as a whole, reads go on,
// and commits are taken again when there is room.
func TestFullDisk(t *testing.T) {
	for _, class := range []engines.Class{engines.Sync, engines.Process} {
		mem := vfs.NewMem()
		e := mustOpen(t, mem, engines.Durability{Class: class}, map[string]any{"segment_bytes": 65536, "checkpoint_log_bytes": -1})
		put(t, e, engines.Nodes, "kept", "1")
		mem.SetFree(100_000)
		ctx := context.Background()
		value := make([]byte, 3000)
		acked := 0
		var err error
		for range 200 {
			var b engines.Batch
			b.Put(engines.Snapshots, fmt.Appendf(nil, "s-%04d", acked), value)
			b.Put(engines.Index, fmt.Appendf(nil, "i-%04d", acked), nil)
			if err = e.Apply(ctx, &b); err != nil {
				break
			}
			acked++
		}
		if !errors.Is(err, engines.ErrFull) {
			t.Fatalf("class %s: commit on a full disk after %d: %v, want ErrFull", class, acked, err)
		}
		if _, _, err := e.Get(ctx, engines.Nodes, []byte("kept"), nil); err != nil {
			t.Errorf("read on a full disk: %v", err)
		}
		if err := e.Checkpoint(ctx); !errors.Is(err, engines.ErrFull) {
			t.Errorf("checkpoint on a full disk: %v, want ErrFull", err)
		}
		for _, k := range []string{"s", "i"} {
			ks := map[string]engines.Keyspace{"s": engines.Snapshots, "i": engines.Index}[k]
			if _, _, err := e.Get(ctx, ks, fmt.Appendf(nil, "%s-%04d", k, acked), nil); !errors.Is(err, engines.ErrNotFound) {
				t.Errorf("part of a refused batch is visible in %s: %v", ks, err)
			}
		}
		mem.SetFree(-1)
		put(t, e, engines.Nodes, "kept", "2")
		if err := e.Checkpoint(ctx); err != nil {
			t.Errorf("checkpoint with room again: %v", err)
		}
		want := readAll(t, e)
		mustClose(t, e)
		e = mustOpen(t, mem, engines.Durability{Class: class}, nil)
		if got := readAll(t, e); !got.equal(want) || len(got) != 2*acked+1 {
			t.Errorf("class %s: reopened with %d records, want %d", class, len(got), 2*acked+1)
		}
		mustClose(t, e)
	}
}

// TestFailedCheckpoint: a checkpoint that cannot be written costs nothing but itself.
func TestFailedCheckpoint(t *testing.T) {
	for _, op := range []vfs.Op{vfs.OpWrite, vfs.OpSync, vfs.OpAllocate} {
		mem := vfs.NewMem()
		faulty := vfs.NewFaulty(mem)
		e := mustOpen(t, faulty, syncClass, crashConfig)
		for i := range 50 {
			put(t, e, engines.Nodes, fmt.Sprint(i), "value")
		}
		faulty.Set(vfs.Fault{Op: op, Name: pagesName, Err: unix.EIO})
		if err := e.Checkpoint(context.Background()); !errors.Is(err, unix.EIO) {
			t.Errorf("checkpoint with a failing operation %d: %v, want EIO", op, err)
		}
		put(t, e, engines.Nodes, "after", "1")
		faulty.Set()
		if err := e.Checkpoint(context.Background()); err != nil {
			t.Errorf("checkpoint after operation %d failed: %v", op, err)
		}
		want := readAll(t, e)
		mustClose(t, e)
		e = mustOpen(t, mem, syncClass, nil)
		if got := readAll(t, e); !got.equal(want) {
			t.Errorf("reopened with %d records, want %d", len(got), len(want))
		}
		mustClose(t, e)
	}
}

// TestFailedOpen: an open that fails leaves the directory free for the next one.
func TestFailedOpen(t *testing.T) {
	mem, want := closedStore(t, engines.Process, false)
	for _, fault := range []vfs.Fault{
		{Op: vfs.OpWrite, Name: meta.Name}, {Op: vfs.OpRead, Name: meta.Name}, {Op: vfs.OpRead, Name: pagesName},
		{Op: vfs.OpRead, Name: ".wal"}, {Op: vfs.OpReadDir}, {Op: vfs.OpRename, Name: meta.Name}, {Op: vfs.OpSyncDir},
	} {
		m := clone(mem)
		faulty := vfs.NewFaulty(m, fault)
		e, err := open(context.Background(), faulty, engines.Options{Dir: crashDir, Durability: engines.Durability{Class: engines.Process}, Config: crashConfig})
		if err == nil {
			t.Errorf("open with %+v succeeds", fault)
			mustClose(t, e)
		} else if !errors.Is(err, unix.EIO) {
			t.Errorf("open with %+v: %v, want EIO", fault, err)
		}
		faulty.Set()
		e = mustOpen(t, faulty, engines.Durability{Class: engines.Process}, crashConfig)
		if got := readAll(t, e); !got.equal(want) {
			t.Errorf("after a failed open: %d records, want %d", len(got), len(want))
		}
		mustClose(t, e)
	}
}

// TestFailedLater: a log that cannot be opened after a clean close leaves a store that can be read.
func TestFailedLater(t *testing.T) {
	mem, want := closedStore(t, engines.Process, true)
	faulty := vfs.NewFaulty(mem, vfs.Fault{Op: vfs.OpMap, Name: ".wal"})
	process := engines.Durability{Class: engines.Process}
	ctx := context.Background()
	e := mustOpen(t, faulty, process, crashConfig)
	if got := readAll(t, e); !got.equal(want) {
		t.Errorf("%d records, want %d", len(got), len(want))
	}
	var b engines.Batch
	b.Put(engines.Nodes, []byte("k"), nil)
	for what, err := range map[string]error{"commit": e.Apply(ctx, &b), "checkpoint": e.Checkpoint(ctx), "snapshot": e.Snapshot(ctx, "/copy")} {
		if !errors.Is(err, unix.EIO) {
			t.Errorf("%s: %v, want EIO", what, err)
		}
	}
	if st := e.Stats(); st.Records != uint64(len(want)) {
		t.Errorf("%d records in the statistics, want %d", st.Records, len(want))
	}
	if err := e.Close(); !errors.Is(err, unix.EIO) {
		t.Errorf("close: %v, want EIO", err)
	}
	faulty.Set()
	e = mustOpen(t, faulty, process, crashConfig)
	put(t, e, engines.Nodes, "k", "v")
	mustClose(t, e)
}

// TestLogStaysBounded: whatever is written, the log and the memory stay in proportion to what lives.
func TestLogStaysBounded(t *testing.T) {
	mem := vfs.NewMem()
	e := mustOpen(t, mem, syncClass, map[string]any{"segment_bytes": 65536, "checkpoint_log_bytes": 131072, "checkpoint_share": 1})
	var most int64
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 1500 {
				put(t, e, engines.Keyspace(w), fmt.Sprintf("key-%03d", i%100), strings.Repeat("x", i%700))
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
			most = max(most, e.log.Stats().DiskBytes)
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
	if left := e.log.Stats(); left.Segments > 3 {
		t.Errorf("%d segments are left after a checkpoint", left.Segments)
	}
	e.tree.drain()
	if used := e.heap.arena.UsedBytes(); used > 4*100*1024 {
		t.Errorf("%d bytes of memory for 400 records", used)
	}
	size, err := e.pages.reader.Size()
	if err != nil || size > 4<<20 {
		t.Errorf("page file of %d bytes (%v) for 400 records of at most 700 bytes", size, err)
	}
	mustClose(t, e)
}

// TestMemoryLimit: beyond the limit commits are refused and nothing else suffers.
func TestMemoryLimit(t *testing.T) {
	e := mustOpen(t, vfs.NewMem(), syncClass, map[string]any{"memory_limit_bytes": 1 << 20, "segment_bytes": 1 << 20})
	var err error
	var b engines.Batch
	n := 0
	for ; err == nil; n++ {
		b.Reset()
		b.Put(engines.Nodes, fmt.Append(nil, n), make([]byte, 900))
		err = e.Apply(context.Background(), &b)
	}
	if !errors.Is(err, engines.ErrFull) || n < 900 {
		t.Fatalf("after %d records of 900 bytes: %v, want ErrFull", n, err)
	}
	b.Reset()
	b.Delete(engines.Nodes, []byte("0"))
	if err := e.Apply(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	put(t, e, engines.Nodes, "in its place", strings.Repeat("x", 800))
	mustClose(t, e)
}
