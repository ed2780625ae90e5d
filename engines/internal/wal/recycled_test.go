package wal

import (
	"math/rand/v2"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"orbitbench/engines"
	"orbitbench/engines/internal/frame"
	"orbitbench/engines/internal/vfs"
)

// TestJudgeOfARecycledSegmentIsLinear: what a recycled segment holds behind the last record
// looks like headers of long records nearly everywhere. Judging the tail must not
// compute a checksum at each such place: with segments of 32 MiB that took hours.
func TestJudgeOfARecycledSegmentIsLinear(t *testing.T) {
	state, places := writeLog(t, Options{Dir: "/log", Class: engines.Sync, SegmentBytes: 4 << 20}, 20, 1, false)
	rng := rand.New(rand.NewPCG(7, 9))
	name := places[20].file
	b, err := vfs.ReadFile(state, name)
	require.NoError(t, err)
	for i := places[20].end; i < int64(len(b)); i += 8 {
		for j := range int64(8) {
			b[i+j] = byte(rng.Uint64())
		}
	}
	file, err := os.CreateTemp(t.TempDir(), "segment")
	require.NoError(t, err)
	defer file.Close()
	_, err = file.Write(b)
	require.NoError(t, err)

	r := &recovery{fs: state, dir: "/log", workers: 1}
	require.NoError(t, r.load())
	w := &walk{file: name, head: r.segs[0].head, src: openSource(file, 0, int64(len(b)), new(chunks)), limit: int64(len(b)), off: dataStart}
	defer w.src.close()
	require.NoError(t, w.run(func(*walk, frame.Header, []byte) error { return nil }))
	require.Equal(t, places[20].end, w.off)
	torn, err := w.judge()
	require.NoError(t, err)
	require.Equal(t, w.off, torn.erase)
	require.Less(t, w.tried, 3, "checksums computed over what is no record")

	// Without a record before it, the bound is looser, and still one.
	known, next := w.known, w.next
	w.known, w.next, w.tried, w.sums = false, 1, 0, nil
	_, err = w.judge()
	require.NoError(t, err)
	require.Less(t, w.tried, 200)
	w.known, w.next = known, next

	// Leases in a batch that was there before: numbers and lengths that could be right, one after the other.
	for i := places[20].end; i+16 <= int64(len(b)); i += 16 {
		header := frame.Header{Seq: 21 + uint64(i-places[20].end)/64, Length: 1 << 20, Kind: 1}
		frame.Put(b[i:], header, uint32(i), 0)
	}
	_, err = file.WriteAt(b, 0)
	require.NoError(t, err)
	judge := func() (tail, error) {
		w := &walk{file: name, head: w.head, limit: w.limit, off: w.off, next: w.next, base: w.base, known: true, group: w.group, prev: w.prev}
		w.src = openSource(file, w.off, w.limit, new(chunks))
		defer w.src.close()
		torn, err := w.judge()
		require.Greater(t, w.tried, 1000)
		return torn, err
	}
	found, err := judge()
	require.NoError(t, err)
	require.Equal(t, w.off, found.erase)

	// A record among them that was written after the end had been durable is still seen.
	at := places[20].end + 2<<20
	payload := b[at+frame.HeaderBytes:][:1<<20]
	frame.Put(b[at:], frame.Header{Seq: 30, Length: 1 << 20, Kind: 1, First: true}, frame.PayloadSum(0, payload), frame.EpochMask(w.head.epoch))
	_, err = file.WriteAt(b, 0)
	require.NoError(t, err)
	_, err = judge()
	require.ErrorIs(t, err, engines.ErrCorrupt)
}
