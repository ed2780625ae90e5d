package workloads

import (
	"encoding/binary"

	"orbitbench/engines/lease"
)

// Request is one drawn operation.
type Request struct {
	Op    Op
	Actor int // Renew, Acquire, Get, Release
	Node  int // List
}

// Generator draws the requests of one worker. It is for one goroutine, and
// allocates nothing.
type Generator interface {
	// Next sets *r to the next request.
	Next(r *Request)
}

// Renewal is the lease-renewal workload of one worker.
//
// Renew and Get go to residents (by Params.Distribution) and, under Uniform,
// to leases that the worker has acquired itself. Acquire takes the next
// free actor of the worker's reserve, so that it creates a lease; Release gives
// up the oldest that it acquired. When the reserve is used up, a draw of
// Acquire becomes a Release, and with nothing to release a Release becomes an
// Acquire: the population stays within Space.Size() for however long one runs,
// and the result shows the operations that were really made.
type Renewal struct {
	rng       random
	cuts      [NumOps]uint64 // cumulative shares of 2^32, in the order of Op
	nodes     uint64
	first     int // of the worker's block
	own       int // residents of the worker's block
	reserve   int
	oldest    int // position in the reserve of the oldest lease that is held
	held      int // leases of the reserve that are held
	space     *Space
	zipf      *zipf
	stride    uint64 // scatters Zipf ranks and turns over the residents
	owned     bool   // each worker has residents of its own
	residents uint64
	rounds    bool   // residents come in turn
	turn      uint64 // of the next resident
	step      uint64 // turns between two of this worker's, unless Seek says otherwise
}

var _ Generator = (*Renewal)(nil)

// NewRenewals returns the generator of each worker of s.
func NewRenewals(s *Space, seed uint64) []*Renewal {
	var z *zipf
	var stride uint64
	if s.params.Distribution == Zipf && s.residents > 0 {
		z = newZipf(s.residents, s.params.ZipfS)
	}
	if s.params.Distribution != Uniform && s.residents > 0 {
		stride = coprimeStride(uint64(s.residents))
	}
	cuts := s.params.cuts()
	all := make([]*Renewal, s.params.Workers)
	for w := range all {
		own := s.residentsOf(w)
		all[w] = &Renewal{
			rng: newRandom(seed, w), cuts: cuts, nodes: uint64(s.params.Nodes),
			first: w * s.block, own: own, reserve: s.block - own,
			space: s, zipf: z, stride: stride,
			owned: !s.Shared(), residents: uint64(s.residents),
			rounds: s.params.Distribution == Rounds && s.residents > 0, turn: uint64(w), step: uint64(s.params.Workers),
		}
	}
	return all
}

// cuts turns the shares into the upper bounds of 32-bit draws.
func (p *Params) cuts() (cuts [NumOps]uint64) {
	copy(cuts[:], cutsOf(p.Mix, opNames[:]))
	return cuts
}

// coprimeStride returns a number near n/golden ratio without a common divisor
// with n: multiples of it visit every residue, neighbours far apart.
func coprimeStride(n uint64) uint64 {
	s := uint64(float64(n)*0.6180339887) | 1
	for gcd(s, n) != 1 {
		s += 2
	}
	return s
}

func gcd(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// Draw is a request with the key of its actor (for List: of some actor).
type Draw struct {
	Request
	KeyLen int
	Key    [KeyRoom]byte
}

// Bytes is the key of the request's actor.
func (d *Draw) Bytes() []byte { return d.Key[:d.KeyLen] }

// Seek makes turn the next of the rounds: whoever knows the number of an
// operation makes it decide the lease, whichever worker carries it out. Other
// distributions have no turns, and are left as they are.
func (g *Renewal) Seek(turn uint64) { g.turn = turn }

// Fill draws the next len(list) requests, as Next does, with their keys. It
// takes half the time of drawing them one by one.
func (g *Renewal) Fill(list []Draw) {
	g.drawAll(list)
	g.space.putKeys(list)
}

func (g *Renewal) drawAll(list []Draw) {
	rng, cut, first, own := g.rng, g.cuts[Renew], g.first, uint64(g.own)
	if !g.owned {
		cut = 0
	}
	for i := range list {
		r := &list[i].Request
		x := rng.next()
		at := x >> 32 * (own + uint64(g.held)) >> 32
		if x&(1<<32-1) < cut && at < own { // what Next does with by far the most draws
			r.Op, r.Actor = Renew, first+int(at)
			continue
		}
		g.rng = rng
		g.choose(r, x, x&(1<<32-1))
		rng = g.rng
	}
	g.rng = rng
}

// putKeys is PutKey for each request, compiled into one loop.
func (s *Space) putKeys(list []Draw) {
	salt, seed, types := s.salt, s.seed, s.types
	for i := range list {
		d := &list[i]
		first, second, h := keyWords(uint32(d.Actor)^salt, seed)
		binary.BigEndian.PutUint64(d.Key[0:], first)
		binary.BigEndian.PutUint64(d.Key[8:], second)
		t := &types[h>>32*uint64(len(types))>>32]
		*(*[typeRoom]byte)(d.Key[lease.UUIDBytes:]) = t.bytes
		d.KeyLen = lease.UUIDBytes + t.length
	}
}

// Next implements Generator.
func (g *Renewal) Next(r *Request) {
	x := g.rng.next()
	draw := x & (1<<32 - 1)
	if draw < g.cuts[Renew] && g.owned { // by far the most frequent
		if i := int(x >> 32 * uint64(g.own+g.held) >> 32); i < g.own {
			r.Op, r.Actor = Renew, g.first+i
			return
		}
	}
	g.choose(r, x, draw)
}

func (g *Renewal) choose(r *Request, x, draw uint64) {
	switch {
	case draw < g.cuts[Renew]:
		r.Op = Renew
	case draw < g.cuts[Acquire]:
		g.turnover(r, g.held < g.reserve)
		return
	case draw < g.cuts[Get]:
		r.Op = Get
	case draw < g.cuts[List]:
		r.Op, r.Node = List, int(scale(g.rng.next(), g.nodes))
		return
	default:
		g.turnover(r, g.held == 0)
		return
	}
	g.target(r, x>>32)
}

// target chooses a lease that is held; x has 32 random bits.
func (g *Renewal) target(r *Request, x uint64) {
	if g.owned {
		i := int(x * uint64(g.own+g.held) >> 32)
		if i < g.own {
			r.Actor = g.first + i
			return
		}
		r.Actor = g.reserved(i - g.own)
		return
	}
	switch {
	case g.rounds:
		r.Actor = g.space.Resident(int(g.turn % g.residents * g.stride % g.residents))
		g.turn += g.step
	case g.zipf != nil:
		rank := uint64(g.zipf.next(&g.rng))
		r.Actor = g.space.Resident(int(rank * g.stride % g.residents))
	case g.residents+uint64(g.held) == 0:
		g.turnover(r, true)
	default:
		if i := x * (g.residents + uint64(g.held)) >> 32; i < g.residents {
			r.Actor = g.space.Resident(int(i))
		} else {
			r.Actor = g.reserved(int(i - g.residents))
		}
	}
}

// reserved is the i-th oldest lease of the reserve that is held.
func (g *Renewal) reserved(i int) int {
	return g.first + g.own + (g.oldest+i)%g.reserve
}

// turnover acquires a lease or releases one.
func (g *Renewal) turnover(r *Request, acquire bool) {
	if acquire {
		r.Op, r.Actor = Acquire, g.reserved(g.held)
		g.held++
		return
	}
	r.Op, r.Actor = Release, g.reserved(0)
	g.oldest = (g.oldest + 1) % g.reserve
	g.held--
}
