//go:build sqlite && cgo

package sqlite

import (
	"testing"

	"orbitbench/engines/enginetest"
)

func TestMain(m *testing.M) { enginetest.Main(m, Driver{}) }

func TestConformance(t *testing.T) {
	enginetest.RunClasses(t, Driver{}, enginetest.Options{AllocFree: true})
}
