package appendlog

import (
	"context"
	"fmt"
	"path"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"orbitbench/engines"
	"orbitbench/engines/internal/vfs"
)

// TestCheckpointCutsWhatCameWhileTheLastWasTaken: a checkpoint that is asked for leaves next to no log, also
// when nothing has happened since the end of one that began long before.
func TestCheckpointCutsWhatCameWhileTheLastWasTaken(t *testing.T) {
	mem := vfs.NewMem()
	var e *engine
	var put func(i int)
	var armed atomic.Bool
	written := 0
	mem.OnPending = func(op, name string) { // in the middle of the snapshot's first write
		if op == "write" && snapshots.Is(path.Base(strings.TrimSuffix(name, ".tmp"))) && armed.Swap(false) {
			for ; written < 1000; written++ {
				put(written)
			}
		}
	}
	e = mustOpen(t, mem, engines.Durability{Class: engines.Process}, map[string]any{"segment_bytes": 1 << 20, "snapshot_log_bytes": -1})
	put = func(i int) {
		var b engines.Batch
		b.Put(engines.Nodes, fmt.Appendf(nil, "key-%d", i), make([]byte, 1000))
		require.NoError(t, e.Apply(context.Background(), &b))
	}
	for i := range 100 {
		put(i)
	}
	armed.Store(true)
	require.NoError(t, e.Checkpoint(context.Background()))
	require.Equal(t, 1000, written)
	require.False(t, e.logIsShort())
	require.NoError(t, e.Checkpoint(context.Background()))
	require.True(t, e.logIsShort())
	taken := e.snapshotInfo.taken.Load()
	require.NoError(t, e.Checkpoint(context.Background()))
	require.Equal(t, taken, e.snapshotInfo.taken.Load(), "nothing has happened at all")
	mustClose(t, e)
}
