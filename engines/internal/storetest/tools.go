package storetest

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"os"
	"testing"

	"orbitbench/engines"
	"orbitbench/engines/internal/meta"
	"orbitbench/engines/internal/vfs"
)

var (
	update    = flag.Bool("update", false, "rewrite the golden files")
	syncClass = engines.Durability{Class: engines.Sync}
)

// DumpGolden compares the dump of a store with testdata/dump.txt.
func DumpGolden[E Engine](t *testing.T, s Subject[E]) {
	var out bytes.Buffer
	if err := s.Dump(context.Background(), s.golden(t), Dir, &out); err != nil {
		t.Fatal(err)
	}
	got := out.Bytes()
	if s.Steady != nil {
		got = s.Steady(t, got)
	}
	const name = "testdata/dump.txt"
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

// VerifyCounts demands that Verify counts what it reads, and tells how far it is.
func VerifyCounts[E Engine](t *testing.T, s Subject[E]) {
	var done, total int64
	report, err := s.Verify(context.Background(), s.golden(t), Dir, func(d, n int64) {
		if d < done || d > n {
			t.Errorf("progress goes from %d to %d of %d", done, d, n)
		}
		done, total = d, n
	})
	if err != nil {
		t.Fatal(err)
	}
	if report.Records != 6 || report.TornTail || report.Bytes != total || done != total || report.Files < 3 {
		t.Errorf("report %+v, progress %d of %d", report, done, total)
	}
}

// VersionsAfterUncleanStop demands that in a class that may lose acknowledged commits
// the next version jumps over all that may have been assigned.
func VersionsAfterUncleanStop[E Engine](t *testing.T, s Subject[E]) {
	mem := vfs.NewMem()
	e := s.MustOpen(t, mem, engines.Durability{Class: engines.Process}, s.Busy)
	first := Put(t, e, engines.Nodes, "n", "1")
	if first > meta.Stride {
		t.Fatalf("first version is %d", first)
	}
	again := s.MustOpen(t, mem.Kill(), syncClass, s.Busy)
	_, v, err := again.Get(context.Background(), engines.Nodes, []byte("n"), nil)
	if err != nil || v != first {
		t.Errorf("after a kill: version %d, %v, want %d", v, err, first)
	}
	if v := Put(t, again, engines.Nodes, "n", "2"); v <= meta.Stride {
		t.Errorf("the version after an unclean stop is %d, want more than %d", v, meta.Stride)
	}
	MustClose(t, again)
	MustClose(t, e)
}

// SecondOpenIsLocked demands that an open store cannot be opened once more.
func SecondOpenIsLocked[E Engine](t *testing.T, s Subject[E]) {
	mem := vfs.NewMem()
	e := s.MustOpen(t, mem, syncClass, s.Busy)
	if _, err := s.Try(mem, syncClass, nil); !errors.Is(err, engines.ErrLocked) {
		t.Errorf("second open: %v, want ErrLocked", err)
	}
	MustClose(t, e)
}
