package mmapwal_test

import (
	"testing"

	"orbitbench/engines"
	"orbitbench/engines/appendlog"
	"orbitbench/engines/internal/enginebench"
	"orbitbench/engines/mmapwal"
)

// Beside this engine stands the in-house one to compare it with, appendlog.

func BenchmarkRenewProcess(b *testing.B) {
	enginebench.Renew(b, engines.Durability{Class: engines.Process}, mmapwal.Driver{}, appendlog.Driver{})
}

func BenchmarkGet(b *testing.B)        { enginebench.Get(b, mmapwal.Driver{}, appendlog.Driver{}) }
func BenchmarkRenewSync(b *testing.B)  { enginebench.RenewSync(b, mmapwal.Driver{}) }
func BenchmarkShardedMap(b *testing.B) { enginebench.ShardedMap(b) }

func BenchmarkRecovery(b *testing.B) {
	b.Run("mmapwal", func(b *testing.B) {
		enginebench.Recovery(b, mmapwal.Driver{}, map[string]any{"checkpoint_log_bytes": -1, "checkpoint_on_close": false})
	})
	b.Run("appendlog", func(b *testing.B) {
		enginebench.Recovery(b, appendlog.Driver{}, map[string]any{"snapshot_log_bytes": -1, "snapshot_on_close": false})
	})
}

func BenchmarkFirstRead(b *testing.B) {
	enginebench.FirstRead(b, mmapwal.Driver{}, map[string]any{"checkpoint_share": 1}, 10_000, 1_000_000)
}
