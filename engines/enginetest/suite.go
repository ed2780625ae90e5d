package enginetest

import (
	"os"
	"testing"
	"time"

	"orbitbench/engines"
)

// Options say how the engine under test is opened.
type Options struct {
	// Durability is the class to test; RunClasses sets it. The zero value is class None.
	Durability engines.Durability
	// MemoryBytes and Config are handed to the engine; see engines.Options.
	MemoryBytes int64
	Config      map[string]any
	// AllocFree: the engine claims that a successful RenewLease, and a Get
	// into a buffer with room, allocate nothing. Not checked under -race.
	AllocFree bool
	// CacheBytes is the bound of keyspace QueryCache that Config sets, at least
	// 2000; 0: none is claimed. It is looked at if Info.QueryCacheEvicts.
	CacheBytes int64
	// CacheTTL: the engine claims that a lease.QueryEntry is absent once it has outlived its TTL.
	CacheTTL bool
	// Seed of the randomised checks; 0 takes always the same, or with
	// ORBITBENCH_TEST_SEED=random in the environment one from the clock.
	Seed uint64
}

// TB is what a check needs of *testing.T, which satisfies it. It is an
// interface of its own so that package mutants can run checks that fail.
type TB interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Logf(format string, args ...any)
	Skipf(format string, args ...any)
	Cleanup(f func())
	TempDir() string
}

// Check is one claim of the contract with the test that holds an engine to it.
type Check struct {
	Name string
	Run  func(t TB)
}

// defaultWindow is long enough for a flusher to keep its promise on a busy machine.
const defaultWindow = 200 * time.Millisecond

// RunClasses runs the suite once for each class that d offers.
func RunClasses(t *testing.T, d engines.Driver, o Options) {
	t.Helper()
	for _, c := range d.Info().Classes {
		t.Run(c.String(), func(t *testing.T) {
			o := o
			o.Durability = engines.Durability{Class: c}
			if c == engines.Interval {
				o.Durability.Window = defaultWindow
			}
			Run(t, d, o)
		})
	}
}

// Run runs every check as a subtest of t.
func Run(t *testing.T, d engines.Driver, o Options) {
	t.Helper()
	for _, c := range Checks(d, o) {
		t.Run(c.Name, func(t *testing.T) { c.Run(t) })
	}
}

// suite is what the checks of one run share.
type suite struct {
	driver  engines.Driver
	info    engines.Info
	options Options
	short   bool
}

// Checks returns the checks of the suite for one engine and class.
func Checks(d engines.Driver, o Options) []Check {
	if o.Seed == 0 {
		o.Seed = 1
		if os.Getenv("ORBITBENCH_TEST_SEED") == "random" {
			o.Seed = uint64(time.Now().UnixNano())
		}
	}
	s := &suite{driver: d, info: d.Info(), options: o, short: testing.Short()}
	var all []Check
	add := func(name string, run func(*store)) {
		all = append(all, Check{Name: name, Run: func(t TB) {
			t.Helper()
			run(s.newStore(t))
		}})
	}
	for _, group := range [][]named{
		configChecks, basicChecks, versionChecks, conditionChecks, atomicChecks, renewChecks,
		raceChecks, scanChecks, viewChecks, copyChecks, lifeChecks, limitChecks, sliceChecks,
		declaredChecks, toolChecks, crashChecks, modelChecks,
	} {
		for _, c := range group {
			add(c.name, c.run)
		}
	}
	return all
}

// named is a check before it is bound to an engine.
type named struct {
	name string
	run  func(*store)
}

// count scales a number of commits: a commit that waits for the device costs a
// hundred times one that does not.
func (s *suite) count(full int) int {
	if s.options.Durability.Class == engines.Sync {
		full /= 4
	}
	if s.short {
		full /= 4
	}
	return max(full, 8)
}
