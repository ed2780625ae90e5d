package cowbtree

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"orbitbench/engines"
	"orbitbench/engines/internal/crashtest"
	"orbitbench/engines/internal/damagetest"
	"orbitbench/engines/internal/meta"
	"orbitbench/engines/internal/vfs"
)

var syncClass = engines.Durability{Class: engines.Sync}

// TestFailedSync: after a write or sync of the log failed nothing is
// acknowledged any more, reads go on, and a new open finds all that was.
func TestFailedSync(t *testing.T) {
	damagetest.FailedSync(t, damaged, map[string]any{"segment_bytes": 1 << 20})
}

// TestFullDisk: a commit that finds no room is refused as a whole, reads go on,
// and commits are taken again when there is room.
func TestFullDisk(t *testing.T) {
	damagetest.FullDisk(t, damaged, map[string]any{"segment_bytes": 65536, "checkpoint_log_bytes": -1})
}

// TestFailedCheckpoint: a checkpoint that cannot be written costs nothing but itself.
func TestFailedCheckpoint(t *testing.T) {
	damagetest.FailedCheckpoint(t, damaged, []vfs.Fault{
		{Op: vfs.OpWrite, Name: pagesName, Err: unix.EIO},
		{Op: vfs.OpSync, Name: pagesName, Err: unix.EIO}, {Op: vfs.OpAllocate, Name: pagesName, Err: unix.EIO},
	})
}

// TestFailedOpen: an open that fails leaves the directory free for the next one.
func TestFailedOpen(t *testing.T) {
	mem, want := closedStore(t, engines.Process, false)
	damagetest.FailedOpen(t, damaged, mem, want, []vfs.Fault{
		{Op: vfs.OpWrite, Name: meta.Name}, {Op: vfs.OpRead, Name: meta.Name}, {Op: vfs.OpRead, Name: pagesName},
		{Op: vfs.OpRead, Name: ".wal"}, {Op: vfs.OpReadDir}, {Op: vfs.OpRename, Name: meta.Name}, {Op: vfs.OpSyncDir},
	})
}

// TestLogStaysBounded: whatever is written, the log and the memory stay in proportion to what lives.
func TestLogStaysBounded(t *testing.T) {
	config := map[string]any{"segment_bytes": 65536, "checkpoint_log_bytes": 131072, "checkpoint_share": 1}
	damagetest.LogStaysBounded(t, damaged, config, func(open crashtest.Engine) {
		e := open.(*engine)
		e.tree.drain()
		if used := e.heap.arena.UsedBytes(); used > 4*100*1024 {
			t.Errorf("%d bytes of memory for 400 records", used)
		}
		size, err := e.pages.reader.Size()
		if err != nil || size > 4<<20 {
			t.Errorf("page file of %d bytes (%v) for 400 records of at most 700 bytes", size, err)
		}
	})
}

// TestFailedLater: a log that cannot be opened after a clean close leaves a store that can be read.
func TestFailedLater(t *testing.T) {
	mem, want := closedStore(t, engines.Process, true)
	faulty := vfs.NewFaulty(mem, vfs.Fault{Op: vfs.OpMap, Name: ".wal"})
	process := engines.Durability{Class: engines.Process}
	ctx := context.Background()
	e := mustOpen(t, faulty, process, crashConfig)
	if got := readAll(t, e); !got.Equal(want) {
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
