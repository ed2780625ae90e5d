package memory_test

import (
	"testing"

	"orbitbench/engines/enginetest"
	"orbitbench/engines/memory"
)

func TestMain(m *testing.M) { enginetest.Main(m, memory.Driver{}) }

func TestConformance(t *testing.T) {
	enginetest.RunClasses(t, memory.Driver{}, enginetest.Options{AllocFree: true})
}
