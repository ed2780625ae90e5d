package crashtest

import (
	"testing"
	"time"

	"orbitbench/engines"
	"orbitbench/engines/internal/vfs"
)

// Classes are the durabilities to run with.
func Classes() []engines.Durability {
	return []engines.Durability{{Class: engines.None}, {Class: engines.Process}, {Class: engines.Interval, Window: 20 * time.Millisecond}, {Class: engines.Sync}}
}

// States is the test of an engine's crash states: a run of each class, all of
// whose findings are errors.
func States(t *testing.T, s Subject) {
	t.Helper()
	states := 120
	if testing.Short() {
		states = 40
	}
	for _, d := range Classes() {
		t.Run(d.Class.String(), func(t *testing.T) {
			for _, err := range Run(t, s, Plan{Durability: d, Seed: uint64(time.Now().UnixNano()), States: states}) {
				t.Error(err)
			}
		})
	}
}

// FindsLostSyncs is the test of that test: an engine whose syncs are lost, those of
// files or those of directories, is found.
func FindsLostSyncs(t *testing.T, s Subject) {
	t.Helper()
	for _, dirs := range []bool{false, true} {
		found := Run(t, s, Plan{
			Durability: engines.Durability{Class: engines.Sync}, Seed: uint64(time.Now().UnixNano()), States: 60,
			Wrap: func(fs vfs.FS) vfs.FS { return Deaf(fs, dirs) },
		})
		if len(found) == 0 {
			t.Errorf("syncs of directories lost %v: no crash state shows it", dirs)
		}
	}
}
