//go:build badger

package badger

import (
	"testing"

	"orbitbench/engines/enginetest"
)

func TestMain(m *testing.M) { enginetest.Main(m, Driver{}) }

func TestConformance(t *testing.T) { enginetest.RunClasses(t, Driver{}, enginetest.Options{}) }
