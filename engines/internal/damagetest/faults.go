package damagetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"orbitbench/engines"
	"orbitbench/engines/internal/meta"
	"orbitbench/engines/internal/storetest"
	"orbitbench/engines/internal/vfs"
)

var syncClass = engines.Durability{Class: engines.Sync}

// FailedSync demands that after a write or sync of the log failed nothing is
// acknowledged any more, reads go on, and a new open finds all that was.
func FailedSync[E storetest.Engine](t *testing.T, s storetest.Subject[E]) {
	for _, fault := range []vfs.Fault{
		{Op: vfs.OpWrite, Name: ".wal", Times: 1},
		{Op: vfs.OpWrite, Name: ".wal", Times: 1, Part: 512},
		{Op: vfs.OpWrite, Name: ".wal", Times: 1, Done: true},
	} {
		mem := vfs.NewMem()
		faulty := vfs.NewFaulty(mem)
		e := s.MustOpen(t, faulty, syncClass, s.Options(1<<20, nil))
		for s.Log(e).Stats().DiskBytes < 2<<20 { // the next segment is made in the background
			time.Sleep(time.Millisecond)
		}
		storetest.Put(t, e, engines.Nodes, "kept", "1")
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
		e = s.MustOpen(t, mem, syncClass, nil)
		value, _, err := e.Get(ctx, engines.Nodes, []byte("kept"), nil)
		if err != nil || string(value) != "1" && string(value) != "2" {
			t.Errorf("reopened: %q, %v", value, err)
		}
		storetest.Put(t, e, engines.Nodes, "kept", "3")
		storetest.MustClose(t, e)
	}
}

// FullDisk demands that a commit that finds no room is refused as a whole, reads go on,
// and commits are taken again when there is room.
func FullDisk[E storetest.Engine](t *testing.T, s storetest.Subject[E]) {
	for _, class := range []engines.Class{engines.Sync, engines.Process} {
		mem := vfs.NewMem()
		e := s.MustOpen(t, mem, engines.Durability{Class: class}, s.Options(65536, map[string]any{"log_bytes": -1}))
		storetest.Put(t, e, engines.Nodes, "kept", "1")
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
		storetest.Put(t, e, engines.Nodes, "kept", "2")
		if err := e.Checkpoint(ctx); err != nil {
			t.Errorf("checkpoint with room again: %v", err)
		}
		want := storetest.ReadAll(t, e)
		storetest.MustClose(t, e)
		e = s.MustOpen(t, mem, engines.Durability{Class: class}, nil)
		if got := storetest.ReadAll(t, e); !got.Equal(want) || len(got) != 2*acked+1 {
			t.Errorf("class %s: reopened with %d records, want %d", class, len(got), 2*acked+1)
		}
		storetest.MustClose(t, e)
	}
}

// FailedCheckpoint demands that a checkpoint that cannot be written costs nothing but itself.
// Every checkpoint does each of the operations on the file, which a part of its name tells.
func FailedCheckpoint[E storetest.Engine](t *testing.T, s storetest.Subject[E], file string, ops ...vfs.Op) {
	for _, op := range ops {
		fault := vfs.Fault{Op: op, Name: file}
		mem := vfs.NewMem()
		faulty := vfs.NewFaulty(mem)
		e := s.MustOpen(t, faulty, syncClass, s.Busy)
		for i := range 50 {
			storetest.Put(t, e, engines.Nodes, fmt.Sprint(i), "value")
		}
		faulty.Set(fault)
		if err := e.Checkpoint(context.Background()); !errors.Is(err, unix.EIO) {
			t.Errorf("checkpoint with %+v: %v, want EIO", fault, err)
		}
		storetest.Put(t, e, engines.Nodes, "after", "1")
		faulty.Set()
		if err := e.Checkpoint(context.Background()); err != nil {
			t.Errorf("checkpoint after %+v: %v", fault, err)
		}
		want := storetest.ReadAll(t, e)
		storetest.MustClose(t, e)
		e = s.MustOpen(t, mem, syncClass, nil)
		if got := storetest.ReadAll(t, e); !got.Equal(want) {
			t.Errorf("reopened with %d records, want %d", len(got), len(want))
		}
		storetest.MustClose(t, e)
	}
}

// FailedOpen demands that an open that fails leaves the directory free for the next one. own are
// faults of what only this engine reads.
func FailedOpen[E storetest.Engine](t *testing.T, s storetest.Subject[E], own ...vfs.Fault) {
	process := engines.Durability{Class: engines.Process}
	mem, want := storetest.ClosedStore(t, s, storetest.Closed{Durability: process})
	for _, fault := range append(own,
		vfs.Fault{Op: vfs.OpRead, Name: meta.Name},
		vfs.Fault{Op: vfs.OpRead, Name: ".wal"}, vfs.Fault{Op: vfs.OpReadDir}, vfs.Fault{Op: vfs.OpSyncDir}) {
		faulty := vfs.NewFaulty(storetest.Clone(mem), fault)
		e, err := s.Try(faulty, process, s.Busy)
		if err == nil {
			t.Errorf("open with %+v succeeds", fault)
			storetest.MustClose(t, e)
		} else if !errors.Is(err, unix.EIO) {
			t.Errorf("open with %+v: %v, want EIO", fault, err)
		}
		faulty.Set()
		e = s.MustOpen(t, faulty, process, s.Busy)
		if got := storetest.ReadAll(t, e); !got.Equal(want) {
			t.Errorf("after a failed open: %d records, want %d", len(got), len(want))
		}
		storetest.MustClose(t, e)
	}
}

// FailedReserve demands that nothing is assigned while META cannot say so, and that reads, and commits later,
// do not suffer from it.
func FailedReserve[E storetest.Engine](t *testing.T, s storetest.Subject[E]) {
	process := engines.Durability{Class: engines.Process}
	mem, want := storetest.ClosedStore(t, s, storetest.Closed{Durability: process})
	for _, op := range []vfs.Op{vfs.OpWrite, vfs.OpRename} {
		faulty := vfs.NewFaulty(storetest.Clone(mem), vfs.Fault{Op: op, Name: meta.Name})
		e := s.MustOpen(t, faulty, process, s.Busy)
		var b engines.Batch
		b.Put(engines.Nodes, []byte("k"), nil)
		if err := e.Apply(context.Background(), &b); !errors.Is(err, unix.EIO) {
			t.Errorf("first commit: %v, want EIO", err)
		}
		if got := storetest.ReadAll(t, e); !got.Equal(want) {
			t.Errorf("%d records, want %d", len(got), len(want))
		}
		faulty.Set()
		storetest.Put(t, e, engines.Nodes, "k", "v")
		storetest.MustClose(t, e)
	}
}

// FailedLater demands that a log that cannot be opened after a clean close leaves a store that can be read.
// rest, if not nil, checks what else is known of its records.
func FailedLater[E storetest.Engine](t *testing.T, s storetest.Subject[E], rest func(e E, records int)) {
	process := engines.Durability{Class: engines.Process}
	mem, want := storetest.ClosedStore(t, s, storetest.Closed{Durability: process, OnClose: true})
	faulty := vfs.NewFaulty(mem, vfs.Fault{Op: vfs.OpMap, Name: ".wal"})
	ctx := context.Background()
	e := s.MustOpen(t, faulty, process, s.Busy)
	if got := storetest.ReadAll(t, e); !got.Equal(want) {
		t.Errorf("%d records, want %d", len(got), len(want))
	}
	var b engines.Batch
	b.Put(engines.Nodes, []byte("k"), nil)
	for what, err := range map[string]error{"commit": e.Apply(ctx, &b), "checkpoint": e.Checkpoint(ctx), "snapshot": e.Snapshot(ctx, "/copy")} {
		if !errors.Is(err, unix.EIO) {
			t.Errorf("%s: %v, want EIO", what, err)
		}
	}
	if rest != nil {
		rest(e, len(want))
	}
	if err := e.Close(); !errors.Is(err, unix.EIO) {
		t.Errorf("close: %v, want EIO", err)
	}
	faulty.Set()
	e = s.MustOpen(t, faulty, process, s.Busy)
	storetest.Put(t, e, engines.Nodes, "k", "v")
	storetest.MustClose(t, e)
}
