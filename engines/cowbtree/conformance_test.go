package cowbtree_test

import (
	"testing"

	"orbitbench/engines"
	"orbitbench/engines/cowbtree"
	"orbitbench/engines/enginetest"
)

func TestMain(m *testing.M) { enginetest.Main(m, cowbtree.Driver{}) }

// TestConformance takes segments of 1 MiB, as most of the time would go into
// filling new ones with zeros.
func TestConformance(t *testing.T) {
	enginetest.RunClasses(t, cowbtree.Driver{}, enginetest.Options{
		AllocFree: true,
		Config:    map[string]any{"segment_bytes": 1 << 20},
	})
}

// TestConformanceSmall makes nodes, segments and buffers so small that every run
// splits, joins, rotates, drops and checkpoints all the time.
func TestConformanceSmall(t *testing.T) {
	for _, c := range []engines.Class{engines.Process, engines.Sync} {
		t.Run(c.String(), func(t *testing.T) {
			enginetest.Run(t, cowbtree.Driver{}, enginetest.Options{
				Durability: engines.Durability{Class: c},
				Config: map[string]any{
					"max_keys_per_node": 4, "segment_bytes": 65536, "checkpoint_log_bytes": 16384, "wal_buffer_size": 16384,
					"checkpoint_share": 1, "enable_compression": true,
				},
			})
		})
	}
}
