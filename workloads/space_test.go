package workloads

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"orbitbench/engines/lease"
)

func testParams(actors, workers int) Params {
	p := base(actors, 10, 300, 150, 667, 256)
	p.Workers = workers
	return p
}

func newSpace(t testing.TB, p Params, seed uint64) *Space {
	t.Helper()
	s, err := NewSpace(p, seed)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestPermuteIsInvertible(t *testing.T) {
	for range 200_000 {
		x := rand.Uint32()
		if y := unpermute(permute(x)); y != x {
			t.Fatalf("unpermute(permute(%#x)) = %#x", x, y)
		}
	}
}

func TestKeysNameTheirActor(t *testing.T) {
	for _, preset := range []string{"orbit-default", "k8s-node"} {
		pr, err := LookupPreset(preset)
		if err != nil {
			t.Fatal(err)
		}
		s, other := newSpace(t, pr.Params, 1), newSpace(t, pr.Params, 2)
		seen := make(map[string]bool)
		var key []byte
		for actor := range s.Size() {
			key = s.AppendKey(key[:0], actor)
			if seen[string(key)] {
				t.Fatalf("%s: actor %d has the key of another", preset, actor)
			}
			seen[string(key)] = true
			if got, ok := s.ActorOf(key); !ok || got != actor {
				t.Fatalf("%s: ActorOf(key of %d) = %d, %v", preset, actor, got, ok)
			}
			if _, ok := other.ActorOf(key); ok {
				t.Fatalf("%s: actor %d of seed 1 passes for one of seed 2", preset, actor)
			}
		}
		k, err := lease.ParseKey(key)
		if err != nil || k.ActorID[6]>>4 != 8 || k.ActorID[8]>>6 != 2 {
			t.Errorf("%s: %v is no UUID of version 8 (%v)", preset, k, err)
		}
		if len(key) != s.KeyBytes() {
			t.Errorf("%s: key of %d bytes, KeyBytes says %d", preset, len(key), s.KeyBytes())
		}
	}
}

func TestKeySizes(t *testing.T) {
	for preset, want := range map[string]int{"orbit-default": 28, "k8s-node": 39} {
		pr, _ := LookupPreset(preset)
		if got := newSpace(t, pr.Params, 1).KeyBytes(); got != want {
			t.Errorf("%s: keys of %d bytes, want %d", preset, got, want)
		}
	}
}

func TestResidentsAreTheBlocksHeads(t *testing.T) {
	for _, c := range []struct{ actors, workers int }{{1000, 64}, {1001, 7}, {3, 8}, {1, 1}} {
		for _, prefill := range []float64{0, 0.5, 1} {
			p := testParams(c.actors, c.workers)
			p.Prefill = prefill
			s := newSpace(t, p, 1)
			seen := make(map[int]bool)
			for i := range s.Residents() {
				a := s.Resident(i)
				if a < 0 || a >= s.Size() || seen[a] || !s.IsResident(a) {
					t.Fatalf("%+v prefill %v: resident %d is actor %d of %d (seen %v)", c, prefill, i, a, s.Size(), seen[a])
				}
				seen[a] = true
			}
			n := 0
			for a := range s.Size() {
				if s.IsResident(a) {
					n++
				}
			}
			if n != s.Residents() {
				t.Fatalf("%+v prefill %v: IsResident holds for %d actors, want %d", c, prefill, n, s.Residents())
			}
		}
	}
}

// A wrong record must not pass for a right one.
func TestCheckLeaseTellsWrongRecords(t *testing.T) {
	s := newSpace(t, testParams(1000, 8), 7)
	var l lease.Lease
	record := func(actor int) []byte {
		s.FillLease(&l, actor, 1e18)
		b, err := l.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	good := record(5)
	if len(good) != 256 {
		t.Fatalf("record of %d bytes, want 256", len(good))
	}
	if err := s.CheckLease(5, good, nil); err != nil {
		t.Fatal(err)
	}
	renewed := record(5)
	if err := l.Renewal(1e18 + 5).Patch(renewed); err != nil {
		t.Fatal(err)
	}
	if err := s.CheckLease(5, renewed, &l); err != nil {
		t.Errorf("renewed lease: %v", err)
	}
	for name, bad := range map[string][]byte{
		"the record of another actor": record(6),
		"a record cut short":          good[:255],
		"a record with a byte more":   append(record(5), 0),
		"nothing":                     nil,
		"a renewal half written": func() []byte {
			b := record(5)
			lease.Renewal{ExpiresAt: 2e18, Now: 1e18 + 9}.PatchChecked(b)
			return b
		}(),
	} {
		if err := s.CheckLease(5, bad, nil); err == nil {
			t.Errorf("%s passes for the lease of actor 5", name)
		}
	}
	for i := range good {
		if i >= 4 && i < 8 || i >= 24 && i < 32 {
			continue // renewal_count and created_at follow from nothing else
		}
		bad := append([]byte(nil), good...)
		bad[i] ^= 0x40
		if err := s.CheckLease(5, bad, nil); err == nil {
			t.Errorf("a flipped bit in byte %d goes unseen", i)
		}
	}
}

func TestPresetsAreSound(t *testing.T) {
	seen := make(map[string]bool)
	for _, pr := range Presets() {
		if seen[pr.Name] || pr.Source == "" || pr.About == "" || pr.Params.Preset != pr.Name {
			t.Errorf("preset %q: doubled, or without source, explanation or name", pr.Name)
		}
		seen[pr.Name] = true
		if err := pr.Params.Validate(); err != nil {
			t.Errorf("preset %s: %v", pr.Name, err)
		}
		if p := pr.Params; p.RenewSeconds > 0 && !strings.HasPrefix(pr.Name, "upstream") {
			if want := float64(p.Actors) / p.RenewSeconds; p.RatePerS < 0.99*want || p.RatePerS > 1.01*want {
				t.Errorf("preset %s: rate %v, actors / renew interval is %v", pr.Name, p.RatePerS, want)
			}
		}
	}
	for _, name := range []string{"orbit-default", "orbit-1m", "k8s-node", "upstream-actor-lease", "upstream-high-throughput", "upstream-query-heavy"} {
		if !seen[name] {
			t.Errorf("no preset %s", name)
		}
	}
	if _, err := LookupPreset("nope"); err == nil || !strings.Contains(err.Error(), "orbit-default") {
		t.Errorf("LookupPreset(nope): %v, want an error that lists the names", err)
	}
}

func TestValidateNamesTheFault(t *testing.T) {
	for want, spoil := range map[string]func(*Params){
		"actors":       func(p *Params) { p.Actors = 0 },
		"actor_types":  func(p *Params) { p.ActorTypes = 0 },
		"nodes":        func(p *Params) { p.Nodes = -1 },
		"workers":      func(p *Params) { p.Workers = 0 },
		"lease_second": func(p *Params) { p.LeaseSeconds = 0 },
		"prefill":      func(p *Params) { p.Prefill = 1.5 },
		"value_bytes":  func(p *Params) { p.ValueBytes = 40 },
		"distribution": func(p *Params) { p.Distribution = "normal" },
		"zipf_s":       func(p *Params) { p.Distribution = Zipf },
		"sum":          func(p *Params) { p.Mix = map[string]float64{"renew": 0.5} },
		"operation":    func(p *Params) { p.Mix = map[string]float64{"dance": 1} },
		"share":        func(p *Params) { p.Mix = map[string]float64{"renew": 2, "get": -1} },
	} {
		p := testParams(100, 4)
		spoil(&p)
		if _, err := NewSpace(p, 1); err == nil || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("error %v, want one that says %q", err, want)
		}
	}
}
