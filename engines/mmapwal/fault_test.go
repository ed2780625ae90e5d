package mmapwal

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"orbitbench/engines"
	"orbitbench/engines/internal/damagetest"
	"orbitbench/engines/internal/vfs"
)

func TestFailedSync(t *testing.T) { damagetest.FailedSync(t, subject) }
func TestFullDisk(t *testing.T)   { damagetest.FullDisk(t, subject) }

// TestFailedCheckpoint: a checkpoint that cannot be written costs nothing but itself, at
// whatever step it fails, and the next one brings all of it.
func TestFailedCheckpoint(t *testing.T) {
	for _, fault := range []vfs.Fault{
		{Op: vfs.OpOpen, Name: journalName}, {Op: vfs.OpWrite, Name: journalName}, {Op: vfs.OpWrite, Name: journalName, Skip: 3},
		{Op: vfs.OpSync, Name: journalName}, {Op: vfs.OpRename, Name: journalName}, {Op: vfs.OpRead, Name: journalName},
		{Op: vfs.OpOpen, Name: tableName}, {Op: vfs.OpWrite, Name: tableName}, {Op: vfs.OpWrite, Name: tableName, Skip: 3},
		{Op: vfs.OpSync, Name: tableName}, {Op: vfs.OpWrite, Name: rootName}, {Op: vfs.OpRename, Name: rootName}, {Op: vfs.OpRemove, Name: journalName},
	} {
		mem := vfs.NewMem()
		faulty := vfs.NewFaulty(mem)
		e := mustOpen(t, faulty, syncClass, map[string]any{"extent_bytes": 2 << 20, "segment_bytes": 65536, "checkpoint_log_bytes": -1, "checkpoint_share": 1})
		for i := range 50 {
			put(t, e, engines.Nodes, fmt.Sprint(i), "value")
			put(t, e, engines.Snapshots, fmt.Sprint(i), strings.Repeat("v", 300*i))
		}
		faulty.Set(fault)
		if err := e.Checkpoint(context.Background()); !errors.Is(err, unix.EIO) {
			t.Errorf("checkpoint with %+v: %v, want EIO", fault, err)
		}
		put(t, e, engines.Nodes, "after", "1")
		put(t, e, engines.Nodes, "7", "changed")
		crashed := mem.Crash(rand.New(rand.NewPCG(1, 2)), vfs.LoseSome)
		want := readAll(t, e)
		for what, m := range map[string]*vfs.Mem{"crashed": crashed, "later": mem} {
			if what == "later" {
				faulty.Set()
				if err := e.Checkpoint(context.Background()); err != nil {
					t.Errorf("checkpoint after %+v: %v", fault, err)
				}
				if err := e.auditLive(); err != nil {
					t.Errorf("after %+v: %v", fault, err)
				}
				mustClose(t, e)
			}
			again := mustOpen(t, m, syncClass, nil)
			if got := readAll(t, again); !got.Equal(want) {
				t.Errorf("%+v: %s and opened with %d records, want %d", fault, what, len(got), len(want))
			}
			if err := again.auditLive(); err != nil {
				t.Errorf("%+v: %s: %v", fault, what, err)
			}
			mustClose(t, again)
		}
	}
}

func TestFailedReserve(t *testing.T) { damagetest.FailedReserve(t, subject) }

func TestFailedOpen(t *testing.T) {
	damagetest.FailedOpen(t, subject, vfs.Fault{Op: vfs.OpRead, Name: rootName}, vfs.Fault{Op: vfs.OpMap, Name: tableName})
}

func TestFailedLater(t *testing.T) { damagetest.FailedLater(t, subject, nil) }

func TestLogStaysBounded(t *testing.T) {
	damagetest.LogStaysBounded(t, subject, func(e *engine) {
		if pages := e.pool.pages(); pages > 4*minExtentPages {
			t.Errorf("a table of %d pages for 400 records", pages)
		}
	})
}

func TestTableLimit(t *testing.T) {
	damagetest.Limit(t, subject, "table_limit_bytes", 2<<20, 1000, 1000)
}

// TestTruncatedWhileOpen: somebody cuts the table short under an open store. Every call that needs what
// is gone is told, the process lives, and the log brings the store back where it has it.
func TestTruncatedWhileOpen(t *testing.T) {
	for _, class := range []engines.Class{engines.Process, engines.Sync} {
		dir := t.TempDir() + "/store"
		d := engines.Durability{Class: class}
		o := engines.Options{Dir: dir, Durability: d, Config: map[string]any{"extent_bytes": 2 << 20, "segment_bytes": 1 << 20}}
		e, err := open(context.Background(), vfs.OS, o)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 500 {
			put(t, e, engines.Leases, fmt.Sprint("key", i), "value")
		}
		mustClose(t, e)
		if e, err = open(context.Background(), vfs.OS, o); err != nil {
			t.Fatal(err)
		}
		for i := range 250 { // some pages have been changed, others only read, others not touched
			put(t, e, engines.Leases, fmt.Sprint("key", i), "changed")
		}
		if err := os.Truncate(dir+"/"+tableName, 40*pageBytes); err != nil {
			t.Fatal(err)
		}
		told := 0
		for i := range 500 {
			_, _, err := e.Get(context.Background(), engines.Leases, fmt.Appendf(nil, "key%d", i), nil)
			if err != nil {
				if !errors.Is(err, engines.ErrCorrupt) || !errors.Is(err, engines.ErrFailed) || !strings.Contains(err.Error(), tableName) {
					t.Fatalf("class %s: read of a table that was cut short: %v", class, err)
				}
				told++
			}
		}
		if told == 0 {
			t.Errorf("class %s: nobody was told", class)
		}
		var b engines.Batch
		b.Put(engines.Leases, []byte("key400"), []byte("x"))
		if err := e.Apply(context.Background(), &b); !errors.Is(err, engines.ErrFailed) {
			t.Errorf("class %s: commit: %v, want ErrFailed", class, err)
		}
		scan := e.Scan(context.Background(), engines.Leases, nil, nil, func([]byte, []byte, engines.Version) error { return nil })
		if !errors.Is(scan, engines.ErrFailed) {
			t.Errorf("class %s: scan: %v, want ErrFailed", class, scan)
		}
		if err := e.Checkpoint(context.Background()); !errors.Is(err, engines.ErrFailed) {
			t.Errorf("class %s: checkpoint: %v, want ErrFailed", class, err)
		}
		if err := e.Close(); !errors.Is(err, engines.ErrFailed) {
			t.Errorf("class %s: close: %v, want ErrFailed", class, err)
		}
		if _, err := open(context.Background(), vfs.OS, o); !errors.Is(err, engines.ErrCorrupt) {
			t.Errorf("class %s: open of a table that was cut short: %v, want ErrCorrupt", class, err)
		}
	}
}
