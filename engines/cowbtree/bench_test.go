package cowbtree_test

import (
	"testing"

	"orbitbench/engines"
	"orbitbench/engines/cowbtree"
	"orbitbench/engines/internal/enginebench"
)

func BenchmarkRenewProcess(b *testing.B) {
	enginebench.Renew(b, engines.Durability{Class: engines.Process}, cowbtree.Driver{})
}

func BenchmarkGet(b *testing.B)        { enginebench.Get(b, cowbtree.Driver{}) }
func BenchmarkRenewSync(b *testing.B)  { enginebench.RenewSync(b, cowbtree.Driver{}) }
func BenchmarkShardedMap(b *testing.B) { enginebench.ShardedMap(b) }

func BenchmarkRecovery(b *testing.B) {
	enginebench.Recovery(b, cowbtree.Driver{}, map[string]any{"checkpoint_log_bytes": -1, "checkpoint_on_close": false})
}

func BenchmarkFirstRead(b *testing.B) { enginebench.FirstRead(b, cowbtree.Driver{}, nil, 1_000_000) }
