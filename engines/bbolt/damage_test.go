package bbolt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"orbitbench/engines"
	"orbitbench/engines/lease"
)

func options(t *testing.T, config map[string]any) engines.Options {
	t.Helper()
	return engines.Options{
		Dir: filepath.Join(t.TempDir(), "s"), Config: config,
		Durability: engines.Durability{Class: engines.Process},
	}
}

func fill(t *testing.T, o engines.Options, records, size int) {
	t.Helper()
	e, err := Driver{}.Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	var b engines.Batch
	for i := range records {
		b.Put(engines.Nodes, fmt.Appendf(nil, "key-%05d", i), make([]byte, size))
	}
	if err := errors.Join(e.Apply(context.Background(), &b), e.Close()); err != nil {
		t.Fatal(err)
	}
}

// readAll opens the store and reads everything; it returns the first error.
func readAll(o engines.Options) (records int, err error) {
	e, err := Driver{}.Open(context.Background(), o)
	if err != nil {
		return 0, err
	}
	err = e.Scan(context.Background(), engines.Nodes, nil, nil, func(_, _ []byte, _ engines.Version) error {
		records++
		return nil
	})
	return records, errors.Join(err, e.Close())
}

// TestDamageIsAnError zeroes each page of a store in turn, and cuts the file at
// each: reading it gives every record or ErrCorrupt, and never ends the
// process. bbolt has no checksums on its tree pages, so damage inside a page
// that keeps its form cannot be told.
func TestDamageIsAnError(t *testing.T) {
	// With a synced freelist: bbolt rebuilds one that is not in a goroutine whose
	// panic about a damaged page nobody can catch.
	o := options(t, map[string]any{"no_freelist_sync": false})
	const records = 300
	fill(t, o, records, 200)
	path := filepath.Join(o.Dir, fileName)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	page := os.Getpagesize()
	found := 0
	for at := 0; at < min(len(whole), 64*page); at += page {
		for _, cut := range []bool{false, true} {
			damaged := append([]byte(nil), whole...)
			if cut {
				damaged = damaged[:at+page/2]
			} else {
				clear(damaged[at : at+page])
			}
			if err := os.WriteFile(path, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			report, verifyErr := Driver{}.Verify(context.Background(), o.Dir, nil)
			n, err := readAll(o)
			switch {
			case verifyErr == nil && report.Records != records:
				t.Errorf("page %d, cut %v: Verify counts %d records of %d and finds no damage", at/page, cut, report.Records, records)
			case verifyErr != nil && !errors.Is(verifyErr, engines.ErrCorrupt):
				t.Errorf("page %d, cut %v: Verify gives %v, want ErrCorrupt or nothing", at/page, cut, verifyErr)
			}
			switch {
			case errors.Is(err, engines.ErrCorrupt):
				found++
			case err != nil:
				t.Errorf("page %d, cut %v: %v, want ErrCorrupt or every record", at/page, cut, err)
			case n != records:
				t.Errorf("page %d, cut %v: %d records of %d and no error", at/page, cut, n, records)
			}
		}
	}
	if found == 0 {
		t.Error("no damage was found")
	}
}

func TestMaxSizeIsFull(t *testing.T) {
	o := options(t, map[string]any{"max_size": 1 << 20, "initial_mmap_size": 1 << 16, "alloc_size": 1 << 16})
	ctx := context.Background()
	e, err := Driver{}.Open(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	var full error
	var b engines.Batch
	n := 0
	for ; full == nil && n < 1000; n++ {
		b.Reset()
		b.Put(engines.Nodes, fmt.Appendf(nil, "key-%05d", n), make([]byte, 10_000))
		full = e.Apply(ctx, &b)
	}
	if !errors.Is(full, engines.ErrFull) {
		t.Fatalf("after %d records: %v, want ErrFull", n, full)
	}
	if _, _, err := e.Get(ctx, engines.Nodes, []byte("key-00000"), nil); err != nil {
		t.Errorf("Get from a full store: %v", err)
	}
	if _, _, err := e.Get(ctx, engines.Nodes, fmt.Appendf(nil, "key-%05d", n-1), nil); !errors.Is(err, engines.ErrNotFound) {
		t.Errorf("Get of the refused record: %v, want ErrNotFound", err)
	}
	b.Reset()
	b.Delete(engines.Nodes, []byte("key-00000"))
	if err := e.Apply(ctx, &b); err != nil {
		t.Errorf("Delete in a full store: %v", err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}

// TestRolledBackReservation refuses the commit that would have carried the
// version ceiling: the next one must carry it.
func TestRolledBackReservation(t *testing.T) {
	o := options(t, map[string]any{"version_stride": 1})
	ctx := context.Background()
	e, err := Driver{}.Open(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	var b engines.Batch
	b.Put(engines.Nodes, []byte("a"), nil)
	b.Renew([]byte("no such lease"), lease.Renewal{ExpiresAt: 2, Now: 1})
	if err := e.Apply(ctx, &b); !errors.Is(err, engines.ErrNotFound) {
		t.Fatalf("Apply: %v, want ErrNotFound", err)
	}
	b.Reset()
	b.Put(engines.Nodes, []byte("a"), nil)
	if err := e.Apply(ctx, &b); err != nil {
		t.Fatal(err)
	}
	inner := e.(*engine)
	found, err := inner.prepareBuckets()
	if err != nil || found.Ceiling < b.Ops[0].Assigned {
		t.Errorf("version %d is assigned, the ceiling on disk is %d (%v)", b.Ops[0].Assigned, found.Ceiling, err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}
