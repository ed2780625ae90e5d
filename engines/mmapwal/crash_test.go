package mmapwal

import (
	"context"
	"testing"

	"orbitbench/engines"
	"orbitbench/engines/internal/crashtest"
	"orbitbench/engines/internal/vfs"
)

const crashDir = crashtest.Dir

// crashConfig rotates, grows, takes checkpoints and drops all the time.
var crashConfig = map[string]any{"extent_bytes": 2 << 20, "segment_bytes": 16384, "checkpoint_log_bytes": 8192, "wal_buffer_size": 16384, "checkpoint_share": 1, "table_limit_bytes": 64 << 20}

var subject = crashtest.Subject{
	Open: func(ctx context.Context, fs vfs.FS, d engines.Durability) (crashtest.Engine, error) {
		return open(ctx, fs, engines.Options{Dir: crashDir, Durability: d, Config: crashConfig})
	},
	Verify: func(ctx context.Context, fs vfs.FS) error {
		_, err := verify(ctx, fs, crashDir, nil)
		return err
	},
	Audit: func(_ context.Context, e crashtest.Engine) error { return e.(*engine).auditLive() },
}

func TestCrashStates(t *testing.T) { crashtest.States(t, subject) }

// The judge of the crash test finds an engine whose syncs are lost.
func TestCrashJudgeFindsLostSyncs(t *testing.T) { crashtest.FindsLostSyncs(t, subject) }
