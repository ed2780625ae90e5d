package durability

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var testMarker = newMarker([12]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, time.Unix(1_800_000_000, 0))

func commitsOf(hits []hit) map[int]int {
	seen := map[int]int{}
	for _, h := range hits {
		seen[h.commit]++
	}
	return seen
}

func TestMarkersAreFoundWhereTheyAre(t *testing.T) {
	m := testMarker
	b := make([]byte, 1000)
	m.fill(b[100:200], 7)
	binary.LittleEndian.PutUint64(b[300:], uint64(m.expiry(8)))
	binary.BigEndian.PutUint64(b[401:], uint64(m.expiry(9)))
	hits := m.find(b, nil)
	require.Equal(t, map[int]int{7: 6, 8: 1, 9: 1}, commitsOf(hits))
	for _, h := range hits {
		switch h.commit {
		case 8:
			require.EqualValues(t, 300, h.at)
		case 9:
			require.EqualValues(t, 401, h.at)
		default:
			require.Zero(t, (h.at-100)%16, "copies follow each other from offset 100, not at %d", h.at)
		}
	}
}

func TestMarkersAtTheEdges(t *testing.T) {
	m := testMarker
	var one [16]byte
	m.fill(one[:], 3)
	for cut := range one {
		require.Empty(t, m.find(one[:cut], nil), "%d bytes of a put", cut)
	}
	require.Len(t, m.find(one[:], nil), 1)
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		order.PutUint64(one[:], uint64(m.expiry(3)))
		for cut := range 8 {
			require.Empty(t, m.find(one[:cut], nil), "%d bytes of an expiry", cut)
			require.Empty(t, m.find(one[8-cut:8], nil), "the last %d bytes of an expiry", cut)
		}
		require.Len(t, m.find(one[:8], nil), 1)
	}
}

func TestRandomBytesHoldNoMarker(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, 1<<20)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	require.Empty(t, testMarker.find(b, nil))
}

func TestExpiriesLieAhead(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	require.Greater(t, testMarker.expiry(0), now.Add(20*time.Minute).UnixNano())
	require.Less(t, testMarker.expiry(maxCommits-1), now.Add(120*time.Hour).UnixNano())
}

// Whatever the bytes are, a hit is the marker that it names.
func FuzzFind(f *testing.F) {
	b := make([]byte, 64)
	testMarker.fill(b[3:40], 5)
	f.Add(b)
	binary.BigEndian.PutUint64(b[48:], uint64(testMarker.expiry(6)))
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		m := testMarker
		for _, h := range m.find(b, nil) {
			got := b[h.at : h.at+h.length]
			if h.length == 16 {
				var want [16]byte
				m.fill(want[:], h.commit)
				require.Equal(t, want[:], got)
				continue
			}
			le, be := binary.LittleEndian.Uint64(got), binary.BigEndian.Uint64(got)
			require.True(t, le == uint64(m.expiry(h.commit)) || be == uint64(m.expiry(h.commit)))
		}
	})
}
