package meta

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"path"

	"orbitbench/engines"
	"orbitbench/engines/internal/storedir"
	"orbitbench/engines/internal/vfs"
)

// Name is the name of the file in the store's directory; Bytes is its length.
const (
	Name  = "META"
	Bytes = 52

	sumOffset = Bytes - 4
)

// Stride is how many versions are reserved at a time by the classes whose
// acknowledged commits may be lost. One record would have to be written a
// million times to need the next reservation.
const Stride = 1 << 20

var (
	le         = binary.LittleEndian
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// Meta is the content of META beside what its Format fixes.
type Meta struct {
	Seed    uint64 // of the key hash
	Base    uint64 // every version assigned from now on is above it
	Ceiling uint64 // no version above it has been assigned; 0: the log is the proof
	Last    uint64 // highest log record number when the store was last closed
}

// New returns the META of a new store, with a random seed.
func New() (Meta, error) {
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		return Meta{}, err
	}
	return Meta{Seed: le.Uint64(b[:])}, nil
}

// Format is what META says about the engine. Magic has 8 bytes.
type Format struct {
	Magic     string
	Number    uint32
	Shape     uint32
	ShapeName string // what Shape counts, for error messages: "stripes"
	// Ours, if set, tells by its name a file that only such a store has, beside META and the log.
	Ours func(name string) bool
}

// Encode returns the bytes of META.
func (f Format) Encode(m Meta) []byte {
	b := make([]byte, 0, Bytes)
	b = append(b, f.Magic[:8]...)
	b = le.AppendUint32(b, f.Number)
	b = le.AppendUint32(b, f.Shape)
	for _, v := range []uint64{m.Seed, m.Base, m.Ceiling, m.Last} {
		b = le.AppendUint64(b, v)
	}
	return le.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// Decode is the inverse of Encode; file is for its errors, which are *CorruptError.
func (f Format) Decode(file string, b []byte) (Meta, error) {
	corrupt := func(off int64, format string, args ...any) (Meta, error) {
		return Meta{}, &engines.CorruptError{File: file, Offset: off, Reason: fmt.Sprintf(format, args...)}
	}
	switch {
	case len(b) != Bytes:
		return corrupt(0, "%d bytes, want %d", len(b), Bytes)
	case string(b[:8]) != f.Magic:
		return corrupt(0, "magic %q, want %q", b[:8], f.Magic)
	case crc32.Checksum(b[:sumOffset], castagnoli) != le.Uint32(b[sumOffset:]):
		return corrupt(sumOffset, "checksum %08x, want %08x", le.Uint32(b[sumOffset:]), crc32.Checksum(b[:sumOffset], castagnoli))
	case le.Uint32(b[8:]) != f.Number:
		return corrupt(8, "format %d, this program reads %d", le.Uint32(b[8:]), f.Number)
	case le.Uint32(b[12:]) != f.Shape:
		return corrupt(12, "%d %s, want %d", le.Uint32(b[12:]), f.ShapeName, f.Shape)
	}
	return Meta{Seed: le.Uint64(b[16:]), Base: le.Uint64(b[24:]), Ceiling: le.Uint64(b[32:]), Last: le.Uint64(b[40:])}, nil
}

// Read reads the META in dir. Errors: fs.ErrNotExist, *CorruptError, those of
// the file system.
func (f Format) Read(fsys vfs.FS, dir string) (Meta, error) {
	name := path.Join(dir, Name)
	b, err := vfs.ReadFile(fsys, name)
	if err != nil {
		return Meta{}, err
	}
	return f.Decode(name, b)
}

// Write replaces the META in dir; it is durable when Write returns nil.
// Errors: engines.ErrFull, those of the file system.
func (f Format) Write(fsys vfs.FS, dir string, m Meta) error {
	if err := vfs.WriteFileAtomic(fsys, path.Join(dir, Name), f.Encode(m)); err != nil {
		return fmt.Errorf("writing %s: %w", Name, storedir.FullDevice(err))
	}
	return nil
}
