package crashtest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"orbitbench/engines"
	"orbitbench/engines/internal/storetest"
	"orbitbench/engines/internal/vfs"
)

// States is the test of an engine's crash states: a run of each class, all of
// whose findings are errors.
func States[E storetest.Engine](t *testing.T, s storetest.Subject[E]) {
	t.Helper()
	states := 120
	if testing.Short() {
		states = 20
	}
	for _, class := range []engines.Class{engines.None, engines.Process, engines.Interval, engines.Sync} {
		t.Run(class.String(), func(t *testing.T) {
			d := storetest.DurabilityOf(class)
			for _, err := range Run(t, s, Plan{Durability: d, Seed: seed(1), States: states}) {
				t.Error(err)
			}
		})
	}
}

// FindsLostSyncs is the test of that test: an engine whose syncs are lost, those of
// files or those of directories, is found.
func FindsLostSyncs[E storetest.Engine](t *testing.T, s storetest.Subject[E]) {
	t.Helper()
	for _, dirs := range []bool{false, true} {
		Finds(t, fmt.Sprintf("syncs of directories lost %v", dirs), s, Plan{
			Durability: engines.Durability{Class: engines.Sync}, States: 60,
			Wrap: func(fs vfs.FS) vfs.FS { return Deaf(fs, dirs) },
		})
	}
}

// Finds demands that one of several runs of an engine with a flaw finds it: which
// states a run takes depends on how its goroutines are scheduled.
func Finds[E storetest.Engine](t *testing.T, flaw string, s storetest.Subject[E], p Plan) {
	t.Helper()
	const runs = 20 // most engines are found in the first
	for n := range uint64(runs) {
		p.Seed, p.First = seed(n), true
		if len(Run(t, s, p)) > 0 {
			return
		}
	}
	t.Errorf("%s: no crash state of %d runs shows it", flaw, runs)
}

// seed returns the seed of run n: the same each time, or with ORBITBENCH_TEST_SEED=random another.
func seed(n uint64) uint64 {
	if os.Getenv("ORBITBENCH_TEST_SEED") == "random" {
		return rand.Uint64()
	}
	return n
}
