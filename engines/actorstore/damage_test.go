package actorstore

import (
	"context"
	"fmt"
	"testing"
	"time"

	"orbitbench/engines"
	"orbitbench/engines/internal/crashtest"
	"orbitbench/engines/internal/damagetest"
	"orbitbench/engines/internal/meta"
	"orbitbench/engines/internal/vfs"
	"orbitbench/engines/internal/wal"
	"orbitbench/engines/lease"
)

func durabilityOf(c engines.Class) engines.Durability {
	d := engines.Durability{Class: c}
	if c == engines.Interval {
		d.Window = 20 * time.Millisecond
	}
	return d
}

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
	readAll = damagetest.ReadAll
	put     = damagetest.Put
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

// putPoint stores a point of a series as lease.Point has it.
func putPoint(t *testing.T, e engines.Engine, metric string, at int64, value float64) engines.Version {
	t.Helper()
	p := lease.Point{Value: value, Labels: []lease.Tag{{Name: "host", Value: "a"}}}
	raw, err := p.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	return put(t, e, engines.TimeSeries, string(lease.AppendPointKey(nil, metric, at)), string(raw))
}

// closedStore returns a cleanly closed store that has every kind of record in a
// checkpoint and behind it, sealed points among them.
func closedStore(t *testing.T, class engines.Class) (*vfs.Mem, contents) {
	t.Helper()
	mem := vfs.NewMem()
	config := map[string]any{"segment_bytes": 16384, "checkpoint_log_bytes": -1, "checkpoint_on_close": false}
	e := mustOpen(t, mem, durabilityOf(class), config)
	damagetest.Fill(t, e, func(round int) {
		for i := range 40 {
			putPoint(t, e, fmt.Sprintf("metric-%d", i%3), int64(round*100+i), float64(i))
		}
	})
	all := readAll(t, e)
	mustClose(t, e)
	return mem, all
}

// TestDamageAfterCleanClose: whatever is damaged in whatever file, an open gives
// the right data or an explicit error, and Verify agrees with it.
func TestDamageAfterCleanClose(t *testing.T) {
	for _, class := range []engines.Class{engines.Sync, engines.Process, engines.Interval} {
		mem, want := closedStore(t, class)
		kinds := []string{meta.Name, checkpoints.Prefix, seriesFiles.Prefix, ".wal"}
		damagetest.AfterCleanClose(t, mem, logName, class, kinds, func(m *vfs.Mem, what string) bool {
			return damagetest.Judge(t, damaged, m, want, what, durabilityOf(class))
		})
	}
}

// TestMissingFiles: a store that lacks one of its files is not opened as if nothing were missing.
func TestMissingFiles(t *testing.T) {
	for _, class := range []engines.Class{engines.Sync, engines.Process} {
		mem, want := closedStore(t, class)
		// Without the checkpoint the dropped segments may still give the right data.
		damagetest.MissingFiles(t, mem, logName, []string{meta.Name}, func(m *vfs.Mem, what string) bool {
			return damagetest.Judge(t, damaged, m, want, what, durabilityOf(class))
		})
	}
}
