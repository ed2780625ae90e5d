package actorstore

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"orbitbench/engines"
	"orbitbench/engines/lease"
)

// somePoints returns n points in order: regular and not, of number values that
// change little, jump, and have other labels, and of values that are no points.
func somePoints(t testing.TB, rng *rand.Rand, n int) []point {
	var points []point
	at, value := rng.Uint64N(1<<40), 20.0
	for i := range n {
		if at += 1_000_000_000; rng.IntN(4) == 0 {
			at += rng.Uint64N(1 << 30)
		}
		p := lease.Point{Value: value, Labels: []lease.Tag{{Name: "host", Value: "a"}}}
		switch value += float64(rng.IntN(5)) / 4; rng.IntN(12) {
		case 0:
			p.Value = rng.Float64() * math.Pow(10, float64(rng.IntN(300)))
		case 1:
			p.Labels = nil
		case 2:
			p.Value = math.NaN()
		}
		raw, err := p.AppendBinary(nil)
		require.NoError(t, err)
		if rng.IntN(15) == 0 {
			raw = raw[:rng.IntN(len(raw))]
		}
		points = append(points, point{at, engines.Version(1 + i%3 + int(rng.Uint64N(1<<20))), raw})
	}
	return points
}

func encodeBlocks(points []point) (blocks []*block) {
	w := newBlockWriter()
	for _, p := range points {
		w.add(p)
		if w.full() {
			blocks = append(blocks, w.block())
		}
	}
	if w.n > 0 {
		blocks = append(blocks, w.block())
	}
	return blocks
}

func TestBlocksGiveBackWhatWentIn(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		points := somePoints(t, rng, 1+rng.IntN(3*blockPoints))
		points[len(points)-1].time = math.MaxUint64 // integers wrap
		var got []point
		for _, b := range encodeBlocks(points) {
			require.NoError(t, b.check())
			var p point
			for r := b.reader(); r.mustNext(&p); {
				got = append(got, point{p.time, p.version, bytes.Clone(p.value)})
			}
		}
		require.Len(t, got, len(points))
		for i := range got {
			require.Equal(t, points[i].time, got[i].time)
			require.Equal(t, points[i].version, got[i].version)
			require.True(t, bytes.Equal(points[i].value, got[i].value))
		}
	}
}

// TestBlocksAreSmall: a gauge read every second takes a few bytes a point, of 30 in the log.
func TestBlocksAreSmall(t *testing.T) {
	w := newBlockWriter()
	size, n := 0, 0
	for i := range 10 * blockPoints {
		p := lease.Point{Value: 20 + float64(i%16)/4, Labels: []lease.Tag{{Name: "host", Value: "a"}}}
		raw, err := p.AppendBinary(nil)
		require.NoError(t, err)
		w.add(point{uint64(i) * 1e9, 1, raw})
		n++
		if w.full() {
			size += len(w.block().data)
		}
	}
	require.Less(t, size, 7*n, "bytes of %d points", n)
}

// TestDamagedBlocks: each thing that the check looks at, wrong.
func TestDamagedBlocks(t *testing.T) {
	points := somePoints(t, rand.New(rand.NewPCG(3, 4)), 20)
	good := encodeBlocks(points)[0]
	require.NoError(t, good.check())
	for name, change := range map[string]func(b *block){
		"fewer points said":  func(b *block) { b.n-- },
		"more points said":   func(b *block) { b.n++ },
		"no points said":     func(b *block) { b.n = 0 },
		"another first time": func(b *block) { b.first++ },
		"another last time":  func(b *block) { b.last-- },
		"cut off":            func(b *block) { b.data = b.data[:len(b.data)-1] },
		"longer":             func(b *block) { b.data = append(b.data, 0) },
		"empty":              func(b *block) { b.data = nil },
		"tail too long":      func(b *block) { b.data[3] = 0xff },
	} {
		b := *good
		b.data = bytes.Clone(good.data)
		change(&b)
		require.Error(t, b.check(), name)
	}
}
