package arena

import (
	"encoding/binary"
	"math/bits"
)

// Odd constants with about as many ones as zeros; their values are not tuned.
const (
	hashK0 = 0x9e3779b97f4a7c15 // 2^64 / golden ratio
	hashK1 = 0xd1b54a32d192ed03 // 2^64 / second root of the plastic number
	hashK2 = 0x8cb92ba72f3d8dd7 // a prime
)

// Hash mixes key under seed: eight bytes at a time, each folded by a 64x64 to
// 128-bit multiplication. It is part of file formats that place records by it
// and must not change.
func Hash(seed uint64, key []byte) uint64 {
	h := seed ^ uint64(len(key))*hashK0
	for len(key) > 16 {
		h = fold(binary.LittleEndian.Uint64(key)^h^hashK0, binary.LittleEndian.Uint64(key[8:])^hashK1)
		key = key[16:]
	}
	var a, b uint64
	switch n := len(key); {
	case n >= 8:
		a, b = binary.LittleEndian.Uint64(key), binary.LittleEndian.Uint64(key[n-8:])
	case n >= 4:
		a, b = uint64(binary.LittleEndian.Uint32(key)), uint64(binary.LittleEndian.Uint32(key[n-4:]))
	case n > 0:
		a = uint64(key[0]) | uint64(key[n/2])<<8 | uint64(key[n-1])<<16
	}
	return fold(fold(a^h^hashK1, b^hashK2), h^hashK0)
}

func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}
