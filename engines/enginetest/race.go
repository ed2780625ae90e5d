package enginetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"orbitbench/engines"
)

var raceChecks = []named{
	{"races/one_winner_per_version", checkOneWinner},
	{"races/one_creator", checkOneCreator},
	{"races/renewals_one_winner", checkRenewalsOneWinner},
	{"races/value_fits_version", checkValueFitsVersion},
}

const racers = 8

// claims records who was granted which version.
type claims struct {
	mu     sync.Mutex
	owners map[engines.Version][]int // guarded by mu
}

func (c *claims) add(v engines.Version, owner int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.owners == nil {
		c.owners = make(map[engines.Version][]int)
	}
	c.owners[v] = append(c.owners[v], owner)
}

// judge checks that every version of (first, last] has exactly one owner.
func (c *claims) judge(s *store, first, last engines.Version) {
	s.Helper()
	for v, owners := range c.owners {
		if len(owners) > 1 {
			s.Errorf("version %d was granted to %v, want one winner", v, owners)
		}
		if v <= first || v > last {
			s.Errorf("version %d was granted, the record went from %d to %d", v, first, last)
		}
	}
	if want := int(last - first); len(c.owners) != want {
		s.Errorf("%d versions were granted between %d and %d, want %d", len(c.owners), first, last, want)
	}
}

// race lets several goroutines try to advance the record from the version that
// they read, until each has won or lost often enough.
func (s *store) race(key string, try func(worker, round int, held engines.Version) (engines.Version, error)) {
	s.Helper()
	_, first, err := s.e.Get(s.ctx, engines.Leases, []byte(key), nil)
	if err != nil {
		s.Fatalf("Get: %v", err)
	}
	var won claims
	var all sync.WaitGroup
	start := make(chan struct{})
	for w := range racers {
		all.Go(func() {
			<-start
			for round := range s.count(1600) / racers {
				_, held, err := s.e.Get(s.ctx, engines.Leases, []byte(key), nil)
				if err != nil {
					s.Errorf("Get: %v", err)
					return
				}
				v, err := try(w, round, held)
				switch {
				case errors.Is(err, engines.ErrConflict):
				case err != nil:
					s.Errorf("racer %d: %v", w, err)
					return
				case v != held+1:
					s.Errorf("racer %d held version %d and was granted %d, want the next", w, held, v)
					return
				default:
					won.add(v, w)
				}
			}
		})
	}
	close(start)
	all.Wait()
	_, last, err := s.e.Get(s.ctx, engines.Leases, []byte(key), nil)
	if err != nil {
		s.Fatalf("Get: %v", err)
	}
	if last == first {
		s.Errorf("nobody won")
	}
	won.judge(s, first, last)
}

func checkOneWinner(s *store) {
	s.start()
	s.put(engines.Leases, "key", "start")
	s.race("key", func(worker, round int, held engines.Version) (engines.Version, error) {
		return s.putIf(engines.Leases, "key", fmt.Sprintf("%d of worker %d", round, worker), held)
	})
}

// checkRenewalsOneWinner races every way to renew, and a compare-and-swap that
// replaces the record, against each other.
func checkRenewalsOneWinner(s *store) {
	s.start()
	s.putLease("key", 100, 1<<50)
	ways := s.renewers()
	ways = append(ways, renewer{name: "put"})
	s.race("key", func(worker, round int, held engines.Version) (engines.Version, error) {
		way := ways[(worker+round)%len(ways)]
		if way.renew == nil {
			return s.putIf(engines.Leases, "key", string(leaseBytes(int64(round), 1<<50)), held)
		}
		return way.renew("key", held, renewal(200, 1<<50+int64(worker)))
	})
}

// checkOneCreator races creations of records that do not exist; each round the
// one that won deletes the record again.
func checkOneCreator(s *store) {
	e := s.start()
	var won claims
	last := engines.Version(0)
	for round := range s.count(160) {
		winners := make([]engines.Version, racers)
		var all sync.WaitGroup
		for w := range racers {
			all.Go(func() {
				v, err := s.putIf(engines.Leases, "key", fmt.Sprintf("worker %d", w), 0)
				switch {
				case err == nil:
					winners[w] = v
				case !errors.Is(err, engines.ErrConflict):
					s.Errorf("racer %d: %v", w, err)
				}
			})
		}
		all.Wait()
		winner := slices.IndexFunc(winners, func(v engines.Version) bool { return v != 0 })
		if winner < 0 {
			s.Fatalf("round %d: nobody created the record", round)
		}
		for w, v := range winners {
			if v != 0 && w != winner {
				s.Fatalf("round %d: racers %d and %d both created the record (versions %d and %d)", round, winner, w, winners[winner], v)
			}
		}
		s.want(e, engines.Leases, "key", fmt.Sprintf("worker %d", winner), winners[winner])
		if winners[winner] <= last {
			s.Fatalf("round %d: version %d granted after %d", round, winners[winner], last)
		}
		last = winners[winner]
		won.add(last, winner)
		s.remove(engines.Leases, "key")
	}
}

// checkValueFitsVersion writes the sequence number into the value, so that
// value and version of a read always differ by the same number and no byte is
// of another write.
func checkValueFitsVersion(s *store) {
	e := s.start()
	n := name{engines.Leases, "key"}
	base := s.put(n.ks, n.key, string(value(n.key, 0, 200)))
	var bufs [3][]byte
	var last [3]engines.Version
	read := func(w, _ int) bool {
		raw, v, err := e.Get(s.ctx, n.ks, []byte(n.key), bufs[w][:0])
		if err != nil {
			s.Errorf("Get: %v", err)
			return false
		}
		bufs[w] = raw
		seq, err := sequence(n.key, raw)
		if err != nil || engines.Version(seq) != v-base {
			s.Errorf("version %d is read with value %d (%v), want %d", v, seq, err, v-base)
			return false
		}
		if v < last[w] {
			s.Errorf("version %d is read after %d", v, last[w])
			return false
		}
		last[w] = v
		return true
	}
	s.during(len(bufs), read, func() {
		for i := range s.count(4000) {
			// Lengths change, so that an update in place and a move both happen.
			want := value(n.key, uint64(i+1), 200+i%3*40)
			if v := s.put(n.ks, n.key, string(want)); v != base+engines.Version(i+1) {
				s.Fatalf("version %d, want %d", v, base+engines.Version(i+1))
			}
			// What was acknowledged is seen at once by the one who was told.
			if raw, _, err := e.Get(s.ctx, n.ks, []byte(n.key), nil); err != nil || !slices.Equal(raw, want) {
				s.Fatalf("an acknowledged write is not read back: %s, %v", brief(raw), err)
			}
		}
	})
}
