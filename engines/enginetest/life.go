package enginetest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"

	"orbitbench/engines"
)

var lifeChecks = []named{
	{"life/reopen", checkReopen},
	{"life/open_and_close", checkOpenClose},
	{"life/lock", checkLock},
	{"life/closed", checkClosed},
	{"life/close_waits", checkCloseWaits},
	{"life/cancelled", checkCancelled},
}

// checkReopen closes and opens a store several times, untouched and changed,
// and compares every record with its version.
func checkReopen(s *store) {
	s.start()
	s.fillPattern()
	want := s.dump(s.e)
	for round := range 4 {
		s.reopen()
		if !s.keeps() {
			// Class none may lose anything at a close, but what is there is what was.
			got := s.dump(s.e)
			for n := range want {
				if _, ok := got[n]; !ok {
					delete(want, n)
				}
			}
		}
		s.sameState("after reopen", s.dump(s.e), want)
		if round%2 == 1 {
			continue // and once closed without a change
		}
		k := string(rune('a' + round))
		s.apply(func(b *engines.Batch) {
			b.Put(engines.Leases, []byte(k), []byte("added"))
			b.Put(engines.Leases, []byte("key-001"), []byte("changed in round "+k))
			b.Delete(engines.Index, []byte("key-00"+string(rune('0'+round))))
		})
		want = s.dump(s.e)
	}
}

func checkOpenClose(s *store) {
	o := s.engineOptions(filepath.Join(s.dir, "no", "parent"))
	if e, err := s.driver.Open(s.ctx, o); err == nil {
		s.Errorf("Open below a directory that does not exist succeeded")
		s.closeQuietly(e)
	}
	if err := os.Mkdir(s.dir, 0o755); err != nil {
		s.Fatalf("%v", err)
	}
	e := s.start() // an empty directory that exists is as good as none
	if got := s.dump(e); len(got) != 0 {
		s.Errorf("a new store holds %d records", len(got))
	}
	s.reopen() // empty, as it was
	if got := s.dump(s.e); len(got) != 0 {
		s.Errorf("an empty store holds %d records after reopen", len(got))
	}
	s.stop()
	if err := s.e.Close(); !errors.Is(err, engines.ErrClosed) {
		s.Errorf("second Close: %v, want ErrClosed", err)
	}
}

// checkLock opens a store that is open: from this process and from another.
func checkLock(s *store) {
	s.start()
	v := s.put(engines.Leases, "key", "value")
	if e, err := s.driver.Open(s.ctx, s.engineOptions(s.dir)); !errors.Is(err, engines.ErrLocked) {
		s.Errorf("second Open: %v, want ErrLocked", err)
		if err == nil {
			s.closeQuietly(e)
			return
		}
	}
	if said := s.childOpen(); said != saidLocked {
		s.Errorf("Open in another process: %q, want %q", said, saidLocked)
	}
	s.want(s.e, engines.Leases, "key", "value", v)
	v = s.put(engines.Leases, "key", "still here")
	s.stop()
	if said := s.childOpen(); said != saidOpened {
		s.Errorf("Open in another process after Close: %q, want %q", said, saidOpened)
	}
	s.start()
	if s.keeps() {
		s.want(s.e, engines.Leases, "key", "still here", v)
	}
}

func checkClosed(s *store) {
	e := s.start()
	s.putLease("key", 100, 1000)
	s.stop()
	var b engines.Batch
	for what, call := range map[string]func() error{
		"Apply": func() error {
			b.Reset()
			b.Put(engines.Leases, []byte("key"), []byte("x"))
			return e.Apply(s.ctx, &b)
		},
		"Apply of an empty batch": func() error { b.Reset(); return e.Apply(s.ctx, &b) },
		"Get": func() error {
			_, _, err := e.Get(s.ctx, engines.Leases, []byte("key"), nil)
			return err
		},
		"Get of nothing": func() error {
			_, _, err := e.Get(s.ctx, engines.Index, []byte("nothing"), nil)
			return err
		},
		"Scan": func() error {
			return e.Scan(s.ctx, engines.Leases, nil, nil, func(_, _ []byte, _ engines.Version) error { return nil })
		},
		"Close": e.Close,
		"RenewLease": func() error {
			native, ok := e.(engines.LeaseRenewer)
			if !ok {
				return engines.ErrClosed
			}
			_, err := native.RenewLease(s.ctx, []byte("key"), 1, renewal(200, 2000))
			return err
		},
	} {
		if err := call(); !errors.Is(err, engines.ErrClosed) {
			s.Errorf("%s of a closed engine: %v, want ErrClosed", what, err)
		}
	}
	e.Stats() // has no error to return and must not panic
}

// checkCloseWaits closes an engine that is busy. Each call ends well or with
// ErrClosed, and what ended well is there.
func checkCloseWaits(s *store) {
	for round := range 3 {
		e := s.start()
		s.put(engines.Leases, "scanned", "x")
		var all sync.WaitGroup
		var mu sync.Mutex
		acked := make(map[string]engines.Version)
		begun := make(chan struct{}, 6)
		call := func(do func(i int) error) {
			all.Go(func() {
				var once sync.Once
				tell := func() { once.Do(func() { begun <- struct{}{} }) }
				defer tell()
				for i := 0; ; i++ {
					err := do(i)
					if i == 3 {
						tell()
					}
					if errors.Is(err, engines.ErrClosed) {
						return
					}
					if err != nil {
						s.Errorf("a call while the engine is closed: %v, want success or ErrClosed", err)
						return
					}
				}
			})
		}
		for w := range 3 {
			call(func(i int) error {
				k := string(rune('a'+round)) + string(rune('a'+w)) + string(rune('a'+i%26))
				var b engines.Batch
				b.Put(engines.Leases, []byte(k), []byte("value of "+k))
				err := e.Apply(s.ctx, &b)
				if err == nil {
					mu.Lock()
					acked[k] = b.Ops[0].Assigned
					mu.Unlock()
				}
				return err
			})
		}
		call(func(int) error { _, _, err := e.Get(s.ctx, engines.Leases, []byte("scanned"), nil); return err })
		call(func(int) error {
			return e.Scan(s.ctx, engines.Leases, nil, nil, func(_, _ []byte, _ engines.Version) error { return nil })
		})
		call(func(int) error { e.Stats(); return e.Apply(s.ctx, &engines.Batch{}) })
		for range 6 {
			<-begun
		}
		s.stop()
		all.Wait()
		if s.keeps() {
			s.start()
			for k, v := range acked {
				s.want(s.e, engines.Leases, k, "value of "+k, v)
			}
			s.stop()
		}
	}
}

// cancelled returns a context that has ended.
func (s *store) cancelled() context.Context {
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	return ctx
}

func isCancelled(err error) bool { return errors.Is(err, context.Canceled) }

func checkCancelled(s *store) {
	e := s.start()
	v := s.putLease("key", 100, 1000)
	before := s.dump(e)
	ctx := s.cancelled()
	var b engines.Batch
	b.Put(engines.Leases, []byte("key"), []byte("x"))
	b.Put(engines.Nodes, []byte("key"), []byte("x"))
	if err := e.Apply(ctx, &b); !isCancelled(err) {
		s.Errorf("Apply with a cancelled context: %v, want context.Canceled", err)
	}
	if native, ok := e.(engines.LeaseRenewer); ok {
		if _, err := native.RenewLease(ctx, []byte("key"), v, renewal(200, 2000)); !isCancelled(err) {
			s.Errorf("RenewLease with a cancelled context: %v, want context.Canceled", err)
		}
	}
	err := e.Scan(ctx, engines.Leases, nil, nil, func(_, _ []byte, _ engines.Version) error { return nil })
	if !isCancelled(err) {
		s.Errorf("Scan with a cancelled context: %v, want context.Canceled", err)
	}
	// Get may be too quick to look.
	if _, _, err := e.Get(ctx, engines.Leases, []byte("key"), nil); err != nil && !isCancelled(err) {
		s.Errorf("Get with a cancelled context: %v, want success or context.Canceled", err)
	}
	s.sameState("after calls with a cancelled context", s.dump(e), before)
	s.stop()
	s.start()
}
