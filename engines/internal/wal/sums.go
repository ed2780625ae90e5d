package wal

import (
	"hash/crc32"
	"io"

	"orbitbench/engines/internal/frame"
)

// sums tells the checksum of any part of a range of a file in constant time: it has that of the
// range's beginnings. A recycled segment may be full of bytes that look like headers of long records; computing each
// checksum over its own megabytes would take longer than everything else that Open does.
//
// The state of a CRC after some bytes is linear in the state before them: with S(x, b) the state after bytes b from
// state x, and Z(x, n) that after n zeros, S(x, b) = S(y, b) ^ Z(x ^ y, len(b)). So the sum of
// file[a:b] follows from the states at a and at b.
type sums struct {
	file  io.ReaderAt
	begin int64
	limit int64
	state []uint32 // after file[begin : begin+i*sumStep]
	buf   [sumStep]byte
}

// sumStep is the distance of the states that are kept.
const sumStep = 256

// newSums reads file[begin:limit] once.
func newSums(file io.ReaderAt, begin, limit int64) (*sums, error) {
	s := &sums{file: file, begin: begin, limit: limit, state: make([]uint32, 1, (limit-begin)/sumStep+2)}
	buf := make([]byte, readChunk)
	sum := uint32(0)
	for off := begin; off < limit; {
		b := buf[:min(int64(len(buf)), limit-off)]
		if err := readFull(file, b, off); err != nil {
			return nil, err
		}
		off += int64(len(b))
		for len(b) > 0 {
			n := min(sumStep, len(b))
			sum = frame.PayloadSum(sum, b[:n])
			s.state = append(s.state, sum)
			b = b[n:]
		}
	}
	return s, nil
}

// at returns the checksum of file[begin:off].
func (s *sums) at(off int64) (uint32, error) {
	i := (off - s.begin) / sumStep
	rest := s.buf[:off-s.begin-i*sumStep]
	if err := readFull(s.file, rest, off-int64(len(rest))); err != nil {
		return 0, err
	}
	return frame.PayloadSum(s.state[i], rest), nil
}

// of returns the checksum of n bytes from off on.
func (s *sums) of(off, n int64) (uint32, error) {
	a, err := s.at(off)
	if err != nil {
		return 0, err
	}
	b, err := s.at(off + n)
	// hash/crc32 inverts states at both ends; sums of parts one after the other combine all the same: b is
	// a, carried on over n zeros, and what is between them.
	return b ^ zeros(a, n), err
}

// zeroPowers[i] is, for each bit of a state, what becomes of it over 2^i zero bytes.
var zeroPowers = func() (m [33][32]uint32) {
	table := crc32.MakeTable(crc32.Castagnoli)
	for bit := range 32 {
		x := uint32(1) << bit
		m[0][bit] = table[byte(x)] ^ x>>8
	}
	for i := 1; i < len(m); i++ {
		for bit := range 32 {
			m[i][bit] = times(&m[i-1], m[i-1][bit])
		}
	}
	return m
}()

func times(m *[32]uint32, x uint32) (y uint32) {
	for bit := 0; x != 0; bit, x = bit+1, x>>1 {
		if x&1 != 0 {
			y ^= m[bit]
		}
	}
	return y
}

// zeros carries a state on over n zero bytes.
func zeros(x uint32, n int64) uint32 {
	for i := 0; n > 0; i, n = i+1, n>>1 {
		if n&1 != 0 {
			x = times(&zeroPowers[i], x)
		}
	}
	return x
}
