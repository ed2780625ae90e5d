package directory

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"orbitbench/engines"
	"orbitbench/engines/lease"
	"orbitbench/harness/patience"
)

// held is one lease of the model.
type held struct {
	node    string
	expires int64
	due     int64 // of the expiry record
	version engines.Version
}

// TestRandomAgainstModel drives a directory and a plain map with the same calls.
func TestRandomAgainstModel(t *testing.T) {
	seed := patience.Seed(t)
	steps := 20_000
	if testing.Short() {
		steps = 3000
	}
	forBothPaths(t, func(t *testing.T, e engines.Engine, d *Directory) {
		rng := rand.New(rand.NewPCG(seed, 0))
		s := d.NewSession()
		model := make(map[string]held)
		top := make(map[string]engines.Version)
		grant := func(key, node string, expires, due int64, v engines.Version) {
			if v <= top[key] {
				t.Fatalf("%s gets version %d, had %d", key, v, top[key])
			}
			top[key] = v
			model[key] = held{node, expires, due, v}
		}
		now := int64(-1000) // index keys must sort negative times too
		for step := range steps {
			now += rng.Int64N(3)
			key, node := fmt.Sprintf("actor-%02d", rng.IntN(40)), fmt.Sprintf("node-%d", rng.IntN(4))
			have, exists := model[key]
			version := have.version
			if rng.IntN(5) == 0 {
				version++
			}
			expires := now + 1 + rng.Int64N(100)
			switch n := rng.IntN(100); {
			case n < 35:
				v, err := s.Acquire(ctx, []byte(key), newLease(node, now, expires), now)
				if refused := exists && have.node != node && have.expires > now; refused != errors.Is(err, ErrHeld) || (!refused && err != nil) {
					t.Fatalf("step %d: Acquire at %d: %v, model has %+v", step, now, err, have)
				}
				if err == nil {
					grant(key, node, expires, expires, v)
				}
			case n < 70:
				v, err := s.Renew(ctx, []byte(key), version, lease.Renewal{Now: now, ExpiresAt: expires})
				var want error
				switch {
				case !exists:
					want = engines.ErrNotFound
				case version != have.version:
					want = engines.ErrConflict
				case have.expires <= now:
					want = lease.ErrExpired
				}
				wantErr(t, "Renew", err, want)
				if err == nil {
					grant(key, have.node, expires, have.due, v)
				}
			case n < 85:
				err := s.Release(ctx, []byte(key), version)
				var want error
				switch {
				case !exists:
					want = engines.ErrNotFound
				case version != have.version:
					want = engines.ErrConflict
				}
				wantErr(t, "Release", err, want)
				if err == nil {
					delete(model, key)
				}
			case n < 98:
				var want, got []string
				for k, h := range model {
					if h.node == node {
						want = append(want, fmt.Sprint(k, h.version))
					}
				}
				slices.Sort(want)
				if _, err := s.ListByNode(ctx, node, 0, func(key []byte, v engines.Version, _ []byte) error {
					got = append(got, fmt.Sprint(string(key), v))
					return nil
				}); err != nil || !slices.Equal(got, want) {
					t.Fatalf("step %d: ListByNode: %v, %v, want %v", step, got, err, want)
				}
			default:
				want := 0
				for k, h := range model {
					switch {
					case h.due > now:
					case h.expires <= now:
						delete(model, k)
						want++
					default:
						h.due = h.expires
						model[k] = h
					}
				}
				if got, err := s.Sweep(ctx, now, 0); err != nil || got != want {
					t.Fatalf("step %d: Sweep at %d: %d, %v, want %d", step, now, got, err, want)
				}
			}
			if step%200 == 0 {
				checkIndex(t, e)
			}
		}
	})
}

// TestConcurrentSessions lets workers acquire, renew, release, list and sweep
// the same leases. Each version of a lease has one owner, and the index follows.
func TestConcurrentSessions(t *testing.T) {
	forBothPaths(t, func(t *testing.T, e engines.Engine, d *Directory) {
		const workers, actors = 8, 12
		rounds := 1500
		if testing.Short() {
			rounds = 300
		}
		var mu sync.Mutex
		owners := make(map[string]string) // key and version -> node
		own := func(key []byte, v engines.Version, node string) {
			mu.Lock()
			defer mu.Unlock()
			name := fmt.Sprintf("%s@%d", key, v)
			if other, taken := owners[name]; taken {
				t.Errorf("%s belongs to %s and to %s", name, other, node)
			}
			owners[name] = node
		}
		s := d.NewSession()
		for i := range actors {
			// These are nobody's to take: every list of "still" must show each once.
			must[engines.Version](t)(s.Acquire(ctx, fmt.Appendf(nil, "key-%02d-still", i), newLease("still", 0, 1<<50), 0))
		}
		var all sync.WaitGroup
		for w := range workers {
			all.Go(func() {
				s, rng, node := d.NewSession(), rand.New(rand.NewPCG(uint64(w), 7)), fmt.Sprintf("node-%d", w)
				mine := make(map[string]engines.Version)
				for now := range int64(rounds) {
					key := fmt.Appendf(nil, "key-%02d", rng.IntN(actors))
					v, holds := mine[string(key)]
					var err error
					switch n := rng.IntN(20); {
					case n < 8 && !holds:
						if v, err = s.Acquire(ctx, key, newLease(node, now, now+1+rng.Int64N(20)), now); err == nil {
							own(key, v, node)
							mine[string(key)] = v
						}
					case n < 14 && holds:
						if v, err = s.Renew(ctx, key, v, lease.Renewal{Now: now, ExpiresAt: now + 1 + rng.Int64N(20)}); err == nil {
							own(key, v, node)
							mine[string(key)] = v
						} else {
							delete(mine, string(key))
						}
					case n < 16 && holds:
						err = s.Release(ctx, key, v)
						delete(mine, string(key))
					case n < 18:
						got := 0
						if got, err = s.ListByNode(ctx, "still", 0, func([]byte, engines.Version, []byte) error { return nil }); got != actors {
							t.Errorf("a list saw %d of %d leases that nobody touches", got, actors)
						}
					default:
						_, err = s.Sweep(ctx, now, 5)
					}
					for _, fine := range []error{nil, ErrHeld, engines.ErrConflict, engines.ErrNotFound, lease.ErrExpired} {
						if errors.Is(err, fine) {
							err = nil
						}
					}
					if err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		all.Wait()
	})
}
