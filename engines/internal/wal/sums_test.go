package wal

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"orbitbench/engines/internal/frame"
)

// TestSumsOfParts: the sum of any part follows from those of beginnings.
func TestSumsOfParts(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, 3*readChunk+777)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	for _, begin := range []int64{0, 4096, 5000} {
		s, err := newSums(bytes.NewReader(b), begin, int64(len(b)))
		require.NoError(t, err)
		for i := range 2000 {
			off := begin + rng.Int64N(int64(len(b))-begin)
			n := rng.Int64N(int64(len(b)) - off + 1)
			if i%3 == 0 {
				n = min(n, rng.Int64N(600))
			}
			got, err := s.of(off, n)
			require.NoError(t, err)
			require.Equal(t, frame.PayloadSum(0, b[off:off+n]), got, "%d bytes from %d", n, off)
		}
		all, err := s.of(begin, int64(len(b))-begin)
		require.NoError(t, err)
		require.Equal(t, frame.PayloadSum(0, b[begin:]), all)
	}
}
