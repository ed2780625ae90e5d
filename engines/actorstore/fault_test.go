package actorstore

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
		{Op: vfs.OpOpen, Name: checkpoints.Prefix, Err: unix.EIO}, {Op: vfs.OpWrite, Name: checkpoints.Prefix, Err: unix.EIO},
		{Op: vfs.OpSync, Name: checkpoints.Prefix, Err: unix.EIO}, {Op: vfs.OpRename, Name: checkpoints.Prefix, Err: unix.EIO},
	})
}

// TestFailedOpen: an open that fails leaves the directory free for the next one.
func TestFailedOpen(t *testing.T) {
	mem, want := closedStore(t, engines.Process)
	damagetest.FailedOpen(t, damaged, mem, want, []vfs.Fault{
		{Op: vfs.OpWrite, Name: meta.Name}, {Op: vfs.OpRead, Name: meta.Name}, {Op: vfs.OpRead, Name: checkpoints.Prefix},
		{Op: vfs.OpRead, Name: ".wal"}, {Op: vfs.OpReadDir}, {Op: vfs.OpRename, Name: meta.Name}, {Op: vfs.OpSyncDir},
	})
}

// TestLogStaysBounded: whatever is written, the log and the memory stay in proportion to what lives.
func TestLogStaysBounded(t *testing.T) {
	config := map[string]any{"segment_bytes": 65536, "checkpoint_log_bytes": 131072, "checkpoint_share": 1}
	damagetest.LogStaysBounded(t, damaged, config, func(open crashtest.Engine) {
		e := open.(*engine)
		if used := e.index.UsedBytes(); used > 4*100*1024 {
			t.Errorf("%d bytes of memory for 400 records", used)
		}
	})
}

// TestMemoryLimit: beyond the limit commits are refused and nothing else suffers.
func TestMemoryLimit(t *testing.T) {
	e := mustOpen(t, vfs.NewMem(), syncClass, map[string]any{"memory_limit_bytes": 1 << 20, "segment_bytes": 1 << 20})
	var err error
	var b engines.Batch
	n := 0
	for ; err == nil; n++ {
		b.Reset()
		b.Put(engines.Nodes, fmt.Append(nil, n), make([]byte, 1000))
		err = e.Apply(context.Background(), &b)
	}
	if !errors.Is(err, engines.ErrFull) || n < 900 {
		t.Fatalf("after %d records of 1000 bytes: %v, want ErrFull", n, err)
	}
	b.Reset()
	b.Delete(engines.Nodes, []byte("0"))
	if err := e.Apply(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	put(t, e, engines.Nodes, "in its place", strings.Repeat("x", 900))
	mustClose(t, e)
}
