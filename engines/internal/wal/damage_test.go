package wal

import (
	"bytes"
	"context"

	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"orbitbench/engines"
	"orbitbench/engines/internal/frame"
	"orbitbench/engines/internal/vfs"
)

// place is where a record lies.
type place struct {
	file     string
	off, end int64
}

// writeLog makes a log in memory with n records of about 100 bytes, each its own
// flush unless group says how many share one, and returns where they lie.
func writeLog(t testing.TB, o Options, n, group int, clean bool) (*vfs.Mem, map[LSN]place) {
	t.Helper()
	mem := vfs.NewMem()
	o.FS = mem
	l, _, _, err := replayAll(o, 0)
	require.NoError(t, err)
	for i := range n {
		lsn, err := l.Append(1, small(LSN(i+1)))
		require.NoError(t, err)
		if int(lsn)%group == 0 || i == n-1 {
			require.NoError(t, l.Wait(lsn))
		}
	}
	state := mem
	if clean {
		require.NoError(t, l.Close())
	} else {
		state = mem.Kill()
		defer l.Close()
	}
	places := map[LSN]place{}
	r := &recovery{fs: state, dir: o.Dir, workers: 1}
	require.NoError(t, r.load())
	for _, f := range r.segs {
		file, err := state.OpenFile(f.name, vfs.ReadOnly)
		require.NoError(t, err)
		w := &walk{file: f.name, head: f.head, src: openSource(file, 0, f.size, new(chunks)), limit: f.size, off: dataStart}
		require.NoError(t, w.run(func(w *walk, h frame.Header, p []byte) error {
			if h.Kind == 1 {
				places[LSN(h.Seq)] = place{f.name, w.off, w.off + int64(frame.Size(len(p)))}
			}
			return nil
		}))
	}
	require.Len(t, places, n)
	return state, places
}

func small(lsn LSN) []byte {
	b := bytes.Repeat([]byte{byte(lsn), 0xa5, byte(lsn >> 8)}, 28)
	return append(b, make([]byte, 16)...)
}

// outcome is what a damaged log may give.
type outcome int

const (
	whole   outcome = iota // every record
	torn                   // all but the last records, told as a torn tail or as nothing
	corrupt                // a CorruptError
)

func (o outcome) String() string { return [...]string{"whole", "torn", "corrupt"}[o] }

// judgeLog opens a log of n records and says what came out; wrong bytes fail.
func judgeLog(t testing.TB, m *vfs.Mem, o Options, n int) (outcome, ReplayInfo, error) {
	t.Helper()
	o.FS = m
	l, info, got, err := replayAll(o, 0)
	if err != nil {
		var c *engines.CorruptError
		require.True(t, errors.As(err, &c), "%v", err)
		require.NotEmpty(t, c.File)
		require.GreaterOrEqual(t, c.Offset, int64(0))
		return corrupt, info, err
	}
	require.NoError(t, l.Close())
	for lsn, p := range got {
		require.Equal(t, small(lsn), p, "record %d", lsn)
		require.LessOrEqual(t, int(lsn), len(got))
	}
	if len(got) == n {
		return whole, info, nil
	}
	return torn, info, nil
}

func TestDamageTable(t *testing.T) {
	const n = 600 // three segments
	last := LSN(n)
	flip := func(at func(p place) int64) func(m *vfs.Mem, p place) {
		return func(m *vfs.Mem, p place) {
			if err := m.Edit(p.file, func(b []byte) []byte { b[at(p)] ^= 0x10; return b }); err != nil {
				panic(err)
			}
		}
	}
	zero := func(from, to func(p place) int64) func(m *vfs.Mem, p place) {
		return func(m *vfs.Mem, p place) {
			if err := m.Edit(p.file, func(b []byte) []byte { clear(b[from(p):min(to(p), int64(len(b)))]); return b }); err != nil {
				panic(err)
			}
		}
	}
	block := func(p place) int64 { return p.off &^ (vfs.BlockBytes - 1) }
	cut := func(m *vfs.Mem, p place) {
		if err := m.Edit(p.file, func(b []byte) []byte { return b[:p.off] }); err != nil {
			panic(err)
		}
	}
	for _, c := range []struct {
		name   string
		group  int
		record LSN
		damage func(*vfs.Mem, place)
		clean  outcome // after a clean close
		killed outcome // after the death of the process
	}{
		{"nothing", 1, 1, func(*vfs.Mem, place) {}, whole, whole},
		{"bit in a payload", 1, 10, flip(func(p place) int64 { return p.off + 30 }), corrupt, corrupt},
		{"bit in a checksum", 1, 10, flip(func(p place) int64 { return p.off }), corrupt, corrupt},
		{"bit in a length", 1, 10, flip(func(p place) int64 { return p.off + 4 }), corrupt, corrupt},
		{"high bit in a length", 1, 10, flip(func(p place) int64 { return p.off + 6 }), corrupt, corrupt},
		{"bit in a number", 1, 10, flip(func(p place) int64 { return p.off + 8 }), corrupt, corrupt},
		{"bit in the first record", 1, 1, flip(func(p place) int64 { return p.off + 30 }), corrupt, corrupt},
		{"bit in the first record of a later segment", 1, 0, flip(func(p place) int64 { return dataStart + 30 }), corrupt, corrupt},
		{"bit in the record before the last", 1, last - 1, flip(func(p place) int64 { return p.off + 30 }), corrupt, corrupt},
		{"bit in the last record", 1, last, flip(func(p place) int64 { return p.off + 30 }), corrupt, torn},
		{"bit inside the last group", 50, last - 20, flip(func(p place) int64 { return p.off + 30 }), corrupt, corrupt},
		{"bit at the start of the last group", 50, last - 49, flip(func(p place) int64 { return p.off + 1 }), corrupt, corrupt},
		{"bit in the group before the last", 50, last - 60, flip(func(p place) int64 { return p.off + 30 }), corrupt, corrupt},
		{"record zeroed", 1, 100, zero(func(p place) int64 { return p.off }, func(p place) int64 { return p.end }), corrupt, corrupt},
		{"block zeroed", 1, 100, zero(block, func(p place) int64 { return block(p) + vfs.BlockBytes }), corrupt, corrupt},
		{"everything from here zeroed", 1, 100, zero(func(p place) int64 { return p.off }, func(place) int64 { return 1 << 40 }), corrupt, corrupt},
		{"last record zeroed", 1, last, zero(func(p place) int64 { return p.off }, func(p place) int64 { return p.end }), corrupt, torn},
		{"header zeroed", 1, 300, zero(func(place) int64 { return 0 }, func(place) int64 { return 4096 }), corrupt, corrupt},
		{"bit in the header", 1, 300, flip(func(place) int64 { return 17 }), corrupt, corrupt},
		{"file cut off", 1, 300, cut, corrupt, corrupt},
		{"file missing", 1, 300, func(m *vfs.Mem, p place) {
			if err := m.Remove(p.file); err != nil {
				panic(err)
			}
		}, corrupt, corrupt},
		{"first file missing", 1, 1, func(m *vfs.Mem, p place) {
			if err := m.Remove(p.file); err != nil {
				panic(err)
			}
		}, corrupt, corrupt},
	} {
		for _, clean := range []bool{true, false} {
			for _, workers := range []int{1, 3} {
				t.Run(fmt.Sprintf("%s/clean=%t,workers=%d", c.name, clean, workers), func(t *testing.T) {
					o := crashOptions(engines.Sync)
					o.ReplayWorkers = workers
					mem, places := writeLog(t, o, n, c.group, clean)
					p := places[c.record]
					if c.record == 0 {
						p = places[n/2]
					}
					c.damage(mem, p)
					got, info, err := judgeLog(t, mem, o, n)
					want := c.killed
					if clean {
						want = c.clean
					}
					require.Equal(t, want, got, "%v %+v", err, info)
				})
			}
		}
	}
}

// A block of an earlier life of the file is told from a current one.
func TestStaleBlockOfAnEarlierEpoch(t *testing.T) {
	o := crashOptions(engines.Sync)
	mem := vfs.NewMem()
	o.FS = mem
	l, _, _, err := replayAll(o, 0)
	require.NoError(t, err)
	old := map[string][]byte{}
	var from LSN
	for i := range 1500 {
		lsn, err := l.Append(1, small(LSN(i+1)))
		require.NoError(t, err)
		require.NoError(t, l.Wait(lsn))
		if i == 700 {
			for _, name := range mem.Files() {
				old[name], err = vfs.ReadFile(mem, name)
				require.NoError(t, err)
			}
			first, err := l.Rotate()
			require.NoError(t, err)
			from = first - 1
			require.NoError(t, l.DropBefore(first))
		}
	}
	require.NoError(t, l.Close())
	tried := 0
	for _, name := range mem.Files() {
		b, err := vfs.ReadFile(mem, name)
		require.NoError(t, err)
		for off := dataStart; off+vfs.BlockBytes <= len(b) && len(old[name]) == len(b); off += vfs.BlockBytes {
			h, _, err := decodeSegmentHeader(name, b)
			require.NoError(t, err)
			oh, _, err := decodeSegmentHeader(name, old[name])
			require.NoError(t, err)
			if oh.epoch == h.epoch || bytes.Equal(b[off:off+vfs.BlockBytes], old[name][off:off+vfs.BlockBytes]) || h.closed && int64(off) >= h.closeEnd {
				continue
			}
			state := mem.Kill()
			require.NoError(t, state.Edit(name, func(b []byte) []byte {
				copy(b[off:], old[name][off:off+vfs.BlockBytes])
				return b
			}))
			_, err = Verify(context.Background(), state, o.Dir, from, 0, nil)
			require.ErrorIs(t, err, engines.ErrCorrupt, "%s at %d", name, off)
			tried++
		}
	}
	require.Positive(t, tried)
}

// Every way in which the end of a small log can be missing is a torn tail, and
// recovery goes on from there.
func TestTruncationAtEveryByte(t *testing.T) {
	o := crashOptions(engines.Sync)
	o.SegmentBytes = minSegmentBytes
	const n = 12
	mem, places := writeLog(t, o, n, 1, false)
	file := places[1].file
	end := places[n].end
	step := 1
	if testing.Short() {
		step = 7
	}
	for at := int64(dataStart); at <= end; at += int64(step) {
		for _, rubbish := range []bool{false, true} {
			state := mem.Kill()
			require.NoError(t, state.Edit(file, func(b []byte) []byte {
				clear(b[at:])
				if rubbish { // as a recycled file has it
					rng := rand.New(rand.NewPCG(uint64(at), 0))
					for i := int(at); i < len(b); i++ {
						b[i] = byte(rng.Uint32())
					}
				}
				return b
			}))
			got := 0
			for got < n && (places[LSN(got+1)].end-4 <= at || !rubbish && places[LSN(got+1)].end-21 <= at) {
				got++ // the last 4 bytes are padding, and the 17 before them are zeros anyway
			}
			so := o
			so.FS = state
			l, info, recs, err := replayAll(so, 0)
			require.NoError(t, err, "cut at %d", at)
			require.Len(t, recs, got, "cut at %d: %+v", at, info)
			if rubbish && got < n {
				require.Equal(t, file, info.TornFile)
				require.Greater(t, info.TornBytes, int64(0))
			}
			lsn, err := l.Append(1, small(LSN(len(recs)+1)))
			require.NoError(t, err)
			require.EqualValues(t, len(recs)+1, lsn)
			require.NoError(t, l.Close())
			out, _, err := judgeLog(t, state, so, len(recs)+1)
			require.Equal(t, whole, out, "%v", err)
		}
	}
}

// A missing sector inside the last group is a torn tail, wherever it lies; in
// an earlier group it is damage.
func TestMissingSector(t *testing.T) {
	o := crashOptions(engines.Sync)
	const n, group = 100, 50
	mem, places := writeLog(t, o, n, group, false)
	file := places[1].file
	for off := places[1].off; off < places[n].end; off += vfs.SectorBytes {
		state := mem.Kill()
		inLast := off >= places[group+1].off
		require.NoError(t, state.Edit(file, func(b []byte) []byte {
			from := off
			if off < places[group].end && off+vfs.SectorBytes > places[group].end {
				from, inLast = places[group].end, true // the sector as it was before the last write
			}
			clear(b[from : off+vfs.SectorBytes])
			return b
		}))
		out, _, err := judgeLog(t, state, o, n)
		if inLast {
			require.Equal(t, torn, out, "offset %d: %v", off, err)
		} else {
			require.Equal(t, corrupt, out, "offset %d", off)
		}
	}
}

func TestHeaderErrors(t *testing.T) {
	good := make([]byte, headerBytes)
	segmentHeader{ordered: true, epoch: 7, size: 1 << 20}.encode(good)
	h, empty, err := decodeSegmentHeader("f", good)
	require.NoError(t, err)
	require.False(t, empty)
	require.Equal(t, segmentHeader{ordered: true, epoch: 7, size: 1 << 20}, h)

	for _, c := range []struct {
		name string
		edit func(b []byte)
		want error
	}{
		{"magic", func(b []byte) { b[0]++ }, engines.ErrCorrupt},
		{"checksum", func(b []byte) { b[20]++ }, engines.ErrCorrupt},
		{"version", func(b []byte) { b[8] = 2; reseal(b) }, engines.ErrUnsupported},
		{"flags", func(b []byte) { b[12] |= 0x80; reseal(b) }, engines.ErrCorrupt},
		{"epoch", func(b []byte) { b[16] = 0; reseal(b) }, engines.ErrCorrupt},
		{"size", func(b []byte) { b[24] = 1; reseal(b) }, engines.ErrCorrupt},
		{"close position", func(b []byte) { b[12] |= flagClosed; reseal(b) }, engines.ErrCorrupt},
		{"position without close", func(b []byte) { b[40] = 1; reseal(b) }, engines.ErrCorrupt},
	} {
		b := bytes.Clone(good)
		c.edit(b)
		_, _, err := decodeSegmentHeader("f", b)
		require.ErrorIs(t, err, c.want, c.name)
	}
	_, empty, err = decodeSegmentHeader("f", make([]byte, headerBytes))
	require.NoError(t, err)
	require.True(t, empty)
	_, _, err = decodeSegmentHeader("f", good[:10])
	require.ErrorIs(t, err, engines.ErrCorrupt)
}
