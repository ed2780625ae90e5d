package mutants_test

import (
	"fmt"
	"runtime"
	"sync"
	"testing"

	"orbitbench/engines"
	"orbitbench/engines/enginetest"
	"orbitbench/engines/mutants"
)

func TestMain(m *testing.M) {
	drivers := []engines.Driver{mutants.Driver{}}
	for _, mu := range mutants.All() {
		drivers = append(drivers, mu.Driver())
	}
	enginetest.Main(m, drivers...)
}

func TestControlPasses(t *testing.T) {
	enginetest.RunClasses(t, mutants.Driver{}, enginetest.Options{})
}

func options(m mutants.Mutant) enginetest.Options {
	o := enginetest.Options{
		Durability: engines.Durability{Class: m.Class},
		AllocFree:  m.Flaw == mutants.Allocates,
		CacheBytes: mutants.CacheBytes,
		CacheTTL:   m.Flaw == mutants.ServesExpired,
		Seed:       20240229,
	}
	if m.Class == engines.Interval {
		o.Durability.Window = testWindow
	}
	return o
}

// testWindow is short: the mutants lose what they lose at once.
const testWindow = 60e6 // ns

func TestMutantsAreCaught(t *testing.T) {
	for _, m := range mutants.All() {
		t.Run(fmt.Sprintf("%s/%s/%s", m.Flaw, m.Class, m.Check), func(t *testing.T) {
			check, ok := find(m)
			if !ok {
				t.Fatalf("enginetest has no check %q", m.Check)
			}
			r := &recorder{t: t}
			r.run(check)
			switch {
			case r.skipped != "" && m.Flaw == mutants.Allocates:
				t.Skip(r.skipped) // under the race detector
			case r.skipped != "":
				t.Fatalf("the check was skipped: %s", r.skipped)
			case len(r.errors) == 0:
				t.Fatal("the check passed")
			}
			t.Logf("caught: %s", r.errors[0])
		})
	}
}

func find(m mutants.Mutant) (enginetest.Check, bool) {
	for _, c := range enginetest.Checks(m.Driver(), options(m)) {
		if c.Name == m.Check {
			return c, true
		}
	}
	return enginetest.Check{}, false
}

func TestEveryCheckHasAMutant(t *testing.T) {
	have := make(map[string]bool)
	for _, m := range mutants.All() {
		have[m.Check] = true
	}
	for _, c := range enginetest.Checks(mutants.Driver{}, enginetest.Options{}) {
		if !have[c.Name] {
			t.Errorf("no mutant shows that %s can fail", c.Name)
		}
	}
}

// recorder is a TB that takes note of failures instead of failing.
type recorder struct {
	t *testing.T

	mu       sync.Mutex
	errors   []string // guarded by mu
	skipped  string   // guarded by mu
	cleanups []func() // guarded by mu
}

// run runs a check as package testing runs a test.
func (r *recorder) run(c enginetest.Check) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer r.clean()
		c.Run(r)
	}()
	<-done
}

func (r *recorder) clean() {
	for len(r.cleanups) > 0 {
		last := len(r.cleanups) - 1
		f := r.cleanups[last]
		r.cleanups = r.cleanups[:last]
		func() {
			done := make(chan struct{})
			go func() {
				defer close(done)
				f()
			}()
			<-done
		}()
	}
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

func (r *recorder) Logf(string, ...any) {}

func (r *recorder) Skipf(format string, args ...any) {
	r.mu.Lock()
	r.skipped = fmt.Sprintf(format, args...)
	r.mu.Unlock()
	runtime.Goexit()
}

func (r *recorder) Cleanup(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cleanups = append(r.cleanups, f)
}

func (r *recorder) TempDir() string { return r.t.TempDir() }
