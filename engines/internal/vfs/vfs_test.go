package vfs

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"orbitbench/engines"
)

// Every FS behaves alike where engines look.
func TestConformance(t *testing.T) {
	for name, c := range map[string]struct {
		fs  FS
		dir string
	}{
		"os":     {OS, t.TempDir() + "/a/b"},
		"mem":    {NewMem(), "/a/b"},
		"faulty": {NewFaulty(NewMem()), "/a/b"},
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, c.fs.MkdirAll(c.dir))
			_, err := c.fs.OpenFile(c.dir+"/x", 0)
			require.ErrorIs(t, err, fs.ErrNotExist)
			f, err := c.fs.OpenFile(c.dir+"/x", Create|Exclusive)
			require.NoError(t, err)
			_, err = c.fs.OpenFile(c.dir+"/x", Create|Exclusive)
			require.ErrorIs(t, err, fs.ErrExist)

			require.NoError(t, f.Allocate(0, 2*BlockBytes))
			size, err := f.Size()
			require.NoError(t, err)
			require.EqualValues(t, 2*BlockBytes, size)
			_, err = f.WriteAt([]byte("hello"), 10)
			require.NoError(t, err)
			require.NoError(t, f.Sync())
			b := make([]byte, 5)
			_, err = f.ReadAt(b, 10)
			require.NoError(t, err)
			require.Equal(t, "hello", string(b))
			n, err := f.ReadAt(b, size-2)
			require.Equal(t, 2, n)
			require.ErrorIs(t, err, io.EOF)

			m, err := f.Map(0, size, MapPrefault)
			require.NoError(t, err)
			require.Equal(t, "hello", string(m[10:15]))
			copy(m[10:], "HELLO")
			_, err = f.ReadAt(b, 10)
			require.NoError(t, err)
			require.Equal(t, "HELLO", string(b), "a store is seen by reads")
			require.NoError(t, f.Unmap(m))
			require.NoError(t, f.Truncate(12))
			require.NoError(t, f.Close())

			data, err := ReadFile(c.fs, c.dir+"/x")
			require.NoError(t, err)
			require.Equal(t, "HE", string(data[10:]))
			require.NoError(t, WriteFileAtomic(c.fs, c.dir+"/y", []byte("one")))
			require.NoError(t, WriteFileAtomic(c.fs, c.dir+"/y", []byte("two")))
			names, err := c.fs.ReadDir(c.dir)
			require.NoError(t, err)
			require.Equal(t, []string{"x", "y"}, names)
			require.NoError(t, c.fs.Remove(c.dir+"/x"))
			require.ErrorIs(t, c.fs.Remove(c.dir+"/x"), fs.ErrNotExist)

			d, err := c.fs.OpenFile(c.dir+"/d", Create|Direct|DSync)
			if errors.Is(err, ErrNoDirect) {
				return
			}
			require.NoError(t, err)
			_, err = d.WriteAt(AlignedBuffer(BlockBytes), BlockBytes)
			require.NoError(t, err)
			_, err = d.WriteAt(AlignedBuffer(BlockBytes)[1:100], 0)
			require.ErrorIs(t, err, unix.EINVAL)
			require.NoError(t, d.Close())

			lock, err := c.fs.Lock(c.dir + "/lock")
			require.NoError(t, err)
			_, err = c.fs.Lock(c.dir + "/lock")
			require.ErrorIs(t, err, engines.ErrLocked)
			require.NoError(t, lock.Close())
			lock, err = c.fs.Lock(c.dir + "/lock")
			require.NoError(t, err)
			require.NoError(t, lock.Close())
		})
	}
}

func put(t *testing.T, m *Mem, name, data string, flag Flag) File {
	f, err := m.OpenFile(name, Create|flag)
	require.NoError(t, err)
	_, err = f.WriteAt([]byte(data), 0)
	require.NoError(t, err)
	return f
}

func content(m FS, name string) string {
	b, err := ReadFile(m, name)
	if err != nil {
		return "-"
	}
	return string(b)
}

func TestCrashModel(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	m := NewMem()
	f := put(t, m, "/a", "old", 0)
	require.Equal(t, "-", content(m.Crash(rng, LoseAll), "/a"), "the name is not durable")
	require.Equal(t, "old", content(m.Crash(rng, LoseNone), "/a"))
	require.NoError(t, m.SyncDir("/"))
	require.Equal(t, "", content(m.Crash(rng, LoseAll), "/a"), "the bytes are not durable")
	require.NoError(t, f.Sync())
	require.Equal(t, "old", content(m.Crash(rng, LoseAll), "/a"))
	_, err := f.WriteAt([]byte("NEW"), 0)
	require.NoError(t, err)
	require.Equal(t, "old", content(m.Crash(rng, LoseAll), "/a"))
	require.Equal(t, "NEW", content(m.Kill(), "/a"))
	require.Equal(t, "old", content(m.Kill().Crash(rng, LoseAll), "/a"), "a kill makes nothing durable")

	d := put(t, m, "/d", "sync", DSync)
	require.NoError(t, m.SyncDir("/"))
	require.NoError(t, d.Close())
	require.Equal(t, "sync", content(m.Crash(rng, LoseAll), "/d"))

	require.NoError(t, f.Sync())
	require.NoError(t, m.Rename("/a", "/d"))
	lost := m.Crash(rng, LoseAll)
	require.Equal(t, "NEW sync", content(lost, "/a")+" "+content(lost, "/d"))
	kept := m.Crash(rng, LoseNone)
	require.Equal(t, "- NEW", content(kept, "/a")+" "+content(kept, "/d"))
}

// A torn write keeps whole sectors of 512 bytes, each old or new.
func TestCrashTearsAtSectors(t *testing.T) {
	m := NewMem()
	f := put(t, m, "/a", strings.Repeat("o", 4096), 0)
	require.NoError(t, f.Sync())
	require.NoError(t, m.SyncDir("/"))
	_, err := f.WriteAt(bytes.Repeat([]byte("n"), 3000), 100)
	require.NoError(t, err)
	mixed := 0
	for seed := range uint64(50) {
		got := content(m.Crash(rand.New(rand.NewPCG(seed, 0)), LoseTorn), "/a")
		both := 0
		for at := 0; at < 4096; at += SectorBytes {
			old, now := 0, 0
			for i := max(at, 100); i < min(at+SectorBytes, 3100); i++ {
				if got[i] == 'o' {
					old++
				} else {
					now++
				}
			}
			require.True(t, old == 0 || now == 0, "sector at %d is torn", at)
			if now > 0 {
				both |= 1
			} else if old > 0 {
				both |= 2
			}
		}
		if both == 3 {
			mixed++
		}
	}
	require.Positive(t, mixed)
}

func TestCrashOfMappedStores(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	m := NewMem()
	f := put(t, m, "/a", strings.Repeat("o", 2*BlockBytes), 0)
	require.NoError(t, f.Sync())
	require.NoError(t, m.SyncDir("/"))
	b, err := f.Map(0, 2*BlockBytes, MapWrite)
	require.NoError(t, err)
	copy(b[BlockBytes:], "stored")
	require.True(t, strings.HasPrefix(content(m.Kill(), "/a")[BlockBytes:], "stored"))
	require.True(t, strings.HasPrefix(content(m.Crash(rng, LoseAll), "/a")[BlockBytes:], "oooo"))
	require.True(t, strings.HasPrefix(content(m.Crash(rng, LoseNone), "/a")[BlockBytes:], "stored"))
	require.NoError(t, f.Sync())
	require.True(t, strings.HasPrefix(content(m.Crash(rng, LoseAll), "/a")[BlockBytes:], "stored"))
}

// A private mapping shows the file, and its stores stay out of it.
func TestPrivateMapping(t *testing.T) {
	name := t.TempDir() + "/a"
	for _, fsys := range []FS{OS, NewMem()} {
		if m, ok := fsys.(*Mem); ok {
			require.NoError(t, m.MkdirAll(Dir(name)))
		}
		f, err := fsys.OpenFile(name, Create)
		require.NoError(t, err)
		_, err = f.WriteAt([]byte(strings.Repeat("o", 2*BlockBytes)), 0)
		require.NoError(t, err)
		b, err := f.Map(BlockBytes, BlockBytes, MapPrivate)
		require.NoError(t, err)
		require.Equal(t, byte('o'), b[7])
		copy(b, "stored")
		require.Equal(t, strings.Repeat("o", 2*BlockBytes), content(fsys, name))
		require.NoError(t, f.Sync())
		require.Equal(t, strings.Repeat("o", 2*BlockBytes), content(fsys, name))
		require.NoError(t, f.Truncate(4*BlockBytes), "a file may grow beside it")
		require.Equal(t, "stored", string(b[:6]))
		require.NoError(t, f.Unmap(b))
		require.NoError(t, f.Close())
	}
}

// WriteFileAtomic leaves the old or the new content at every moment; without its
// syncs the crash model catches it.
func TestWriteFileAtomicCrash(t *testing.T) {
	m := NewMem()
	require.NoError(t, WriteFileAtomic(m, "/a", []byte("old")))
	states := map[string]int{}
	rng := rand.New(rand.NewPCG(2, 2))
	m.OnPending = func(string, string) {
		for _, loss := range Losses() {
			states[content(m.Crash(rng, loss), "/a")]++
		}
	}
	require.NoError(t, WriteFileAtomic(m, "/a", []byte("new")))
	require.Len(t, states, 2, "%v", states)
	require.Equal(t, "new", content(m.Crash(rng, LoseAll), "/a"))
}

func TestFaults(t *testing.T) {
	m := NewMem()
	f := NewFaulty(m, Fault{Op: OpWrite, Name: "a", Skip: 1, Times: 2, Part: 2}, Fault{Op: OpSync, Done: true})
	a, err := f.OpenFile("/a", Create)
	require.NoError(t, err)
	for i, want := range []error{nil, unix.EIO, unix.EIO, nil} {
		n, err := a.WriteAt([]byte("four"), int64(4*i))
		require.ErrorIs(t, err, want)
		require.Equal(t, map[bool]int{true: 4, false: 2}[want == nil], n)
	}
	require.ErrorIs(t, a.Sync(), unix.EIO)
	require.ErrorIs(t, a.Sync(), unix.EIO)
	require.Equal(t, 4, f.Hits())
	f.Set()
	require.NoError(t, a.Sync())
	m.SetFree(10)
	_, err = a.WriteAt(make([]byte, 100), 0)
	require.ErrorIs(t, err, unix.ENOSPC)
}
