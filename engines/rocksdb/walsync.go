package rocksdb

import "sync"

// walSync syncs the log for every commit that waits: the first waiter that
// finds no sync running makes one, for all commits written before it began.
type walSync struct {
	sync func() error

	mu      sync.Mutex
	moved   sync.Cond
	written uint64 // guarded by mu, as all below: commits that wait or have waited
	synced  uint64 // of these, how many are durable
	running bool
	failed  error
	syncs   uint64
}

func newWALSync(syncAll func() error) *walSync {
	w := &walSync{sync: syncAll}
	w.moved.L = &w.mu
	return w
}

// wait returns when everything written before the call is durable. After an
// error every call returns it.
func (w *walSync) wait() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.written++
	mine := w.written
	for w.synced < mine && w.failed == nil {
		if w.running {
			w.moved.Wait()
			continue
		}
		w.lead()
	}
	return w.failed
}

// lead makes one sync; w.mu is held before and after, not during.
func (w *walSync) lead() {
	w.running = true
	target := w.written
	w.mu.Unlock()
	err := w.sync()
	w.mu.Lock()
	w.running = false
	w.syncs++
	if err != nil {
		w.failed = err
	} else {
		w.synced = target
	}
	w.moved.Broadcast()
}

// count returns the number of syncs made.
func (w *walSync) count() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.syncs
}
