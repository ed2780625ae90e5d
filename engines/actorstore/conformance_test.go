package actorstore_test

import (
	"testing"

	"orbitbench/engines"
	"orbitbench/engines/actorstore"
	"orbitbench/engines/enginetest"
)

func TestMain(m *testing.M) { enginetest.Main(m, actorstore.Driver{}) }

// TestConformance takes segments of 1 MiB, as most of the time would go into
// filling new ones with zeros.
func TestConformance(t *testing.T) {
	enginetest.RunClasses(t, actorstore.Driver{}, enginetest.Options{
		AllocFree:  true,
		CacheBytes: 1 << 16,
		CacheTTL:   true,
		Config:     map[string]any{"segment_bytes": 1 << 20, "query_cache_bytes": 1 << 16},
	})
}

// TestConformanceSmall makes segments, buffers, checkpoints, blocks and the
// query cache so small that every run rotates, drops, seals and evicts all the time.
func TestConformanceSmall(t *testing.T) {
	for _, d := range []engines.Durability{{Class: engines.Process}, {Class: engines.Interval, Window: 200e6}, {Class: engines.Sync}} {
		t.Run(d.Class.String(), func(t *testing.T) {
			enginetest.Run(t, actorstore.Driver{}, enginetest.Options{
				Durability: d,
				CacheBytes: 4096,
				CacheTTL:   true,
				Config: map[string]any{
					"segment_bytes": 65536, "checkpoint_log_bytes": 32768, "wal_buffer_size": 16384, "checkpoint_share": 1,
					"series_tail_points": 8, "query_cache_bytes": 4096,
				},
			})
		})
	}
}
