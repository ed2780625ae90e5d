package appendlog_test

import (
	"testing"

	"orbitbench/engines/appendlog"
	"orbitbench/engines/enginetest"
)

func TestMain(m *testing.M) { enginetest.Main(m, appendlog.Driver{}) }

func TestConformance(t *testing.T) {
	enginetest.RunClasses(t, appendlog.Driver{}, enginetest.Options{})
}

// TestConformanceSmall makes segments, buffers and snapshots so small that
// every run rotates, drops and snapshots all the time.
func TestConformanceSmall(t *testing.T) {
	enginetest.RunClasses(t, appendlog.Driver{}, enginetest.Options{
		Config: map[string]any{"segment_bytes": 65536, "snapshot_log_bytes": 32768, "wal_buffer_size": 16384, "snapshot_share": 1},
	})
}
