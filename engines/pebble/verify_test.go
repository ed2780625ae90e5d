package pebble

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"orbitbench/engines"
)

// closedStore makes a store with tables on disk, records in its log, and closes it.
func closedStore(t *testing.T) (dir string, records uint64) {
	t.Helper()
	ctx := context.Background()
	dir = filepath.Join(t.TempDir(), "s")
	e, err := Driver{}.Open(ctx, engines.Options{Dir: dir, Durability: engines.Durability{Class: engines.Process}})
	if err != nil {
		t.Fatal(err)
	}
	put := func(ks engines.Keyspace, n int) {
		var b engines.Batch
		for i := range n {
			b.Put(ks, fmt.Appendf(nil, "key-%05d", i), bytes.Repeat([]byte{byte(i), byte(i >> 8), 7}, 150))
		}
		if err := e.Apply(ctx, &b); err != nil {
			t.Fatal(err)
		}
	}
	put(engines.Leases, 1000)
	if err := e.(engines.Checkpointer).Checkpoint(ctx); err != nil {
		t.Fatal(err)
	}
	put(engines.Nodes, 100)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	return dir, 1100
}

func TestVerifyCounts(t *testing.T) {
	dir, records := closedStore(t)
	last := int64(0)
	report, err := Driver{}.Verify(context.Background(), dir, func(done, total int64) {
		if done < last || done > total {
			t.Errorf("progress %d of %d after %d", done, total, last)
		}
		last = done
	})
	if err != nil || report.Records != records || report.Bytes != last {
		t.Errorf("%+v, progress to %d, %v, want %d records", report, last, err, records)
	}
	e, err := Driver{}.Open(context.Background(), engines.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if _, err := (Driver{}).Verify(context.Background(), dir, nil); !errors.Is(err, engines.ErrLocked) {
		t.Errorf("verifying an open store: %v, want ErrLocked", err)
	}
}

// TestVerifyFindsDamage flips a byte at many places of every table, and takes
// files away. Each must be told with the file; in a block, with its offset.
func TestVerifyFindsDamage(t *testing.T) {
	dir, _ := closedStore(t)
	tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatalf("no tables (%v)", err)
	}
	placed := 0
	for _, path := range tables {
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for at := 0; at < len(whole); at += max(1, len(whole)/40) {
			raw := bytes.Clone(whole)
			raw[at] ^= 0x10
			if err := os.WriteFile(path, raw, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Driver{}.Verify(context.Background(), dir, nil)
			var damage *engines.CorruptError
			if !errors.As(err, &damage) || damage.File != path && damage.File != dir {
				t.Errorf("byte %d of %s: %v, want ErrCorrupt that names the file", at, filepath.Base(path), err)
			} else if damage.Offset >= 0 && damage.File == path {
				placed++
			}
		}
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if placed < 20 {
		t.Errorf("%d of the damages were told with their block", placed)
	}
	for _, pattern := range []string{"*.sst", "MANIFEST-*", "marker.manifest*"} {
		path, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(path) == 0 {
			t.Fatalf("no %s (%v)", pattern, err)
		}
		if err := os.Rename(path[0], path[0]+".away"); err != nil {
			t.Fatal(err)
		}
		if _, err := (Driver{}).Verify(context.Background(), dir, nil); err == nil {
			t.Errorf("without %s: no error", pattern)
		}
		if err := os.Rename(path[0]+".away", path[0]); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := (Driver{}).Verify(context.Background(), dir, nil); err != nil {
		t.Errorf("whole again: %v", err)
	}
}
