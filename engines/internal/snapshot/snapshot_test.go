package snapshot

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"orbitbench/engines"
	"orbitbench/engines/internal/vfs"
	"orbitbench/harness/patience"
)

var tag = Tag{'t', 'e', 's', 't', ' ', '1'}

// write makes a snapshot of n records of several sizes that follow from seed.
func write(fsys vfs.FS, name string, seed uint64, n int, o Options) error {
	w, err := Create(fsys, name, tag, fmt.Appendf(nil, "seed %d", seed), o)
	if err != nil {
		return err
	}
	for i := range n {
		r := record(seed, i)
		if err := w.Append(r[:len(r)/2], r[len(r)/2:]); err != nil {
			return errors.Join(err, w.Abort())
		}
	}
	return w.Commit()
}

func record(seed uint64, i int) []byte {
	rng := rand.New(rand.NewPCG(seed, uint64(i)))
	n := rng.IntN(200)
	if i%50 == 7 {
		n = 3000 + rng.IntN(30000) // longer than a chunk
	}
	b := make([]byte, n)
	for j := range b {
		b[j] = byte(rng.Uint32())
	}
	return b
}

// read returns the payload of all chunks.
func read(fsys vfs.FS, name string) (meta string, all []byte, records int, err error) {
	r, err := Open(fsys, name, tag)
	if err != nil {
		return "", nil, 0, err
	}
	defer r.Close()
	var buf []byte
	for i := range r.Chunks() {
		p, n, b, err := r.Chunk(i, buf)
		if err != nil {
			return "", nil, 0, err
		}
		buf = b
		all = append(all, p...)
		records += n
	}
	if uint64(records) != r.Records() || uint64(len(all)) != r.PayloadBytes() {
		return "", nil, 0, fmt.Errorf("%d records of %d bytes, footer says %d of %d", records, len(all), r.Records(), r.PayloadBytes())
	}
	return string(r.Meta()), all, records, nil
}

func want(seed uint64, n int) (all []byte) {
	for i := range n {
		all = append(all, record(seed, i)...)
	}
	return all
}

func TestRoundTrip(t *testing.T) {
	for _, o := range []Options{{}, {Buffered: true}, {ChunkBytes: 4096}, {Share: 0.9}} {
		for _, n := range []int{0, 1, 300} {
			name := t.TempDir() + "/snap"
			require.NoError(t, write(vfs.OS, name, 5, n, o))
			meta, all, records, err := read(vfs.OS, name)
			require.NoError(t, err)
			require.Equal(t, "seed 5", meta)
			require.Equal(t, n, records)
			require.True(t, bytes.Equal(want(5, n), all))
		}
	}
}

func TestLimitsAndAbort(t *testing.T) {
	m := vfs.NewMem()
	_, err := Create(m, "/s", tag, make([]byte, MaxMeta+1), Options{})
	require.ErrorIs(t, err, engines.ErrInvalid)
	w, err := Create(m, "/s", tag, nil, Options{})
	require.NoError(t, err)
	require.ErrorIs(t, w.Append(make([]byte, MaxRecord+1)), engines.ErrInvalid)
	require.NoError(t, w.Append([]byte("x")))
	require.Equal(t, []string{"/s.tmp"}, m.Files())
	require.NoError(t, w.Abort())
	require.Empty(t, m.Files())
	require.ErrorIs(t, w.Append([]byte("x")), engines.ErrClosed)
	_, err = Open(m, "/s", tag)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NoError(t, write(m, "/s", 1, 3, Options{}))
	_, err = Open(m, "/s", Tag{'o'})
	require.ErrorIs(t, err, engines.ErrUnsupported)
	stop := errors.New("stop")
	require.ErrorIs(t, write(m, "/s", 2, 300, Options{ChunkBytes: 4096, OnWrite: func(int) error { return stop }}), stop)
	require.NoError(t, RemoveTemporary(m, "/"))
	meta, _, _, err := read(m, "/s")
	require.NoError(t, err)
	require.Equal(t, "seed 1", meta)
}

// Every flipped bit that matters is found; one that does not changes nothing.
func TestDamage(t *testing.T) {
	m := vfs.NewMem()
	require.NoError(t, write(m, "/s", 3, 120, Options{ChunkBytes: 8192}))
	good, err := vfs.ReadFile(m, "/s")
	require.NoError(t, err)
	expect := want(3, 120)
	found := 0
	for i := 0; i < len(good); i += 1 + i%199 {
		state := m.Kill()
		require.NoError(t, state.Edit("/s", func(b []byte) []byte { b[i] ^= 4; return b }))
		_, all, _, err := read(state, "/s")
		if err == nil {
			require.True(t, bytes.Equal(expect, all), "byte %d", i)
			require.Zero(t, good[i], "byte %d is no padding", i)
			continue
		}
		require.True(t, errors.Is(err, engines.ErrCorrupt), "byte %d: %v", i, err)
		found++
	}
	require.Greater(t, found, len(expect)/400)
	for _, cut := range []int{0, 1, 4096, 8192, len(good) - 4096, len(good) - 1} {
		state := m.Kill()
		require.NoError(t, state.Edit("/s", func(b []byte) []byte { return b[:cut] }))
		_, _, _, err := read(state, "/s")
		require.ErrorIs(t, err, engines.ErrCorrupt, "cut at %d", cut)
	}
}

// At every moment of replacing a snapshot a crash leaves the old one or the new one,
// and once Commit has returned, the new one. A writer that does not sync is caught.
func TestCrash(t *testing.T) {
	run := func(seed uint64, wrap func(*vfs.Mem) vfs.FS) error {
		rng := rand.New(rand.NewPCG(seed, 0))
		m := vfs.NewMem()
		if err := write(m, "/d/../s", 1, 60, Options{}); err != nil {
			return err
		}
		done := false
		var fault error
		check := func() {
			for _, loss := range vfs.Losses() {
				meta, all, _, err := read(m.Crash(rng, loss), "/s")
				switch {
				case err != nil:
					fault = fmt.Errorf("%s: %w", loss, err)
				case meta == "seed 2" && bytes.Equal(all, want(2, 60)):
				case !done && meta == "seed 1" && bytes.Equal(all, want(1, 60)):
				default:
					fault = fmt.Errorf("%s: found %q, done=%t", loss, meta, done)
				}
			}
		}
		m.OnPending = func(string, string) { check() }
		if err := write(wrap(m), "/s", 2, 60, Options{ChunkBytes: 8192}); err != nil {
			return err
		}
		done = true
		check()
		return fault
	}
	for range 5 {
		seed := patience.Seed(t)
		require.NoError(t, run(seed, func(m *vfs.Mem) vfs.FS { return m }), "seed %d", seed)
	}
	require.Error(t, run(1, func(m *vfs.Mem) vfs.FS { return noSync{m} }))
	require.Error(t, run(1, func(m *vfs.Mem) vfs.FS { return noSyncDir{m} }))
}

type noSyncDir struct{ vfs.FS }

func (noSyncDir) SyncDir(string) error { return nil }

type noSync struct{ vfs.FS }

func (n noSync) OpenFile(name string, flag vfs.Flag) (vfs.File, error) {
	f, err := n.FS.OpenFile(name, flag)
	return noSyncFile{f}, err
}

type noSyncFile struct{ vfs.File }

func (noSyncFile) Sync() error { return nil }

// An operation that fails leaves the old snapshot and no temporary file that matters.
func TestFaults(t *testing.T) {
	for op := vfs.OpOpen; op <= vfs.OpSyncDir; op++ {
		for skip := range 5 {
			for _, err := range []error{unix.EIO, unix.ENOSPC} {
				m := vfs.NewMem()
				require.NoError(t, write(m, "/s", 1, 60, Options{}))
				f := vfs.NewFaulty(m, vfs.Fault{Op: op, Skip: skip, Times: 1, Err: err})
				werr := write(f, "/s", 2, 60, Options{ChunkBytes: 8192})
				meta, _, _, rerr := read(m, "/s")
				require.NoError(t, rerr)
				if werr == nil {
					require.Equal(t, "seed 2", meta, "op %d skip %d", op, skip)
				} else {
					require.ErrorIs(t, werr, err)
					require.True(t, err != unix.ENOSPC || op != vfs.OpWrite || errors.Is(werr, engines.ErrFull))
					require.True(t, meta == "seed 1" || op == vfs.OpSyncDir, "op %d skip %d", op, skip)
				}
				require.NoError(t, write(m, "/s", 3, 60, Options{}))
			}
		}
	}
}

// FuzzSnapshot opens any bytes: no panic, and what is accepted has right checksums.
func FuzzSnapshot(f *testing.F) {
	m := vfs.NewMem()
	require.NoError(f, write(m, "/s", 3, 30, Options{ChunkBytes: 4096, Buffered: true}))
	good, err := vfs.ReadFile(m, "/s")
	require.NoError(f, err)
	f.Add(good, true)
	f.Add(good[:8192], false)
	f.Fuzz(func(t *testing.T, b []byte, reseal bool) {
		if reseal && len(b) >= 2*blockBytes { // get past the checksums of the blocks
			b = bytes.Clone(b)
			for _, blk := range [][]byte{b[:blockBytes], b[len(b)-blockBytes:]} {
				sum := checksum(blk[:blockCRC])
				blk[blockCRC], blk[blockCRC+1], blk[blockCRC+2], blk[blockCRC+3] = byte(sum), byte(sum>>8), byte(sum>>16), byte(sum>>24)
			}
		}
		m := vfs.NewMem()
		file, err := m.OpenFile("/s", vfs.Create)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.WriteAt(b, 0); err != nil {
			t.Fatal(err)
		}
		_, all, _, err := read(m, "/s")
		if err == nil && len(all) > len(b) {
			t.Fatalf("%d bytes of records from %d", len(all), len(b))
		}
		if err != nil && !errors.Is(err, engines.ErrCorrupt) && !errors.Is(err, engines.ErrUnsupported) {
			t.Fatalf("unclear error %v", err)
		}
	})
}
