package workloads

import "math/bits"

// random is wyrand (Wang Yi, wyhash, public domain): 64 bits of state, one
// multiplication and less than a nanosecond a draw.
type random uint64

// newRandom returns the stream of worker under seed.
func newRandom(seed uint64, worker int) random {
	return random(mix(seed ^ mix(uint64(worker)+1)))
}

const (
	golden = 0x9e3779b97f4a7c15 // 2^64 / golden ratio, odd
	wyStep = 0xa0761d6478bd642f
	wyMask = 0xe7037ed1a0b428db
)

func (r *random) next() uint64 {
	*r += wyStep
	hi, lo := bits.Mul64(uint64(*r), uint64(*r)^wyMask)
	return hi ^ lo
}

// mix is the finaliser of SplitMix64 (Steele, Lea and Flood, 2014), a bijection
// on 64 bits.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// scale maps the 64 bits of x to [0, n) by multiplication: no division, and a
// bias of at most n/2^64.
func scale(x uint64, n uint64) uint64 {
	hi, _ := bits.Mul64(x, n)
	return hi
}

// Odd constants of permute and their inverses modulo 2^32.
const (
	mul1, inv1 = 0x7feb352d, 0x1d69e2a5
	mul2, inv2 = 0x846ca68b, 0x43021123
)

// permute is a bijection on 32 bits (Wellons, hash-prospector,
// "lowbias32"), and unpermute its inverse: keys made of it are spread over the
// key space, and the actor can be told from the key.
func permute(x uint32) uint32 {
	x = (x ^ x>>16) * mul1
	x = (x ^ x>>15) * mul2
	return x ^ x>>16
}

func unpermute(x uint32) uint32 {
	x = (x ^ x>>16) * inv2
	x = (x ^ x>>15 ^ x>>30) * inv1
	return x ^ x>>16
}
