package mmapwal

import (
	"fmt"
	"strings"
	"testing"

	"orbitbench/engines"
	"orbitbench/engines/internal/storetest"
	"orbitbench/engines/internal/wal"
)

const crashDir = storetest.Dir

// subject is the engine as the shared tests see it. Busy rotates, grows, takes checkpoints
// and drops all the time.
var subject = storetest.Subject[*engine]{
	Open: open, Verify: verify, Dump: dump, Meta: metaFormat, Log: func(e *engine) *wal.Log { return e.log },
	Busy: map[string]any{
		"extent_bytes": 2 << 20, "segment_bytes": 16384, "checkpoint_log_bytes": 8192, "wal_buffer_size": 16384, "checkpoint_share": 1,
		"table_limit_bytes": 64 << 20,
	},
	Small:      map[string]any{"extent_bytes": 2 << 20},
	Checkpoint: "checkpoint",
	LateLog:    true,
	Audit:      (*engine).auditLive,
	Fill: func(t *testing.T, e *engine, round int) {
		put(t, e, engines.Snapshots, fmt.Sprintf("long-%d", round), strings.Repeat("long", 2000+round))
	},
}

type contents = storetest.Contents

var (
	crashConfig = subject.Busy
	stores      = storetest.Both()
	syncClass   = stores[0].Durability

	mustOpen  = subject.MustOpen
	mustClose = storetest.MustClose
	put       = storetest.Put
	readAll   = storetest.ReadAll
	clone     = storetest.Clone
)
