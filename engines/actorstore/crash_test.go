package actorstore

import (
	"context"
	"testing"

	"orbitbench/engines"
	"orbitbench/engines/internal/crashtest"
	"orbitbench/engines/internal/storetest"
	"orbitbench/engines/internal/vfs"
)

func TestCrashStates(t *testing.T) { crashtest.States(t, subject) }

// The judge of the crash test finds an engine whose syncs are lost.
func TestCrashJudgeFindsLostSyncs(t *testing.T) { crashtest.FindsLostSyncs(t, subject) }

// The judge finds an engine that forgets what it has acknowledged a window ago:
// one with a longer window than it was asked for, and without checkpoints, which would make
// durable what the window has not.
func TestCrashJudgeFindsALateWindow(t *testing.T) {
	late := storetest.Subject[lateEngine]{
		Open: func(ctx context.Context, fs vfs.FS, o engines.Options) (lateEngine, error) {
			o.Durability.Window *= 50_000 // never over within a run
			e, err := open(ctx, fs, o)
			return lateEngine{e}, err
		},
		Verify: verify,
		Busy:   map[string]any{"checkpoint_log_bytes": -1, "segment_bytes": 1 << 20},
	}
	crashtest.Finds(t, "a late window", late, crashtest.Plan{Durability: stores[2].Durability, States: 60})
}

type lateEngine struct{ *engine }

func (lateEngine) Checkpoint(context.Context) error { return nil }
