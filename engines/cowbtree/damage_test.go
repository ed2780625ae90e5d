package cowbtree

import (
	"context"
	"errors"
	"testing"

	"orbitbench/engines"
	"orbitbench/engines/internal/crashtest"
	"orbitbench/engines/internal/damagetest"
	"orbitbench/engines/internal/meta"
	"orbitbench/engines/internal/vfs"
	"orbitbench/engines/internal/wal"
)

// damaged is the engine as the tests of faults and of damage see it.
var damaged = damagetest.Subject{
	Open: func(ctx context.Context, fs vfs.FS, o engines.Options) (crashtest.Engine, error) {
		return open(ctx, fs, o)
	},
	Verify: subject.Verify,
	Log:    func(e crashtest.Engine) *wal.Log { return e.(*engine).log },
	Config: crashConfig,
}

type contents = damagetest.Contents

var (
	readAll  = damagetest.ReadAll
	readSome = damagetest.Read
	put      = damagetest.Put
	clone    = damagetest.Clone
)

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

// closedStore returns a cleanly closed store that has every kind of record in a
// checkpoint and, unless Close makes one, behind it.
func closedStore(t *testing.T, class engines.Class, checkpoint bool) (*vfs.Mem, contents) {
	t.Helper()
	mem := vfs.NewMem()
	config := map[string]any{"segment_bytes": 16384, "max_keys_per_node": 4, "checkpoint_log_bytes": -1, "checkpoint_on_close": checkpoint}
	e := mustOpen(t, mem, engines.Durability{Class: class}, config)
	damagetest.Fill(t, e, nil)
	all := readAll(t, e)
	mustClose(t, e)
	return mem, all
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
		if !got.Equal(want) {
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

// TestDamageAfterCleanClose: whatever is damaged in whatever file, an open gives
// the right data or an explicit error, and Verify agrees with it.
func TestDamageAfterCleanClose(t *testing.T) {
	for i, class := range []engines.Class{engines.Sync, engines.Process, engines.Sync, engines.Process} {
		mem, want := closedStore(t, class, i > 1)
		kinds := []string{meta.Name, pagesName, ".wal"}
		damagetest.AfterCleanClose(t, mem, logName, class, kinds, func(m *vfs.Mem, what string) bool {
			return judgeDamage(t, m, want, what, class)
		})
	}
}

// TestMissingFiles: a store that lacks one of its files is not opened as if nothing were missing.
func TestMissingFiles(t *testing.T) {
	for i, class := range []engines.Class{engines.Sync, engines.Process, engines.Sync, engines.Process} {
		mem, want := closedStore(t, class, i > 1)
		damagetest.MissingFiles(t, mem, logName, []string{meta.Name, pagesName}, func(m *vfs.Mem, what string) bool {
			return judgeDamage(t, m, want, what, class)
		})
	}
}
