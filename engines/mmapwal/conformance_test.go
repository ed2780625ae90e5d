package mmapwal_test

import (
	"testing"

	"orbitbench/engines"
	"orbitbench/engines/enginetest"
	"orbitbench/engines/mmapwal"
)

func TestMain(m *testing.M) { enginetest.Main(m, mmapwal.Driver{}) }

// TestConformance takes segments of 1 MiB, as most of the time would go into
// filling new ones with zeros.
func TestConformance(t *testing.T) {
	enginetest.RunClasses(t, mmapwal.Driver{}, enginetest.Options{
		AllocFree: true,
		Config:    map[string]any{"segment_bytes": 1 << 20},
	})
}

// TestConformanceSmall makes extents, segments and buffers so small that every
// run grows, rotates, drops and takes checkpoints all the time.
func TestConformanceSmall(t *testing.T) {
	for _, c := range []engines.Class{engines.Process, engines.Sync} {
		t.Run(c.String(), func(t *testing.T) {
			enginetest.Run(t, mmapwal.Driver{}, enginetest.Options{
				Durability: engines.Durability{Class: c},
				Config: map[string]any{
					"extent_bytes": 2 << 20, "segment_bytes": 65536, "checkpoint_log_bytes": 32768, "wal_buffer_size": 16384, "checkpoint_share": 1,
				},
			})
		})
	}
}
