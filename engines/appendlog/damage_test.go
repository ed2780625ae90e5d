package appendlog

import (
	"context"
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
	readAll    = damagetest.ReadAll
	tryReadAll = damagetest.Read
	put        = damagetest.Put
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
// snapshot and behind it.
func closedStore(t *testing.T, class engines.Class) (*vfs.Mem, contents) {
	t.Helper()
	mem := vfs.NewMem()
	config := map[string]any{"segment_bytes": 16384, "snapshot_log_bytes": -1, "snapshot_on_close": false}
	e := mustOpen(t, mem, engines.Durability{Class: class}, config)
	damagetest.Fill(t, e, nil)
	all := readAll(t, e)
	mustClose(t, e)
	return mem, all
}

// TestDamageAfterCleanClose: whatever is damaged in whatever file, an open gives
// the right data or an explicit error, and Verify agrees with it.
func TestDamageAfterCleanClose(t *testing.T) {
	for _, class := range []engines.Class{engines.Sync, engines.Process} {
		mem, want := closedStore(t, class)
		kinds := []string{meta.Name, snapshots.Prefix, ".wal"}
		damagetest.AfterCleanClose(t, mem, logName, class, kinds, func(m *vfs.Mem, what string) bool {
			return damagetest.Judge(t, damaged, m, want, what, engines.Durability{Class: class})
		})
	}
}

// TestMissingFiles: a store that lacks one of its files is not opened as if nothing were missing.
func TestMissingFiles(t *testing.T) {
	for _, class := range []engines.Class{engines.Sync, engines.Process} {
		mem, want := closedStore(t, class)
		// Without the snapshot the dropped segments may still give the right data.
		damagetest.MissingFiles(t, mem, logName, []string{meta.Name}, func(m *vfs.Mem, what string) bool {
			return damagetest.Judge(t, damaged, m, want, what, engines.Durability{Class: class})
		})
	}
}
