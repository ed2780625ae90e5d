package enginetest

import (
	"errors"
	"fmt"
	"slices"

	"orbitbench/engines"
)

var scanChecks = []named{
	{"scans/ranges", checkScanRanges},
	{"scans/stop_and_errors", checkScanStop},
	{"scans/large", checkScanLarge},
	{"scans/untouched_seen_once", checkScanUnderChurn},
}

func checkScanRanges(s *store) {
	e := s.start()
	keys := []string{"\x00", "a", "a\x00", "ab", "b", "b\xff", "c", "\xff", "\xff\xff"}
	for i, k := range keys {
		s.put(engines.Index, keys[(i*4)%len(keys)], "x") // 4 and 9 share no factor: every key, out of order
		s.put(engines.Nodes, "in another keyspace "+k, "x")
	}
	bounds := append([]string{"", "A", "a\x00\x00", "aa", "b\xff\xff", "bz", "zz", "\xff\xff\x00"}, keys...)
	for _, from := range bounds {
		for _, to := range append(bounds, "nil") {
			var lo, hi []byte
			if from != "" {
				lo = []byte(from)
			}
			if to == "" {
				continue // an empty end that is not nil has no promised meaning
			}
			if to != "nil" {
				hi = []byte(to)
			}
			var want, got []string
			for _, k := range keys {
				if k >= from && (hi == nil || k < to) {
					want = append(want, k)
				}
			}
			for _, r := range s.scan(e, engines.Index, lo, hi) {
				got = append(got, r.key)
			}
			if !slices.Equal(got, want) {
				s.Errorf("Scan [%q, %q): %q, want %q", from, to, got, want)
			}
		}
	}
}

func checkScanStop(s *store) {
	e := s.start()
	for i := range 600 {
		s.stage(engines.Leases, fmt.Sprintf("key-%04d", i), "x")
	}
	s.flush()
	for _, limit := range []int{1, 2, 255, 256, 257, 600} {
		seen := 0
		err := e.Scan(s.ctx, engines.Leases, nil, nil, func(_, _ []byte, _ engines.Version) error {
			if seen++; seen == limit {
				return engines.ErrStopScan
			}
			return nil
		})
		if err != nil || seen != limit {
			s.Errorf("Scan stopped at %d: %d seen, error %v", limit, seen, err)
		}
	}
	mine := errors.New("mine")
	err := e.Scan(s.ctx, engines.Leases, nil, nil, func(_, _ []byte, _ engines.Version) error { return mine })
	if !errors.Is(err, mine) {
		s.Errorf("Scan whose yield fails: %v, want the error of yield", err)
	}
	err = e.Scan(s.ctx, engines.Leases, nil, nil, func(_, _ []byte, _ engines.Version) error {
		return fmt.Errorf("wrapped: %w", engines.ErrStopScan)
	})
	if err != nil {
		s.Errorf("Scan ended by a wrapped ErrStopScan: %v, want nil", err)
	}
	// The engine is as usable as before.
	s.put(engines.Leases, "key-0000", "y")
}

// checkScanLarge stores enough for every engine to hold it in more than one
// block, page or chunk, and values of very different sizes.
func checkScanLarge(s *store) {
	e := s.start()
	n := s.count(12000)
	rng := s.rng(2)
	want := make(map[name]record)
	for _, i := range rng.Perm(n) {
		k := fmt.Sprintf("%08x-%04d", uint32(i)*2654435761, i)
		size := 16 + rng.IntN(200)
		if i%500 == 0 {
			size = 20_000
		}
		v := string(value(k, uint64(i), size))
		want[name{engines.Snapshots, k}] = record{v, 0}
		s.stage(engines.Snapshots, k, v)
	}
	for _, op := range s.flush() {
		want[name{op.ks, op.key}] = record{want[name{op.ks, op.key}].value, op.version}
	}
	s.sameState("scan", s.dump(e), want)
	if s.keeps() {
		s.reopen()
		s.sameState("scan after reopen", s.dump(s.e), want)
	}
}

// checkScanUnderChurn keeps some records still while their neighbours come, go,
// grow and shrink: each still one is seen exactly once by every scan.
func checkScanUnderChurn(s *store) {
	e := s.start()
	const still = 400
	want := make(map[string]string, still)
	key := func(i int) string { return fmt.Sprintf("%05d", i*10) }
	for i := range still {
		want[key(i)] = string(value(key(i), uint64(i), 100))
		s.stage(engines.Leases, key(i), want[key(i)])
	}
	s.flush()
	churn := func(w, i int) bool {
		var b engines.Batch
		for j := range 20 {
			k := []byte(fmt.Sprintf("%05d", ((i*7+j*31)%still)*10+1+w))
			if (i+j)%3 == 0 {
				b.Delete(engines.Leases, k)
			} else {
				b.Put(engines.Leases, k, value(string(k), uint64(i), 40+(i*13+j)%400))
			}
		}
		if err := e.Apply(s.ctx, &b); err != nil {
			s.Errorf("Apply: %v", err)
			return false
		}
		return true
	}
	s.during(3, churn, func() {
		for range s.count(60) {
			seen := 0
			for _, r := range s.scan(e, engines.Leases, nil, nil) {
				if v, ok := want[r.key]; ok {
					seen++
					if r.value != v {
						s.Fatalf("an untouched record is seen as %s", brief([]byte(r.value)))
					}
				} else if _, err := sequence(r.key, []byte(r.value)); err != nil {
					s.Fatalf("Scan: %q: %v", r.key, err)
				}
			}
			if seen != still {
				s.Fatalf("a scan saw %d of %d untouched records", seen, still)
			}
		}
	})
}
