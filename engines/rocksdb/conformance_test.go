//go:build rocksdb && cgo

package rocksdb

import (
	"testing"

	"orbitbench/engines"
	"orbitbench/engines/enginetest"
)

func TestMain(m *testing.M) { enginetest.Main(m, Driver{}) }

func TestConformance(t *testing.T) {
	enginetest.RunClasses(t, Driver{}, enginetest.Options{AllocFree: true})
}

// TestConformanceWriteSync covers the other way of committing in class sync.
func TestConformanceWriteSync(t *testing.T) {
	enginetest.Run(t, Driver{}, enginetest.Options{
		Durability: engines.Durability{Class: engines.Sync},
		Config:     map[string]any{"commit": commitWriteSync},
		AllocFree:  true,
	})
}
