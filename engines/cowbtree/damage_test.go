package cowbtree

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"strings"
	"testing"
	"time"

	"orbitbench/engines"
	"orbitbench/engines/internal/meta"
	"orbitbench/engines/internal/storedir"
	"orbitbench/engines/internal/vfs"
	"orbitbench/engines/lease"
)

// contents is what a store holds, for comparison.
type contents map[string]string

func readAll(t *testing.T, e engines.Engine) contents {
	t.Helper()
	all, err := readSome(e)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// readSome reads up to the first error.
func readSome(e engines.Engine) (contents, error) {
	all := contents{}
	for _, ks := range engines.AllKeyspaces() {
		err := e.Scan(context.Background(), ks, nil, nil, func(key, value []byte, v engines.Version) error {
			all[fmt.Sprintf("%s/%x", ks, key)] = fmt.Sprintf("%d/%x", v, value)
			return nil
		})
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

func (c contents) equal(o contents) bool {
	if len(c) != len(o) {
		return false
	}
	for k, v := range c {
		if o[k] != v {
			return false
		}
	}
	return true
}

func mustOpen(t *testing.T, fsys vfs.FS, d engines.Durability, config map[string]any) *engine {
	t.Helper()
	e, err := open(context.Background(), fsys, engines.Options{Dir: crashDir, Durability: d, Config: config, Logf: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func mustClose(t *testing.T, e *engine) {
	t.Helper()
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, e engines.Engine, ks engines.Keyspace, key, value string) engines.Version {
	t.Helper()
	var b engines.Batch
	b.Put(ks, []byte(key), []byte(value))
	if err := e.Apply(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	return b.Ops[0].Assigned
}

// closedStore returns a cleanly closed store that has every kind of record in a
// checkpoint and, unless Close makes one, behind it.
func closedStore(t *testing.T, class engines.Class, checkpoint bool) (*vfs.Mem, contents) {
	t.Helper()
	mem := vfs.NewMem()
	config := map[string]any{"segment_bytes": 16384, "max_keys_per_node": 4, "checkpoint_log_bytes": -1, "checkpoint_on_close": checkpoint}
	e := mustOpen(t, mem, engines.Durability{Class: class}, config)
	ctx := context.Background()
	l := lease.New("node", 1, time.Hour, nil)
	value, err := l.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	for round := range 3 {
		for i := range 60 {
			put(t, e, engines.Keyspace(i%engines.NumKeyspaces), fmt.Sprintf("key-%d-%d", round, i), string(make([]byte, i*5)))
			v := put(t, e, engines.Leases, fmt.Sprintf("lease-%d", i), string(value))
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
	all := readAll(t, e)
	mustClose(t, e)
	return mem, all
}

func clone(m *vfs.Mem) *vfs.Mem { return m.Crash(rand.New(rand.NewPCG(1, 1)), vfs.LoseNone) }

// storeFiles lists the files of a store.
func storeFiles(t *testing.T, m *vfs.Mem) []string {
	t.Helper()
	var files []string
	for _, dir := range []string{crashDir, path.Join(crashDir, logName)} {
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

// hurt is one way to damage a file at an offset.
type hurt struct {
	name string
	do   func(f vfs.File, size, off int64) error
}

var hurts = []hurt{
	{"flip a bit", func(f vfs.File, _, off int64) error {
		b := make([]byte, 1)
		if _, err := f.ReadAt(b, off); err != nil {
			return err
		}
		b[0] ^= 1 << (off % 8)
		_, err := f.WriteAt(b, off)
		return err
	}},
	{"zero a sector", func(f vfs.File, size, off int64) error {
		off &^= vfs.SectorBytes - 1
		_, err := f.WriteAt(make([]byte, min(vfs.SectorBytes, size-off)), off)
		return err
	}},
	{"truncate", func(f vfs.File, _, off int64) error { return f.Truncate(off) }},
}

// TestDamageAfterCleanClose: whatever is damaged in whatever file, an open gives
// the right data or an explicit error, and Verify agrees with it.
func TestDamageAfterCleanClose(t *testing.T) {
	samples := 30
	if testing.Short() {
		samples = 8
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	for i, class := range []engines.Class{engines.Sync, engines.Process, engines.Sync, engines.Process} {
		mem, want := closedStore(t, class, i > 1)
		caught := map[string]int{}
		for _, name := range storeFiles(t, mem) {
			for _, h := range hurts {
				for range samples {
					m := clone(mem)
					off := damage(t, rng, m, name, h)
					if off < 0 {
						continue
					}
					if judgeDamage(t, m, want, fmt.Sprintf("%s of %s at %d", h.name, name, off), class) {
						caught[path.Base(name)]++
					}
				}
			}
		}
		for _, kind := range []string{meta.Name, pagesName, ".wal"} {
			n := 0
			for name, c := range caught {
				if strings.Contains(name, kind) {
					n += c
				}
			}
			if n == 0 {
				t.Errorf("class %s: no damage to a %s file was noticed", class, kind)
			}
		}
	}
}

// damage does it and returns where, or -1 if it changed nothing.
func damage(t *testing.T, rng *rand.Rand, m *vfs.Mem, name string, h hurt) int64 {
	t.Helper()
	f, err := m.OpenFile(name, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil || size == 0 {
		return -1
	}
	off := rng.Int64N(size)
	if rng.IntN(2) == 0 {
		off = rng.Int64N(min(size, 6000)) // the beginning holds most
	}
	before, err := vfs.ReadFile(m, name)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.do(f, size, off); err != nil {
		t.Fatal(err)
	}
	after, err := vfs.ReadFile(m, name)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(before, after) {
		return -1
	}
	return off
}

// judgeDamage reports whether the damage was noticed: by Open, or by the read that needs
// the damaged page, since Open does not read them all.
func judgeDamage(t *testing.T, m *vfs.Mem, want contents, what string, class engines.Class) bool {
	t.Helper()
	_, verr := verify(context.Background(), m, crashDir, nil)
	e, err := open(context.Background(), m, engines.Options{Dir: crashDir, Durability: engines.Durability{Class: class}, Config: crashConfig})
	got := contents{}
	if err == nil {
		got, err = readSome(e)
		// A log with nothing to replay is opened while reads are served: Close tells.
		if cerr := e.Close(); err == nil {
			err = cerr
		}
	}
	if err == nil {
		if !got.equal(want) {
			t.Errorf("%s: opened with wrong data (%d records, want %d)", what, len(got), len(want))
		}
		return false
	}
	var corrupt *engines.CorruptError
	if !errors.As(err, &corrupt) && !errors.Is(err, engines.ErrUnsupported) || corrupt != nil && corrupt.File == "" {
		t.Errorf("%s: %v, want ErrCorrupt with a file", what, err)
	}
	if verr == nil {
		t.Errorf("%s: %v, but verify finds nothing", what, err)
	}
	for k, v := range got {
		if want[k] != v {
			t.Errorf("%s: before the damage was met %s was read as %.40s, want %.40s", what, k, v, want[k])
		}
	}
	return true
}

// TestMissingFiles: a store that lacks one of its files is not opened as if nothing were missing.
func TestMissingFiles(t *testing.T) {
	for i, class := range []engines.Class{engines.Sync, engines.Process, engines.Sync, engines.Process} {
		mem, want := closedStore(t, class, i > 1)
		for _, name := range storeFiles(t, mem) {
			m := clone(mem)
			if err := m.Remove(name); err != nil {
				t.Fatal(err)
			}
			base := path.Base(name)
			if noticed := judgeDamage(t, m, want, "loss of "+name, class); (base == meta.Name || base == pagesName) && !noticed {
				t.Errorf("the loss of %s was not noticed", name)
			}
		}
	}
}
