package appendlog

import (
	"orbitbench/engines"
	"orbitbench/engines/internal/storetest"
	"orbitbench/engines/internal/wal"
)

// subject is the engine as the shared tests see it. Busy rotates, snapshots and drops all the time.
var subject = storetest.Subject[*engine]{
	Open: open, Verify: verify, Dump: dump, Meta: metaFormat, Log: func(e *engine) *wal.Log { return e.log },
	Busy: map[string]any{
		"segment_bytes": 16384, "snapshot_log_bytes": 8192, "wal_buffer_size": 16384, "snapshot_share": 1,
		"memory_limit_bytes": 64 << 20,
	},
	Checkpoint: "snapshot",
}

var (
	stores    = storetest.Stores(engines.Sync, engines.Process)
	syncClass = stores[0].Durability

	mustOpen  = subject.MustOpen
	mustClose = storetest.MustClose
)
