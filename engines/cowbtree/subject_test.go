package cowbtree

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"orbitbench/engines/internal/storetest"
	"orbitbench/engines/internal/wal"
)

const crashDir = storetest.Dir

// subject is the engine as the shared tests see it. Busy splits, rotates, takes checkpoints
// and drops all the time.
var subject = storetest.Subject[*engine]{
	Open: open, Verify: verify, Dump: dump, Meta: metaFormat, Log: func(e *engine) *wal.Log { return e.log },
	Busy: map[string]any{
		"max_keys_per_node": 4, "segment_bytes": 16384, "checkpoint_log_bytes": 8192, "wal_buffer_size": 16384, "checkpoint_share": 1,
		"memory_limit_bytes": 64 << 20,
	},
	Checkpoint: "checkpoint",
	LateLog:    true,
	Recover:    (*engine).logged,
	Rare:       func(name string) bool { return strings.HasSuffix(name, pagesName) }, // checkpoints
	Steady: func(t *testing.T, dump []byte) []byte { // the pages, and the segment behind the checkpoint
		pages, log, _ := bytes.Cut(dump, []byte("/store/log/"))
		_, log, ok := bytes.Cut(log, []byte("00000002.wal"))
		if log, _, _ = bytes.Cut(log, []byte("/store/log/")); !ok {
			t.Fatalf("the segment behind the checkpoint is missing:\n%s", dump)
		}
		return slices.Concat(pages, log)
	},
}

type contents = storetest.Contents

var (
	stores    = storetest.Both()
	syncClass = stores[0].Durability

	mustOpen  = subject.MustOpen
	mustClose = storetest.MustClose
	put       = storetest.Put
	readAll   = storetest.ReadAll
	readSome  = storetest.Read
	clone     = storetest.Clone
)
