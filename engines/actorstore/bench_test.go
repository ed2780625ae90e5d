package actorstore_test

import (
	"testing"
	"time"

	"orbitbench/engines"
	"orbitbench/engines/actorstore"
	"orbitbench/engines/internal/enginebench"
	"orbitbench/engines/pebble"
)

var window = engines.Durability{Class: engines.Interval, Window: 10 * time.Millisecond}

// BenchmarkRenewInterval has its yardsticks in the same run: BenchmarkShardedMap and BenchmarkRenewIntervalPebble.
func BenchmarkRenewInterval(b *testing.B)       { enginebench.Renew(b, window, actorstore.Driver{}) }
func BenchmarkRenewIntervalPebble(b *testing.B) { enginebench.Renew(b, window, pebble.Driver{}) }
func BenchmarkShardedMap(b *testing.B)          { enginebench.ShardedMap(b) }

// BenchmarkRenewProcess logs each renewal.
func BenchmarkRenewProcess(b *testing.B) {
	enginebench.Renew(b, engines.Durability{Class: engines.Process}, actorstore.Driver{})
}

func BenchmarkGet(b *testing.B) { enginebench.Get(b, actorstore.Driver{}) }

func BenchmarkRecovery(b *testing.B) {
	enginebench.Recovery(b, actorstore.Driver{}, map[string]any{"checkpoint_log_bytes": -1, "checkpoint_on_close": false})
}

func BenchmarkFirstLease(b *testing.B) {
	enginebench.FirstRead(b, actorstore.Driver{}, nil, 100_000, 1_000_000)
}
