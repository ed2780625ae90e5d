package actorstore

import (
	"context"
	"testing"
	"time"

	"orbitbench/engines"
	"orbitbench/engines/internal/crashtest"
	"orbitbench/engines/internal/vfs"
)

const crashDir = crashtest.Dir

// crashConfig rotates, checkpoints, seals and drops all the time.
var crashConfig = map[string]any{
	"segment_bytes": 16384, "checkpoint_log_bytes": 8192, "wal_buffer_size": 16384, "checkpoint_share": 1,
	"memory_limit_bytes": 64 << 20, "series_tail_points": 40,
}

var subject = crashtest.Subject{
	Open: func(ctx context.Context, fs vfs.FS, d engines.Durability) (crashtest.Engine, error) {
		return open(ctx, fs, engines.Options{Dir: crashDir, Durability: d, Config: crashConfig})
	},
	Verify: func(ctx context.Context, fs vfs.FS) error {
		_, err := verify(ctx, fs, crashDir, nil)
		return err
	},
}

func TestCrashStates(t *testing.T) { crashtest.States(t, subject) }

// The judge of the crash test finds an engine whose syncs are lost.
func TestCrashJudgeFindsLostSyncs(t *testing.T) { crashtest.FindsLostSyncs(t, subject) }

// The judge finds an engine that forgets what it has acknowledged a window ago:
// one with a longer window than it was asked for.
func TestCrashJudgeFindsALateWindow(t *testing.T) {
	late := subject
	late.Open = func(ctx context.Context, fs vfs.FS, d engines.Durability) (crashtest.Engine, error) {
		d.Window *= 50_000 // never over within a run
		return open(ctx, fs, engines.Options{Dir: crashDir, Durability: d, Config: map[string]any{"checkpoint_log_bytes": -1, "segment_bytes": 1 << 20}})
	}
	d := engines.Durability{Class: engines.Interval, Window: 20 * time.Millisecond}
	crashtest.Finds(t, "a late window", withoutCheckpoints(late), crashtest.Plan{Durability: d, States: 60})
}

// withoutCheckpoints is an engine whose checkpoints do nothing: they would make durable what the window has not.
func withoutCheckpoints(s crashtest.Subject) crashtest.Subject {
	inner := s.Open
	s.Open = func(ctx context.Context, fs vfs.FS, d engines.Durability) (crashtest.Engine, error) {
		e, err := inner(ctx, fs, d)
		return lazyEngine{e}, err
	}
	return s
}

type lazyEngine struct{ crashtest.Engine }

func (lazyEngine) Checkpoint(context.Context) error { return nil }
