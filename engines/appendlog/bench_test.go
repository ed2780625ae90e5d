package appendlog_test

import (
	"testing"

	"orbitbench/engines"
	"orbitbench/engines/appendlog"
	"orbitbench/engines/internal/enginebench"
)

func BenchmarkRenewProcess(b *testing.B) {
	enginebench.Renew(b, engines.Durability{Class: engines.Process}, appendlog.Driver{})
}

func BenchmarkRewriteProcess(b *testing.B) {
	enginebench.Rewrite(b, engines.Durability{Class: engines.Process}, appendlog.Driver{})
}

func BenchmarkGet(b *testing.B)        { enginebench.Get(b, appendlog.Driver{}) }
func BenchmarkRenewSync(b *testing.B)  { enginebench.RenewSync(b, appendlog.Driver{}) }
func BenchmarkShardedMap(b *testing.B) { enginebench.ShardedMap(b) }

func BenchmarkRecovery(b *testing.B) {
	enginebench.Recovery(b, appendlog.Driver{}, map[string]any{"snapshot_log_bytes": -1, "snapshot_on_close": false})
}
