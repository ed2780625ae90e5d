package enginetest

import (
	"testing"

	"orbitbench/engines"
)

// checkAllocations holds an engine that claims it to RenewLease and Get
// without allocation. It lives on the count of the whole process, of which a
// background goroutine may add a fraction: AllocsPerRun rounds down.
func checkAllocations(s *store) {
	switch {
	case !s.options.AllocFree:
		s.Skipf("the engine does not claim it (Options.AllocFree)")
	case raceEnabled:
		s.Skipf("the race detector allocates")
	}
	e := s.start()
	key := []byte("key")
	held := s.putLease("key", 100, 1<<50)
	now := int64(200)
	if native, ok := e.(engines.LeaseRenewer); ok {
		n := testing.AllocsPerRun(s.count(1000), func() {
			v, err := native.RenewLease(s.ctx, key, held, renewal(now, 1<<50+now))
			if err != nil {
				s.Fatalf("RenewLease: %v", err)
			}
			held = v
			now++
		})
		if n > 0 {
			s.Errorf("RenewLease: %v allocations per call, want none", n)
		}
	}
	dst := make([]byte, 0, 512)
	n := testing.AllocsPerRun(s.count(1000), func() {
		if _, _, err := e.Get(s.ctx, engines.Leases, key, dst); err != nil {
			s.Fatalf("Get: %v", err)
		}
	})
	if n > 0 {
		s.Errorf("Get: %v allocations per call, want none", n)
	}
}
