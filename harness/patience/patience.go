// Package patience judges in tests what a busy machine may spoil: a test whose subject
// runs for a fraction of a second by the clock has several attempts, each from the
// beginning, and fails if all of them do. A subject that is wrong fails each; one that is
// right fails only while the machine stands still, and not each time.
//
// It is for claims that need the machine to go on for a while. What can be waited for is
// waited for instead, and what must never happen has one attempt only.
package patience

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// Attempts is how many there are.
const Attempts = 8

// T is one attempt. Failures of it do not fail the test but the attempt, FailNow and
// Fatal end it, and its cleanups run at its end. Temporary directories are those of the
// test.
type T struct {
	testing.TB
	// Number of the attempt, from 0: what a slow device may be too slow for can take longer each time.
	Number int

	mu       sync.Mutex
	said     []string // guarded by mu
	failed   bool     // guarded by mu
	cleanups []func() // guarded by mu
}

// Try runs f until an attempt does not fail.
func Try(t testing.TB, f func(t *T)) {
	t.Helper()
	try(t, 100*time.Millisecond, f)
}

// try has pauses between the attempts, each longer than the one before.
func try(t testing.TB, pause time.Duration, f func(t *T)) {
	t.Helper()
	for n := range Attempts {
		if n > 0 {
			time.Sleep(time.Duration(n) * pause) // what the machine is busy with may end
		}
		a := &T{TB: t, Number: n}
		alone(func() { f(a) })
		a.clean()
		if !a.Failed() {
			return
		}
		t.Logf("attempt %d of %d: %s", n+1, Attempts, strings.Join(a.said, "\n"))
	}
	t.Errorf("each of %d attempts failed", Attempts)
}

// alone runs f, which may end its goroutine.
func alone(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}

// Cleanup has f run at the end of the attempt, the last one first.
func (a *T) Cleanup(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cleanups = append(a.cleanups, f)
}

func (a *T) clean() {
	for {
		a.mu.Lock()
		last := len(a.cleanups) - 1
		if last < 0 {
			a.mu.Unlock()
			return
		}
		f := a.cleanups[last]
		a.cleanups = a.cleanups[:last]
		a.mu.Unlock()
		alone(f)
	}
}

// Failed reports whether the attempt has failed.
func (a *T) Failed() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.failed
}

// Fail marks the attempt as failed.
func (a *T) Fail() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.failed = true
}

// FailNow is Fail, and ends the attempt.
func (a *T) FailNow() {
	a.Fail()
	runtime.Goexit()
}

func (a *T) say(text string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.said, a.failed = append(a.said, text), true
}

// Errorf says what failed.
func (a *T) Errorf(format string, args ...any) { a.say(fmt.Sprintf(format, args...)) }

// Error says what failed.
func (a *T) Error(args ...any) { a.say(fmt.Sprintln(args...)) }

// Fatalf is Errorf, and ends the attempt.
func (a *T) Fatalf(format string, args ...any) {
	a.Errorf(format, args...)
	runtime.Goexit()
}

// Fatal is Error, and ends the attempt.
func (a *T) Fatal(args ...any) {
	a.Error(args...)
	runtime.Goexit()
}
