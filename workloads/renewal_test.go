package workloads

import (
	"math"
	"testing"
)

func draws(s *Space, seed uint64, worker, n int) []Request {
	g := NewRenewals(s, seed)[worker]
	list := make([]Request, n)
	for i := range list {
		g.Next(&list[i])
	}
	return list
}

func TestDeterministicInSeedAndWorker(t *testing.T) {
	for _, distribution := range []string{Uniform, Zipf, Rounds} {
		p := testParams(10_000, 4)
		p.Distribution, p.ZipfS = distribution, DefaultZipfS
		s := newSpace(t, p, 1)
		same := func(a, b []Request) bool {
			for i := range a {
				if a[i] != b[i] {
					return false
				}
			}
			return true
		}
		if !same(draws(s, 9, 2, 1000), draws(s, 9, 2, 1000)) {
			t.Errorf("%s: the same seed and worker give two sequences", distribution)
		}
		if same(draws(s, 9, 2, 1000), draws(s, 9, 3, 1000)) || same(draws(s, 9, 2, 1000), draws(s, 8, 2, 1000)) {
			t.Errorf("%s: another worker or seed gives the same sequence", distribution)
		}
	}
}

func TestFillIsNextWithKeys(t *testing.T) {
	for _, distribution := range []string{Uniform, Zipf, Rounds} {
		p := testParams(1000, 4)
		p.Distribution, p.ZipfS = distribution, DefaultZipfS
		s := newSpace(t, p, 1)
		want := draws(s, 9, 2, 10_000)
		g := NewRenewals(s, 9)[2]
		got := make([]Draw, 100)
		for i := 0; i < len(want); i += len(got) {
			g.Fill(got)
			for j := range got {
				r, w := got[j].Request, want[i+j]
				if r.Op != w.Op || r.Op == List && r.Node != w.Node || r.Op != List && r.Actor != w.Actor {
					t.Fatalf("%s: draw %d is %+v, Next gives %+v", distribution, i+j, r, w)
				}
				if r.Op != List && string(got[j].Bytes()) != string(s.AppendKey(nil, r.Actor)) {
					t.Fatalf("%s: draw %d of actor %d has key %x", distribution, i+j, r.Actor, got[j].Bytes())
				}
			}
		}
	}
}

// Against a plain model: acquisitions take free actors of the worker's own
// block, releases held ones, and everything else goes to leases that are held.
func TestRequestsKeepTheirRules(t *testing.T) {
	mixes := map[string]map[string]float64{
		"default":      DefaultMix(),
		"release":      {"renew": 0.5, "acquire": 0.2, "release": 0.2, "get": 0.1},
		"only release": {"release": 1},
		"only acquire": {"acquire": 1},
	}
	for name, mix := range mixes {
		for _, prefill := range []float64{0, 0.5, 1} {
			for _, distribution := range []string{Uniform, Zipf, Rounds} {
				p := testParams(300, 3)
				p.Mix, p.Prefill, p.Distribution, p.ZipfS = mix, prefill, distribution, 1
				s := newSpace(t, p, 5)
				for worker := range 3 {
					checkRules(t, name, s, draws(s, 5, worker, 20_000), worker)
				}
			}
		}
	}
}

func checkRules(t *testing.T, name string, s *Space, list []Request, worker int) {
	t.Helper()
	held := make(map[int]bool)
	for i, r := range list {
		mine := r.Actor/s.block == worker
		switch r.Op {
		case List:
			if r.Node < 0 || r.Node >= 10 {
				t.Fatalf("%s: draw %d lists node %d", name, i, r.Node)
			}
		case Acquire:
			if !mine || held[r.Actor] || s.IsResident(r.Actor) {
				t.Fatalf("%s: draw %d acquires actor %d: mine %v, held %v", name, i, r.Actor, mine, held[r.Actor])
			}
			held[r.Actor] = true
		case Release:
			if !mine || !held[r.Actor] {
				t.Fatalf("%s: draw %d releases actor %d: mine %v, held %v", name, i, r.Actor, mine, held[r.Actor])
			}
			delete(held, r.Actor)
		default:
			if !s.IsResident(r.Actor) && !held[r.Actor] {
				t.Fatalf("%s: draw %d: %v of actor %d, which holds no lease", name, i, r.Op, r.Actor)
			}
			if !mine && !s.Shared() {
				t.Fatalf("%s: draw %d: worker %d has actor %d of another", name, i, worker, r.Actor)
			}
		}
	}
}

func TestMixIsKept(t *testing.T) {
	s := newSpace(t, testParams(10_000_000, 1), 3) // a reserve that does not run out
	const n = 400_000
	var counts [NumOps]float64
	for _, r := range draws(s, 3, 0, n) {
		counts[r.Op]++
	}
	for op, share := range map[Op]float64{Renew: 0.90, Get: 0.05, Acquire: 0.04, List: 0.01, Release: 0} {
		if d := math.Abs(counts[op]/n - share); d > 6*math.Sqrt(share*(1-share)/n) {
			t.Errorf("%v: share %v, want %v", op, counts[op]/n, share)
		}
	}
}

// A used-up reserve turns acquisitions into as many releases.
func TestReserveTurnsOver(t *testing.T) {
	p := testParams(1000, 1)
	p.Mix = map[string]float64{"acquire": 1}
	s := newSpace(t, p, 3)
	var counts [NumOps]int
	for _, r := range draws(s, 3, 0, 100_000) {
		counts[r.Op]++
	}
	if free := s.Size() - s.Residents(); counts[Acquire]-counts[Release] > free || counts[Release] < 49_000 {
		t.Errorf("%d acquired, %d released with %d free actors", counts[Acquire], counts[Release], free)
	}
}

func TestUniformReachesEveryLeaseEquallyOften(t *testing.T) {
	p := testParams(1000, 4)
	p.Mix = map[string]float64{"renew": 1}
	s := newSpace(t, p, 3)
	counts := make(map[int]float64)
	const n = 400_000
	for w := range 4 {
		for _, r := range draws(s, 3, w, n/4) {
			counts[r.Actor]++
		}
	}
	chi, want := 0.0, float64(n)/1000
	for i := range 1000 {
		d := counts[s.Resident(i)] - want
		chi += d * d / want
	}
	if chi > 1250 { // 999 degrees of freedom: 1250 is beyond 5 sigma
		t.Errorf("chi squared %v over 1000 residents, want about 999", chi)
	}
}

func TestZipfFollowsItsLaw(t *testing.T) {
	for _, c := range []struct {
		n int
		s float64
	}{{1, 1}, {2, 0.5}, {1000, 0.99}, {1025, 1}, {1_000_000, 0.99}, {10_000_000, 1.2}} {
		z := newZipf(c.n, c.s)
		const draws = 400_000
		counts := make([]float64, c.n)
		r := newRandom(11, 0)
		for range draws {
			counts[z.next(&r)]++ // an index out of range panics
		}
		norm := 0.0
		for k := range c.n {
			norm += math.Pow(float64(k+1), -c.s)
		}
		got, want := 0.0, 0.0
		next := 1
		for k := range c.n { // cumulative, at powers of two and at the end
			got += counts[k] / draws
			want += math.Pow(float64(k+1), -c.s) / norm
			if k+1 == next || k+1 == c.n {
				next *= 2
				if d := math.Abs(got - want); d > 6*math.Sqrt(want*(1-want)/draws)+1e-4 {
					t.Errorf("n %d s %v: the first %d ranks have %.5f, want %.5f", c.n, c.s, k+1, got, want)
				}
			}
		}
	}
}

func TestZipfScattersItsRanks(t *testing.T) {
	for _, n := range []uint64{1, 2, 3, 64, 1000, 99_991} {
		stride := coprimeStride(n)
		seen := make([]bool, n)
		for rank := range n {
			i := rank * stride % n
			if seen[i] {
				t.Fatalf("n %d: stride %d visits %d twice", n, stride, i)
			}
			seen[i] = true
		}
	}
}

func TestNextAllocatesNothing(t *testing.T) {
	for _, distribution := range []string{Uniform, Zipf, Rounds} {
		p := testParams(10_000, 4)
		p.Distribution, p.ZipfS = distribution, DefaultZipfS
		s := newSpace(t, p, 1)
		g := NewRenewals(s, 1)[0]
		key := make([]byte, 0, 64)
		var r Request
		if n := testing.AllocsPerRun(10_000, func() {
			g.Next(&r)
			key = s.AppendKey(key[:0], r.Actor)
		}); n != 0 {
			t.Errorf("%s: %v allocations a draw", distribution, n)
		}
	}
}

func BenchmarkNext(b *testing.B) {
	for _, distribution := range []string{Uniform, Zipf, Rounds} {
		b.Run("distribution="+distribution, func(b *testing.B) {
			p := testParams(1_000_000, 4)
			p.Distribution, p.ZipfS = distribution, DefaultZipfS
			g := NewRenewals(newSpace(b, p, 1), 1)[0]
			var r Request
			for b.Loop() {
				g.Next(&r)
			}
		})
	}
}

func BenchmarkFill(b *testing.B) {
	g := NewRenewals(newSpace(b, testParams(1_000_000, 4), 1), 1)[0]
	list := make([]Draw, 32)
	for n := 0; n < b.N; n += len(list) {
		g.Fill(list)
	}
}

func BenchmarkAppendKey(b *testing.B) {
	s := newSpace(b, testParams(1_000_000, 4), 1)
	key := make([]byte, 0, 64)
	actor := 0
	for b.Loop() {
		key = s.AppendKey(key[:0], actor)
		actor = (actor + 7919) % 1_000_000
	}
}

// Turns visit every resident once a round, whichever worker takes them.
func TestRoundsRenewEachLeaseInTurn(t *testing.T) {
	p := testParams(1000, 4)
	p.Distribution, p.Mix = Rounds, map[string]float64{"renew": 1}
	s := newSpace(t, p, 1)
	all := NewRenewals(s, 9)
	draw := make([]Draw, 1)
	order := make([]int, 0, 3*s.Residents())
	for turn := range 3 * s.Residents() {
		g := all[turn*7%len(all)]
		g.Seek(uint64(turn))
		g.Fill(draw)
		order = append(order, draw[0].Actor)
	}
	n := s.Residents()
	seen := map[int]bool{}
	for i, actor := range order {
		if !s.IsResident(actor) || i < n && seen[actor] || i >= n && actor != order[i-n] {
			t.Fatalf("turn %d renews actor %d: not a resident, twice in a round, or not when its turn came before", i, actor)
		}
		seen[actor] = true
	}
	if len(seen) != n {
		t.Errorf("%d leases were renewed in three rounds, want %d", len(seen), n)
	}
	if !s.Shared() {
		t.Error("turns are not any one worker's, and Shared says that they are")
	}
}
