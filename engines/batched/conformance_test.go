package batched

import (
	"errors"
	"testing"

	"orbitbench/engines"
	"orbitbench/engines/bbolt"
	"orbitbench/engines/enginetest"
	"orbitbench/engines/lmdb"
	"orbitbench/engines/memory"
	"orbitbench/engines/pebble"
	"orbitbench/engines/rocksdb"
	"orbitbench/engines/sqlite"
)

// fronted are engines with the batcher in front and the class in which the
// suite runs them: one that has a native renewal path, one that judges batches
// under a single writer's lock, and one that writes a log.
var fronted = []struct {
	driver engines.Driver
	class  engines.Class
}{
	{New(memory.Driver{}), engines.None},
	{New(bbolt.Driver{}), engines.Process},
	{New(pebble.Driver{}), engines.Process},
	{New(rocksdb.Driver{}), engines.Process},
	{New(lmdb.Driver{}), engines.Process},
	{New(sqlite.Driver{}), engines.Process},
}

func TestMain(m *testing.M) {
	var drivers []engines.Driver
	for _, f := range fronted {
		drivers = append(drivers, f.driver)
	}
	enginetest.Main(m, drivers...)
}

func TestConformance(t *testing.T) {
	for _, f := range fronted {
		t.Run(f.driver.Info().Name, func(t *testing.T) {
			if _, err := f.driver.Configure(engines.Options{Durability: engines.Durability{Class: f.class}}); errors.Is(err, engines.ErrUnsupported) {
				t.Skip(err)
			}
			enginetest.Run(t, f.driver, enginetest.Options{
				Durability: engines.Durability{Class: f.class},
				AllocFree:  f.class == engines.None, // what the batcher adds; the stores behind it allocate
			})
		})
	}
}
