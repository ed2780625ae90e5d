package cowbtree

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"os"
	"slices"
	"testing"

	"orbitbench/engines"
	"orbitbench/engines/internal/meta"
	"orbitbench/engines/internal/vfs"
	"orbitbench/engines/lease"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// goldenStore has one record of each kind in the page file and in the log.
func goldenStore(t *testing.T) *vfs.Mem {
	t.Helper()
	mem := vfs.NewMem()
	if err := mem.MkdirAll(crashDir); err != nil {
		t.Fatal(err)
	}
	if err := metaFormat.Write(mem, crashDir, meta.Meta{Seed: 42}); err != nil {
		t.Fatal(err)
	}
	e := mustOpen(t, mem, syncClass, map[string]any{"segment_bytes": 16384, "checkpoint_log_bytes": -1, "checkpoint_on_close": false})
	l := lease.New("node-1", 100, 50, nil)
	value, err := l.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	v := put(t, e, engines.Leases, "actor", string(value))
	put(t, e, engines.Nodes, "gone", "soon")
	ctx := context.Background()
	var b engines.Batch
	b.Delete(engines.Nodes, []byte("gone"))
	b.Put(engines.Index, []byte("of node-1"), nil)
	if err := e.Apply(ctx, &b); err != nil {
		t.Fatal(err)
	}
	if err := e.Checkpoint(ctx); err != nil {
		t.Fatal(err)
	}
	if v, err = e.RenewLease(ctx, []byte("actor"), v, lease.Renewal{ExpiresAt: 200, Now: 120}); err != nil {
		t.Fatal(err)
	}
	b.Reset()
	b.Require(engines.Leases, []byte("actor"), v)
	b.Renew([]byte("actor"), lease.Renewal{ExpiresAt: 300, Now: 130})
	b.Put(engines.Nodes, []byte("gone"), []byte("and back"))
	b.Delete(engines.Index, []byte("of node-1"))
	if err := e.Apply(ctx, &b); err != nil {
		t.Fatal(err)
	}
	mustClose(t, e)
	return mem
}

func TestDumpGolden(t *testing.T) {
	var out bytes.Buffer
	if err := dump(context.Background(), goldenStore(t), crashDir, &out); err != nil {
		t.Fatal(err)
	}
	const name = "testdata/dump.txt"
	// Which other segments there are depends on how fast they are made in the background.
	pages, log, _ := bytes.Cut(out.Bytes(), []byte("/store/log/"))
	_, log, ok := bytes.Cut(log, []byte("00000002.wal"))
	if log, _, _ = bytes.Cut(log, []byte("/store/log/")); !ok {
		t.Fatalf("the segment behind the checkpoint is missing:\n%s", out.Bytes())
	}
	got := slices.Concat(pages, log)
	if *update {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("dump differs from %s (run with -update to accept):\n%s", name, got)
	}
}

func TestVerifyCounts(t *testing.T) {
	var done, total int64
	report, err := verify(context.Background(), goldenStore(t), crashDir, func(d, n int64) {
		if d < done || d > n {
			t.Errorf("progress goes from %d to %d of %d", done, d, n)
		}
		done, total = d, n
	})
	if err != nil {
		t.Fatal(err)
	}
	// 2 records in the pages, a renewal, and a batch of three operations.
	if report.Records != 6 || report.TornTail || report.Bytes != total || done != total || report.Files < 3 {
		t.Errorf("report %+v, progress %d of %d", report, done, total)
	}
}

// TestVersionsAfterUncleanStop: in a class that may lose acknowledged commits
// the next version jumps over all that may have been assigned.
func TestVersionsAfterUncleanStop(t *testing.T) {
	mem := vfs.NewMem()
	process := engines.Durability{Class: engines.Process}
	e := mustOpen(t, mem, process, crashConfig)
	first := put(t, e, engines.Nodes, "n", "1")
	if first > meta.Stride {
		t.Fatalf("first version is %d", first)
	}
	crashed := mem.Kill()
	again := mustOpen(t, crashed, syncClass, crashConfig)
	_, v, err := again.Get(context.Background(), engines.Nodes, []byte("n"), nil)
	if err != nil || v != first {
		t.Errorf("after a kill: version %d, %v, want %d", v, err, first)
	}
	if v := put(t, again, engines.Nodes, "n", "2"); v <= meta.Stride {
		t.Errorf("the version after an unclean stop is %d, want more than %d", v, meta.Stride)
	}
	mustClose(t, again)
	mustClose(t, e)
}

func TestSecondOpenIsLocked(t *testing.T) {
	mem := vfs.NewMem()
	e := mustOpen(t, mem, syncClass, crashConfig)
	if _, err := open(context.Background(), mem, engines.Options{Dir: crashDir, Durability: syncClass}); !errors.Is(err, engines.ErrLocked) {
		t.Errorf("second open: %v, want ErrLocked", err)
	}
	mustClose(t, e)
}
