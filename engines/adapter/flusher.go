package adapter

import (
	"sync"
	"sync/atomic"
	"time"
)

// Flusher gives a store class Interval: it syncs twice per window in the
// background, and a commit is acknowledged only while the last completed sync
// began less than a window ago. So every acknowledged commit that a kill -9 or
// a power cut can take was acknowledged within one window; a device too slow
// for that slows the writers down instead of widening the window.
type Flusher struct {
	window time.Duration
	sync   func() error
	base   time.Time

	dirty  atomic.Bool  // a commit was applied since the last sync began
	begun  atomic.Int64 // when the last completed sync began, ns since base
	mu     sync.Mutex
	moved  *sync.Cond // begun or failed changed
	failed error      // guarded by mu

	stop    chan struct{} // closed by Stop
	stopped chan struct{} // closed when the goroutine has ended
}

// NewFlusher starts a flusher. sync makes everything committed before its call
// durable; an error of it ends the flusher, and every later Committed returns it.
func NewFlusher(window time.Duration, syncAll func() error) *Flusher {
	f := &Flusher{
		window: window, sync: syncAll, base: time.Now(),
		stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	f.moved = sync.NewCond(&f.mu)
	go f.run()
	return f
}

// Committed is called after a commit has reached the store and before it is
// acknowledged. It returns at once unless the flusher has fallen behind.
func (f *Flusher) Committed() error {
	if !f.dirty.Load() {
		f.dirty.Store(true)
	}
	if f.fresh() {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.failed == nil && !f.fresh() {
		f.moved.Wait()
	}
	return f.failed
}

func (f *Flusher) fresh() bool {
	return time.Since(f.base)-time.Duration(f.begun.Load()) < f.window
}

// Stop ends the goroutine. It does not sync: Close of the engine does.
func (f *Flusher) Stop() {
	close(f.stop)
	<-f.stopped
}

func (f *Flusher) run() {
	defer close(f.stopped)
	defer f.finish(errFlusherStopped)
	tick := time.NewTicker(max(f.window/2, time.Microsecond))
	defer tick.Stop()
	for {
		select {
		case <-f.stop:
			return
		case <-tick.C:
		}
		now := int64(time.Since(f.base))
		if f.dirty.Swap(false) {
			if err := f.sync(); err != nil {
				f.finish(err)
				return
			}
		}
		f.mu.Lock()
		f.begun.Store(now)
		f.mu.Unlock()
		f.moved.Broadcast()
	}
}

// finish records why no further sync will come and wakes whoever waits for one.
func (f *Flusher) finish(err error) {
	f.mu.Lock()
	if f.failed == nil {
		f.failed = err
	}
	f.mu.Unlock()
	f.moved.Broadcast()
}
