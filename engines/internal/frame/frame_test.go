package frame

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func build(h Header, payload []byte, mask uint32) []byte {
	b := make([]byte, Size(len(payload)))
	h.Length = uint32(len(payload))
	copy(b[HeaderBytes:], payload)
	sum := uint32(0)
	for _, p := range [][]byte{payload[:len(payload)/3], payload[len(payload)/3:]} {
		sum = PayloadSum(sum, p)
	}
	Put(b, h, sum, mask)
	return b
}

func TestRoundTrip(t *testing.T) {
	for _, n := range []int{0, 1, 7, 8, 100, 5000} {
		h := Header{Seq: MaxSeq - uint64(n), Length: uint32(n), Kind: uint8(n%255 + 1), Group: uint8(n) & MaxGroup, First: n%2 == 0}
		payload := bytes.Repeat([]byte{0xc3}, n)
		b := build(h, payload, EpochMask(9))
		require.Zero(t, len(b)%Align)
		got, p, ok := Parse(b, EpochMask(9))
		require.True(t, ok)
		require.Equal(t, h, got)
		require.True(t, bytes.Equal(payload, p))
		_, _, ok = Parse(b, EpochMask(10))
		require.False(t, ok, "another epoch")
		_, _, ok = Parse(b[:HeaderBytes+n-1], EpochMask(9))
		require.False(t, ok, "cut off")
	}
}

// Every single flipped bit of a record is found.
func TestEveryBitCounts(t *testing.T) {
	b := build(Header{Seq: 77, Kind: 3, Group: 5, First: true}, []byte("sixty-four bits and some more, to be sure of them"), EpochMask(1))
	for i := range (HeaderBytes + 49) * 8 {
		b[i/8] ^= 1 << (i % 8)
		_, _, ok := Parse(b, EpochMask(1))
		require.False(t, ok, "bit %d", i)
		b[i/8] ^= 1 << (i % 8)
	}
}

func TestEpochMaskIsOneToOne(t *testing.T) {
	seen := make(map[uint32]uint64, 1<<16)
	for e := range uint64(1 << 16) {
		m := EpochMask(e)
		if old, ok := seen[m]; ok {
			t.Fatalf("epochs %d and %d have mask %08x", old, e, m)
		}
		seen[m] = e
	}
}

// FuzzFrame: whatever Parse accepts encodes to the same bytes, and nothing else is
// accepted.
func FuzzFrame(f *testing.F) {
	f.Add(build(Header{Seq: 1, Kind: 1}, []byte("payload"), EpochMask(1)), uint64(1), false)
	f.Add(build(Header{Seq: 1 << 40, Kind: 255, Group: 127, First: true}, nil, EpochMask(2)), uint64(2), true)
	f.Fuzz(func(t *testing.T, b []byte, epoch uint64, seal bool) {
		mask := EpochMask(epoch)
		if seal && len(b) >= HeaderBytes { // make the checksum right: the rest must still be judged
			if h := Peek(b); h.Length <= uint32(len(b)-HeaderBytes) {
				Put(b, h, PayloadSum(0, b[HeaderBytes:HeaderBytes+h.Length]), mask)
			}
		}
		h, payload, ok := Parse(b, mask)
		if !ok {
			return
		}
		if h.Kind == 0 || int(h.Length) != len(payload) {
			t.Fatalf("accepted %+v with %d bytes", h, len(payload))
		}
		again := build(h, payload, mask)
		if n := HeaderBytes + len(payload); !bytes.Equal(again[:n], b[:n]) {
			t.Fatalf("%x became %x", b[:n], again[:n])
		}
	})
}
