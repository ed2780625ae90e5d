package crash

import (
	"sync"
	"time"
)

// stopwatch measures the time for which this process ran, from its start on. A run
// that was stopped (SIGSTOP, Ctrl-Z) is stopped with its workers, whose intervals
// pass no more: an hour in which nobody ran must not be held against an engine.
// Its methods may be called concurrently.
type stopwatch struct {
	mu   sync.Mutex
	last time.Time     // guarded by mu
	sum  time.Duration // guarded by mu
	end  chan struct{}
}

// stride is the most that may lie between two readings and count. It is shorter
// than any allowance, so that a stop cannot make a commit seem older than it is; on
// a machine that lets this process wait for longer, commits seem younger.
const stride = 40 * time.Millisecond

// startStopwatch starts one that reads itself. The caller stops it.
func startStopwatch() *stopwatch {
	w := &stopwatch{last: time.Now(), end: make(chan struct{})}
	go func() {
		tick := time.NewTicker(stride / 4)
		defer tick.Stop()
		for {
			select {
			case now := <-tick.C:
				w.at(now)
			case <-w.end:
				return
			}
		}
	}()
	return w
}

// read is the time that was measured so far.
func (w *stopwatch) read() time.Duration { return w.at(time.Now()) }

func (w *stopwatch) at(now time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if d := now.Sub(w.last); d > 0 { // a tick may be told late
		w.sum += min(d, stride)
		w.last = now
	}
	return w.sum
}

func (w *stopwatch) stop() { close(w.end) }
