package bench

import (
	"context"
	"runtime"
	"syscall"
	"time"
)

// The process counts as settled when it used at most settleShare of one
// processor for settleStep; it is given settleLimit to come to that.
const (
	settleStep  = 25 * time.Millisecond
	settleShare = 0.05
	settleLimit = 20 * time.Second // several stores of a million records may have checkpoints to end
)

// settle collects garbage and waits until flushes, compactions and checkpoints
// of the competitors have ended, so that none pays for the one before it. It
// reports whether they did.
func settle(ctx context.Context) bool {
	runtime.GC()
	for begin := time.Now(); time.Since(begin) < settleLimit; {
		before := processorTime()
		t := time.NewTimer(settleStep)
		select {
		case <-ctx.Done():
			t.Stop()
			return false
		case <-t.C:
		}
		if processorTime()-before <= time.Duration(settleShare*float64(settleStep)) {
			return true
		}
	}
	return false
}

// processorTime is what the process has used so far, in all its threads.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0 // cannot fail with these arguments; 0 twice counts as settled
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
