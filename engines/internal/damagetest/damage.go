package damagetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"orbitbench/engines"
	"orbitbench/engines/internal/crashtest"
	"orbitbench/engines/internal/storedir"
	"orbitbench/engines/internal/vfs"
	"orbitbench/engines/lease"
)

// Fill writes every kind of record before a checkpoint and behind it, the first deletes
// included. each, if not nil, adds what only one engine treats in its own way; it is
// called before each of three rounds, the second of which ends with the checkpoint.
func Fill(t *testing.T, e crashtest.Engine, each func(round int)) {
	t.Helper()
	ctx := context.Background()
	l := lease.New("node", 1, time.Hour, nil)
	value, err := l.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	for round := range 3 {
		if each != nil {
			each(round)
		}
		for i := range 60 {
			Put(t, e, engines.Keyspace(i%engines.NumKeyspaces), fmt.Sprintf("key-%d-%d", round, i), string(make([]byte, i*5)))
			v := Put(t, e, engines.Leases, fmt.Sprintf("lease-%d", i), string(value))
			if _, err := e.RenewLease(ctx, fmt.Appendf(nil, "lease-%d", i), v, lease.Renewal{ExpiresAt: int64(time.Hour) + int64(i), Now: 2}); err != nil {
				t.Fatal(err)
			}
		}
		var b engines.Batch
		b.Delete(engines.Nodes, fmt.Appendf(nil, "key-%d-1", round))
		b.Delete(engines.Index, fmt.Appendf(nil, "key-%d-5", round))
		if err := e.Apply(ctx, &b); err != nil {
			t.Fatal(err)
		}
		if round == 1 {
			if err := e.Checkpoint(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Files lists the files of a store but the lock, those of the log included.
func Files(t *testing.T, m *vfs.Mem, logName string) []string {
	t.Helper()
	var files []string
	for _, dir := range []string{crashtest.Dir, path.Join(crashtest.Dir, logName)} {
		names, err := m.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range names {
			if n != logName && n != storedir.LockName {
				files = append(files, path.Join(dir, n))
			}
		}
	}
	return files
}

// Verdict judges one damaged store and reports whether the damage was noticed.
type Verdict func(m *vfs.Mem, what string) bool

// AfterCleanClose damages each file of the closed store mem in each way, and demands
// that some damage to every kind of file, told by a part of its name, is noticed. What
// the rest must be is the verdict's. class is for messages.
func AfterCleanClose(t *testing.T, mem *vfs.Mem, logName string, class engines.Class, kinds []string, v Verdict) {
	t.Helper()
	samples := 30
	if testing.Short() {
		samples = 2
	}
	seed := uint64(1)
	if os.Getenv("ORBITBENCH_TEST_SEED") == "random" {
		seed = rand.Uint64()
	}
	t.Logf("class %s: seed %d", class, seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	try := func(name string, h hurt) bool {
		m := Clone(mem)
		off := damage(t, rng, m, name, h)
		return off >= 0 && v(m, fmt.Sprintf("%s of %s at %d", h.name, name, off))
	}
	caught := map[string]bool{}
	files := Files(t, mem, logName)
	for _, name := range files {
		for _, h := range hurts {
			for range samples {
				if try(name, h) {
					caught[path.Base(name)] = true
				}
			}
		}
	}
	for _, kind := range kinds {
		ours := slices.DeleteFunc(slices.Clone(files), func(name string) bool { return !strings.Contains(path.Base(name), kind) })
		noticed := slices.ContainsFunc(ours, func(name string) bool { return caught[path.Base(name)] })
		for i := 0; !noticed && i < 1000; i++ { // most of a file may be empty
			noticed = try(ours[i%len(ours)], hurts[i%len(hurts)])
		}
		if !noticed {
			t.Errorf("class %s: no damage to a %s file was noticed", class, kind)
		}
	}
}

// MissingFiles removes each file of the closed store mem, and demands that the loss of
// those that are called as named is noticed.
func MissingFiles(t *testing.T, mem *vfs.Mem, logName string, named []string, v Verdict) {
	t.Helper()
	for _, name := range Files(t, mem, logName) {
		m := Clone(mem)
		if err := m.Remove(name); err != nil {
			t.Fatal(err)
		}
		if noticed := v(m, "loss of "+name); slices.Contains(named, path.Base(name)) && !noticed {
			t.Errorf("the loss of %s was not noticed", name)
		}
	}
}

// Judge reports whether the damage to the closed store m, which held want, is noticed:
// by an open, or by the first read where records are brought in later. Wrong data, another
// error than ErrCorrupt or ErrUnsupported, and a Verify that disagrees fail the test.
func Judge(t *testing.T, s Subject, m *vfs.Mem, want Contents, what string, d engines.Durability) bool {
	t.Helper()
	verr := s.Verify(context.Background(), m)
	e, err := s.try(m, d, s.Config)
	if err != nil {
		if !errors.Is(err, engines.ErrCorrupt) && !errors.Is(err, engines.ErrUnsupported) {
			t.Errorf("%s: open gives %v, want ErrCorrupt", what, err)
		}
		if verr == nil {
			t.Errorf("%s: open gives %v, but verify finds nothing", what, err)
		}
		return true
	}
	defer mustClose(t, e)
	got, err := Read(e)
	if errors.Is(err, engines.ErrCorrupt) { // met when the records were brought in
		if verr == nil {
			t.Errorf("%s: reading gives %v, but verify finds nothing", what, err)
		}
		if _, err := Read(e); !errors.Is(err, engines.ErrCorrupt) {
			t.Errorf("%s: read again: %v, want ErrCorrupt as before", what, err)
		}
		return true
	}
	if err != nil || !got.Equal(want) {
		t.Errorf("%s: opened with wrong data (%d records, want %d, %v)", what, len(got), len(want), err)
	}
	return false
}
