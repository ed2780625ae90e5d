package crashtest

import (
	"sync"
	"sync/atomic"
	"time"
)

// clock tells the time that an engine had to keep its window: that of the machine
// without the time in which the test held the file system to copy it.
type clock struct {
	now func() time.Duration // monotonic

	mu    sync.Mutex
	held  time.Duration // guarded by mu: in all
	since time.Duration // guarded by mu: begin of the hold that goes on
	holds bool          // guarded by mu

	lag  atomic.Int64 // ns that the machine has let a goroutine oversleep at most
	beat atomic.Int64 // ns: when measureLag was last awake
}

func newClock() *clock {
	begin := time.Now()
	return &clock{now: func() time.Duration { return time.Since(begin) }}
}

// read returns the time; it stands still while the file system is held.
func (c *clock) read() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.holds {
		return c.since - c.held
	}
	return c.now() - c.held
}

// hold stops the clock until the function that it returns is called. Holds do not overlap.
func (c *clock) hold() func() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.since, c.holds = c.now(), true
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.held += c.now() - c.since
		c.holds = false
	}
}

const beatStep = 2 * time.Millisecond

// measureLag keeps the greatest oversleep until stop is closed: a window cannot
// be kept by a machine that does not run what would keep it.
func (c *clock) measureLag(stop <-chan struct{}) {
	for {
		c.beat.Store(int64(c.now()))
		select {
		case <-stop:
			return
		case <-time.After(beatStep):
			c.lag.Store(int64(c.overslept()))
		}
	}
}

// overslept returns the greatest oversleep so far, one that still goes on included.
func (c *clock) overslept() time.Duration {
	return max(time.Duration(c.lag.Load()), c.now()-time.Duration(c.beat.Load())-beatStep)
}
