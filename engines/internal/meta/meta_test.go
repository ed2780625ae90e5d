package meta

import (
	"bytes"
	"errors"
	"hash/crc32"
	"io/fs"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"orbitbench/engines"
	"orbitbench/engines/internal/vfs"
)

var testFormat = Format{Magic: "OBTESTED", Number: 3, Shape: 256, ShapeName: "stripes"}

// resum gives changed bytes a checksum that fits.
func resum(b []byte) { le.PutUint32(b[sumOffset:], crc32.Checksum(b[:sumOffset], castagnoli)) }

// TestWrongFormats: magic, format, shape and checksum are told apart.
func TestWrongFormats(t *testing.T) {
	good := testFormat.Encode(Meta{1, 2, 3, 4})
	require.Len(t, good, Bytes)
	m, err := testFormat.Decode("META", good)
	require.NoError(t, err)
	require.Equal(t, Meta{1, 2, 3, 4}, m)
	for off, want := range map[int]string{0: "magic", 8: "format", 12: "stripes", 48: "checksum", 20: "checksum"} {
		b := bytes.Clone(good)
		b[off] ^= 0xff
		if off == 8 || off == 12 {
			resum(b)
		}
		_, err := testFormat.Decode("META", b)
		if !errors.Is(err, engines.ErrCorrupt) || !strings.Contains(err.Error(), want) {
			t.Errorf("byte %d wrong: %v, want an error about the %s", off, err, want)
		}
	}
	for _, n := range []int{0, 51, 53} {
		_, err := testFormat.Decode("META", make([]byte, n))
		require.ErrorIs(t, err, engines.ErrCorrupt, "%d bytes", n)
	}
	_, err = testFormat.Read(vfs.NewMem(), "/nowhere")
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func FuzzDecode(f *testing.F) {
	f.Add(testFormat.Encode(Meta{1, 2, 3, 4}))
	f.Add([]byte("OBTESTED"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) == Bytes { // let the fuzzer past the checksum
			b = bytes.Clone(b)
			resum(b)
		}
		if m, err := testFormat.Decode("META", b); err == nil && !bytes.Equal(testFormat.Encode(m), b) {
			t.Errorf("META %x: decoded and encoded it is %x", b, testFormat.Encode(m))
		}
	})
}

func newDir(t *testing.T) *vfs.Mem {
	t.Helper()
	m := vfs.NewMem()
	require.NoError(t, m.MkdirAll("/s"))
	return m
}

// TestMissingBesideAStore: a directory that holds a log and no META is damaged.
func TestMissingBesideAStore(t *testing.T) {
	m := newDir(t)
	require.NoError(t, m.MkdirAll("/s/log"))
	require.NoError(t, vfs.WriteFileAtomic(m, "/s/log/1.wal", []byte("record")))
	_, err := Open(testFormat, m, "/s")
	require.ErrorIs(t, err, engines.ErrCorrupt)
	require.ErrorContains(t, err, "is missing beside log")
	_, err = testFormat.Read(m, "/s")
	require.ErrorIs(t, err, fs.ErrNotExist, "nothing is written over damage")
}

// TestCeiling: what may be assigned is on the device before it is assigned, an
// unclean stop uses up all of it, and a clean one nothing.
func TestCeiling(t *testing.T) {
	m := newDir(t)
	k, err := Open(testFormat, m, "/s")
	require.NoError(t, err)
	require.NoError(t, k.Reserve(engines.Process, 7))
	require.EqualValues(t, 0, k.Base())
	// Not one that is below versions of other records either: it can be lost, and META must tell of it.
	require.EqualValues(t, k.Base(), k.Ceiling(), "nothing is assigned before META says so")

	require.NoError(t, k.Raise(1))
	require.EqualValues(t, 7+Stride, k.Ceiling())
	over := engines.Version(k.Ceiling() + 1)
	require.NoError(t, k.Raise(over))
	require.GreaterOrEqual(t, k.Ceiling(), uint64(over))
	onDisk, err := testFormat.Read(m.Kill(), "/s")
	require.NoError(t, err)
	require.Equal(t, k.Ceiling(), onDisk.Ceiling)

	for range 2 { // the second time after one that assigned nothing, and wrote nothing
		crashed, err := Open(testFormat, m.Kill(), "/s")
		require.NoError(t, err)
		require.NoError(t, crashed.Reserve(engines.Process, 9))
		require.Equal(t, k.Ceiling(), crashed.Base())
		require.Equal(t, k.Ceiling(), crashed.Ceiling())
	}
	crashed, err := Open(testFormat, m.Kill(), "/s")
	require.NoError(t, err)
	require.NoError(t, crashed.Reserve(engines.Sync, 9))
	require.Equal(t, k.Ceiling(), crashed.Base(), "everything up to the ceiling counts as used")
	require.EqualValues(t, uint64(math.MaxUint64), crashed.Ceiling(), "under sync the log is the proof")
	require.Equal(t, k.Seed(), crashed.Seed())

	require.NoError(t, k.Close(12))
	closed, err := Open(testFormat, m, "/s")
	require.NoError(t, err)
	require.EqualValues(t, 12, closed.Meta().Last)
	require.NoError(t, closed.Reserve(engines.Process, 9))
	require.EqualValues(t, 0, closed.Base())
}

// TestRaiseBesideReaders: seed and base are read without a lock while the ceiling is raised.
func TestRaiseBesideReaders(t *testing.T) {
	k, err := Open(testFormat, newDir(t), "/s")
	require.NoError(t, err)
	require.NoError(t, k.Reserve(engines.Process, 0))
	seed := k.Seed()
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for range 100 {
				if k.Seed() != seed || k.Base() != 0 {
					t.Error("seed or base has changed")
				}
			}
		})
	}
	for range 20 {
		require.NoError(t, k.Raise(engines.Version(k.Ceiling()+1)))
	}
	readers.Wait()
	require.NoError(t, k.Close(1))
}

// TestFailedRaise: a ceiling that did not reach the device is not used.
func TestFailedRaise(t *testing.T) {
	m := newDir(t)
	k, err := Open(testFormat, m, "/s")
	require.NoError(t, err)
	require.NoError(t, k.Reserve(engines.None, 0))
	before := k.Ceiling()
	k.dir = "/gone"
	require.Error(t, k.Raise(engines.Version(before+1)))
	require.Equal(t, before, k.Ceiling())
}

// TestPowerCutAfterKillAtMeta: a kill between the rename of META and the sync of its name,
// then an open, then a power cut: META is what the open read. Found by the crash states.
func TestPowerCutAfterKillAtMeta(t *testing.T) {
	for _, made := range []bool{false, true} {
		mem := vfs.NewMem()
		require.NoError(t, mem.MkdirAll("/store"))
		require.NoError(t, mem.SyncDir("/"))
		if made { // META is replaced, not made
			k, err := Open(testFormat, mem, "/store")
			require.NoError(t, err)
			require.NoError(t, k.Reserve(engines.Sync, 0))
		}
		var killed *vfs.Mem
		mem.OnPending = func(op, name string) {
			if op == "syncdir" && name == "/store" {
				killed = mem.Kill()
			}
		}
		k, err := Open(testFormat, mem, "/store")
		require.NoError(t, err)
		require.NoError(t, k.Raise(7))
		require.NotNil(t, killed, "no name was synced")

		after, err := Open(testFormat, killed, "/store")
		require.NoError(t, err)
		for _, loss := range vfs.Losses() {
			m, err := testFormat.Read(killed.Crash(rand.New(rand.NewPCG(1, 2)), loss), "/store")
			require.NoError(t, err, "made before %v, %v", made, loss)
			require.Equal(t, after.Meta(), m, "made before %v, %v", made, loss)
		}
	}
}
