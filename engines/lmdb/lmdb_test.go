//go:build lmdb && cgo

package lmdb

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"orbitbench/engines"
	"orbitbench/engines/lease"
)

var update = flag.Bool("update", false, "write testdata/store.mdb anew")

var background = context.Background()

func openTest(t *testing.T, o engines.Options) *engine {
	t.Helper()
	e, err := Driver{}.Open(background, o)
	if err != nil {
		t.Fatal(err)
	}
	return e.(*engine)
}

// fill makes trees of more than one level, values with pages of their own, and
// free pages.
func fill(t *testing.T, e engines.Engine, keys int) {
	t.Helper()
	for from := 0; from < keys; from += 50 {
		var b engines.Batch
		for i := from; i < from+50; i++ {
			b.Put(engines.Leases, fmt.Appendf(nil, "actor-%06d", i), bytes.Repeat([]byte{byte(i)}, 200))
		}
		b.Put(engines.Snapshots, fmt.Appendf(nil, "state-%06d", from), bytes.Repeat([]byte{1}, 6000))
		if err := e.Apply(background, &b); err != nil {
			t.Fatal(err)
		}
	}
	var b engines.Batch
	b.Delete(engines.Snapshots, []byte("state-000000"))
	b.Delete(engines.Leases, []byte("actor-000001"))
	if err := e.Apply(background, &b); err != nil {
		t.Fatal(err)
	}
}

// TestGolden holds the library's file to what the portable tests read.
func TestGolden(t *testing.T) {
	const golden = "testdata/store.mdb"
	o := engines.Options{Dir: filepath.Join(t.TempDir(), "s"), Durability: engines.Durability{Class: engines.Sync}}
	e := openTest(t, o)
	fill(t, e, 100)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	report, err := Driver{}.Verify(background, o.Dir, nil)
	if err != nil || report.Records != goldenRecords {
		t.Fatalf("%+v, %v, want %d records", report, err, goldenRecords)
	}
	if !*update {
		return
	}
	raw, err := os.ReadFile(filepath.Join(o.Dir, dataName))
	if err == nil {
		err = os.WriteFile(golden, raw, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestVerifyALargeStore(t *testing.T) {
	o := engines.Options{Dir: filepath.Join(t.TempDir(), "s"), Durability: engines.Durability{Class: engines.Process}}
	e := openTest(t, o)
	fill(t, e, 10_000)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	calls := 0
	report, err := Driver{}.Verify(background, o.Dir, func(done, total int64) {
		if calls++; done > total {
			t.Errorf("%d of %d bytes", done, total)
		}
	})
	if err != nil || report.Records != 10_000-1+200-1 || calls < 2 {
		t.Errorf("%+v, %d calls of progress, %v", report, calls, err)
	}
	// A cut file is told by Open too, before the library maps what is not there.
	path := filepath.Join(o.Dir, dataName)
	if err := os.Truncate(path, report.Bytes/2); err != nil {
		t.Fatal(err)
	}
	_, err = Driver{}.Open(background, o)
	var damage *engines.CorruptError
	if !errors.As(err, &damage) || damage.Offset != report.Bytes/2 || filepath.Base(damage.File) != dataName {
		t.Errorf("opening a file that was cut: %v, want ErrCorrupt at its end", err)
	}
}

// TestOneCrossingPerRenewal counts the calls of C.
func TestOneCrossingPerRenewal(t *testing.T) {
	e := openTest(t, engines.Options{Dir: filepath.Join(t.TempDir(), "s")})
	defer e.Close()
	l := lease.New("node", 0, time.Hour, nil)
	record, err := l.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	var b engines.Batch
	b.Put(engines.Leases, []byte("actor"), record)
	if err := e.Apply(background, &b); err != nil {
		t.Fatal(err)
	}
	v, before := b.Ops[0].Assigned, runtime.NumCgoCall()
	for range 10 {
		if v, err = e.RenewLease(background, []byte("actor"), v, lease.Renewal{ExpiresAt: 1 << 60, Now: 1}); err != nil {
			t.Fatal(err)
		}
	}
	if n := runtime.NumCgoCall() - before; n != 10 {
		t.Errorf("%d crossings for 10 renewals, want one each", n)
	}
	if _, err = e.RenewLease(background, []byte("actor"), 1<<62, lease.Renewal{ExpiresAt: 1 << 60, Now: 1}); !errors.Is(err, engines.ErrConflict) {
		t.Errorf("renewing with a version that was never given: %v, want ErrConflict", err)
	}
	if c := e.versions.Ceiling(); c >= 1<<60 {
		t.Errorf("an absurd version raised the ceiling to %d", c)
	}
}

func TestFullMap(t *testing.T) {
	o := engines.Options{Dir: filepath.Join(t.TempDir(), "s"), Config: map[string]any{"map_size": 4 << 20}}
	e := openTest(t, o)
	defer e.Close()
	var err error
	for i := 0; i < 100 && err == nil; i++ {
		var b engines.Batch
		b.Put(engines.Nodes, fmt.Append(nil, i), make([]byte, 100<<10))
		err = e.Apply(background, &b)
	}
	if !errors.Is(err, engines.ErrFull) {
		t.Fatalf("filling the map: %v, want ErrFull", err)
	}
	if _, _, err := e.Get(background, engines.Nodes, []byte("0"), nil); err != nil {
		t.Errorf("reading from a full store: %v", err)
	}
	var b engines.Batch
	b.Put(engines.Nodes, []byte("1"), nil)
	if err := e.Apply(background, &b); err != nil {
		t.Errorf("a small commit to a store whose map is full for a large one: %v", err)
	}
}
