package pacer

import (
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// guardNs is how long before the due time sleeping ends and spinning
	// begins: a nanosleep with the least timer slack overshoots by 30 to 60 us
	// on a virtual machine.
	guardNs = 60_000
	// leastSleepNs is the shortest sleep that is worth its system call.
	leastSleepNs = 20_000
	// longestSleepNs bounds how long Stop waits for the leader.
	longestSleepNs = 5_000_000
)

// sleepUntil returns at due, or soon after Stop. While it spins it offers the
// processor to other goroutines between readings of the clock.
func (p *Pacer) sleepUntil(due int64) {
	for !p.stopped.Load() {
		left := due - p.now()
		switch {
		case left <= 0:
			return
		case left >= guardNs+leastSleepNs:
			nanosleep(min(left-guardNs, longestSleepNs))
		default:
			runtime.Gosched()
		}
	}
}

// nanosleep sleeps in the kernel: time.Sleep overshoots by a millisecond. The
// timer slack, 50 us by default, belongs to the thread, and a goroutine cannot
// know which one it is on.
func nanosleep(ns int64) {
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0); err != nil {
		time.Sleep(time.Duration(ns)) // no such control here: better late than never
		return
	}
	ts := syscall.NsecToTimespec(ns)
	_ = syscall.Nanosleep(&ts, nil) // EINTR: the caller looks at the clock
}
