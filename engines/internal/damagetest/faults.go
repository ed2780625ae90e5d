package damagetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"orbitbench/engines"
	"orbitbench/engines/internal/vfs"
)

// FailedSync demands that after a write or sync of the log failed nothing is
// acknowledged any more, reads go on, and a new open finds all that was.
// config asks for segments of 1 MiB.
func FailedSync(t *testing.T, s Subject, config map[string]any) {
	for _, fault := range []vfs.Fault{
		{Op: vfs.OpWrite, Name: ".wal", Times: 1},
		{Op: vfs.OpWrite, Name: ".wal", Times: 1, Part: 512},
		{Op: vfs.OpWrite, Name: ".wal", Times: 1, Done: true},
	} {
		mem := vfs.NewMem()
		faulty := vfs.NewFaulty(mem)
		e := s.open(t, faulty, syncClass, config)
		for s.Log(e).Stats().DiskBytes < 2<<20 { // the next segment is made in the background
			time.Sleep(time.Millisecond)
		}
		Put(t, e, engines.Nodes, "kept", "1")
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
		e = s.open(t, mem, syncClass, nil)
		value, _, err := e.Get(ctx, engines.Nodes, []byte("kept"), nil)
		if err != nil || string(value) != "1" && string(value) != "2" {
			t.Errorf("reopened: %q, %v", value, err)
		}
		Put(t, e, engines.Nodes, "kept", "3")
		mustClose(t, e)
	}
}

// FullDisk demands that a commit that finds no room is refused as a whole, reads go on,
// and commits are taken again when there is room.
// config asks for segments of 64 KiB and for no checkpoint but those called for.
func FullDisk(t *testing.T, s Subject, config map[string]any) {
	for _, class := range []engines.Class{engines.Sync, engines.Process} {
		mem := vfs.NewMem()
		e := s.open(t, mem, engines.Durability{Class: class}, config)
		Put(t, e, engines.Nodes, "kept", "1")
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
		Put(t, e, engines.Nodes, "kept", "2")
		if err := e.Checkpoint(ctx); err != nil {
			t.Errorf("checkpoint with room again: %v", err)
		}
		want := ReadAll(t, e)
		mustClose(t, e)
		e = s.open(t, mem, engines.Durability{Class: class}, nil)
		if got := ReadAll(t, e); !got.Equal(want) || len(got) != 2*acked+1 {
			t.Errorf("class %s: reopened with %d records, want %d", class, len(got), 2*acked+1)
		}
		mustClose(t, e)
	}
}

// FailedCheckpoint demands that a checkpoint that cannot be written costs nothing but itself.
// The faults are of operations that every checkpoint has; their error is EIO.
func FailedCheckpoint(t *testing.T, s Subject, faults []vfs.Fault) {
	for _, fault := range faults {
		mem := vfs.NewMem()
		faulty := vfs.NewFaulty(mem)
		e := s.open(t, faulty, syncClass, s.Config)
		for i := range 50 {
			Put(t, e, engines.Nodes, fmt.Sprint(i), "value")
		}
		faulty.Set(fault)
		if err := e.Checkpoint(context.Background()); !errors.Is(err, unix.EIO) {
			t.Errorf("checkpoint with %+v: %v, want EIO", fault, err)
		}
		Put(t, e, engines.Nodes, "after", "1")
		faulty.Set()
		if err := e.Checkpoint(context.Background()); err != nil {
			t.Errorf("checkpoint after %+v: %v", fault, err)
		}
		want := ReadAll(t, e)
		mustClose(t, e)
		e = s.open(t, mem, syncClass, nil)
		if got := ReadAll(t, e); !got.Equal(want) {
			t.Errorf("reopened with %d records, want %d", len(got), len(want))
		}
		mustClose(t, e)
	}
}

// FailedOpen demands that an open that fails leaves the directory free for the next one.
// mem is a closed store of class process that holds want.
func FailedOpen(t *testing.T, s Subject, mem *vfs.Mem, want Contents, faults []vfs.Fault) {
	process := engines.Durability{Class: engines.Process}
	for _, fault := range faults {
		faulty := vfs.NewFaulty(Clone(mem), fault)
		e, err := s.try(faulty, process, s.Config)
		if err == nil {
			t.Errorf("open with %+v succeeds", fault)
			mustClose(t, e)
		} else if !errors.Is(err, unix.EIO) {
			t.Errorf("open with %+v: %v, want EIO", fault, err)
		}
		faulty.Set()
		e = s.open(t, faulty, process, s.Config)
		if got := ReadAll(t, e); !got.Equal(want) {
			t.Errorf("after a failed open: %d records, want %d", len(got), len(want))
		}
		mustClose(t, e)
	}
}
