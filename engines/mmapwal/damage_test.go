package mmapwal

import (
	"context"
	"errors"
	"fmt"
	"strings"
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
	clone      = damagetest.Clone
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
// checkpoint and behind it, short and long.
func closedStore(t *testing.T, class engines.Class, onClose bool) (*vfs.Mem, contents) {
	t.Helper()
	mem := vfs.NewMem()
	config := map[string]any{"extent_bytes": 2 << 20, "segment_bytes": 16384, "checkpoint_log_bytes": -1, "checkpoint_on_close": onClose}
	e := mustOpen(t, mem, engines.Durability{Class: class}, config)
	damagetest.Fill(t, e, func(round int) {
		put(t, e, engines.Snapshots, fmt.Sprintf("long-%d", round), strings.Repeat("long", 2000+round))
	})
	all := readAll(t, e)
	mustClose(t, e)
	return mem, all
}

// judgeDamage reports whether the damage was noticed: by the open, or by the first read of what is damaged.
func judgeDamage(t *testing.T, m *vfs.Mem, want contents, what string, class engines.Class) bool {
	t.Helper()
	before := clone(m)
	_, verr := verify(context.Background(), m, crashDir, nil)
	if verr != nil && !errors.Is(verr, engines.ErrCorrupt) && !errors.Is(verr, engines.ErrUnsupported) {
		t.Errorf("%s: verify gives %v, want ErrCorrupt", what, verr)
	}
	e, err := open(context.Background(), m, engines.Options{Dir: crashDir, Durability: engines.Durability{Class: class}, Config: crashConfig})
	var got contents
	if err == nil {
		got, err = tryReadAll(e)
		// A log with nothing to replay is opened while readers are served: Close tells.
		if cerr := e.Close(); err == nil {
			err = cerr
		}
	}
	if err != nil {
		if !errors.Is(err, engines.ErrCorrupt) && !errors.Is(err, engines.ErrUnsupported) {
			t.Errorf("%s: %v, want ErrCorrupt", what, err)
		}
		if verr == nil {
			t.Errorf("%s: %v, but verify finds nothing", what, err)
		}
		return true
	}
	if !got.Equal(want) {
		t.Errorf("%s: opened with wrong data (%d records, want %d)", what, len(got), len(want))
	}
	if _, err := verify(context.Background(), before, crashDir, nil); (err == nil) != (verr == nil) {
		t.Errorf("%s: verify gives %v and then %v", what, verr, err)
	}
	return verr != nil
}

// TestDamageAfterCleanClose: whatever is damaged in whatever file, an open gives
// the right data or an explicit error, and Verify agrees with it.
func TestDamageAfterCleanClose(t *testing.T) {
	for i, class := range []engines.Class{engines.Sync, engines.Process, engines.Sync, engines.Process} {
		mem, want := closedStore(t, class, i < 2) // with nothing to replay, and with a log
		kinds := []string{meta.Name, rootName, tableName, ".wal"}
		damagetest.AfterCleanClose(t, mem, logName, class, kinds, func(m *vfs.Mem, what string) bool {
			return judgeDamage(t, m, want, what, class)
		})
	}
}

// TestMissingFiles: a store that lacks one of its files is not opened as if nothing were missing.
func TestMissingFiles(t *testing.T) {
	for i, class := range []engines.Class{engines.Sync, engines.Process, engines.Sync, engines.Process} {
		mem, want := closedStore(t, class, i < 2) // with nothing to replay, and with a log
		damagetest.MissingFiles(t, mem, logName, []string{meta.Name, rootName, tableName}, func(m *vfs.Mem, what string) bool {
			return judgeDamage(t, m, want, what, class)
		})
	}
}
