package damagetest

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"orbitbench/engines/internal/vfs"
)

// hurt is one way to damage a file at an offset.
type hurt struct {
	name string
	do   func(f vfs.File, size, off int64) error
}

var hurts = []hurt{
	{"flip a bit", func(f vfs.File, _, off int64) error {
		b := make([]byte, 1)
		if _, err := f.ReadAt(b, off); err != nil {
			return err
		}
		b[0] ^= 1 << (off % 8)
		_, err := f.WriteAt(b, off)
		return err
	}},
	{"zero a sector", func(f vfs.File, size, off int64) error {
		off &^= vfs.SectorBytes - 1
		_, err := f.WriteAt(make([]byte, min(vfs.SectorBytes, size-off)), off)
		return err
	}},
	{"truncate", func(f vfs.File, _, off int64) error { return f.Truncate(off) }},
}

// damage does h and returns where, or -1 if it changed nothing.
func damage(t *testing.T, rng *rand.Rand, m *vfs.Mem, name string, h hurt) int64 {
	t.Helper()
	f, err := m.OpenFile(name, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil || size == 0 {
		return -1
	}
	off := rng.Int64N(size)
	if rng.IntN(2) == 0 {
		off = rng.Int64N(min(size, 6000)) // the beginning holds most
	}
	before, err := vfs.ReadFile(m, name)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.do(f, size, off); err != nil {
		t.Fatal(err)
	}
	after, err := vfs.ReadFile(m, name)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(before, after) {
		return -1
	}
	return off
}
