package appendlog_test

import (
	"testing"

	"orbitbench/engines"
	"orbitbench/engines/appendlog"
	"orbitbench/engines/enginetest"
)

func TestMain(m *testing.M) { enginetest.Main(m, appendlog.Driver{}) }

// TestConformance takes segments of 1 MiB, as most of the time would go into
// filling new ones with zeros.
func TestConformance(t *testing.T) {
	enginetest.RunClasses(t, appendlog.Driver{}, enginetest.Options{
		AllocFree: true,
		Config:    map[string]any{"segment_bytes": 1 << 20},
	})
}

// TestConformanceSmall makes segments, buffers and snapshots so small that
// every run rotates, drops and snapshots all the time.
func TestConformanceSmall(t *testing.T) {
	for _, c := range []engines.Class{engines.Process, engines.Sync} {
		t.Run(c.String(), func(t *testing.T) {
			enginetest.Run(t, appendlog.Driver{}, enginetest.Options{
				Durability: engines.Durability{Class: c},
				Config:     map[string]any{"segment_bytes": 65536, "snapshot_log_bytes": 32768, "wal_buffer_size": 16384, "snapshot_share": 1},
			})
		})
	}
}
