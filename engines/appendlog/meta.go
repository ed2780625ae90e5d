package appendlog

import (
	"crypto/rand"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"path"

	"orbitbench/engines"
	"orbitbench/engines/internal/vfs"
)

// META, the file that makes a directory a store (little endian), 52 bytes:
//
//	 0        8        12        16          24             32        40         48      52
//	+--------+--------+---------+-----------+--------------+---------+----------+-------+
//	| magic  | format | stripes | hash seed | version base | ceiling | last     | crc32c|
//	+--------+--------+---------+-----------+--------------+---------+----------+-------+
//
//	field         type   meaning
//	magic         8 B    "OBAPPLOG"
//	format        u32    1
//	stripes       u32    256
//	hash seed     u64    seed of the key hash; fixed when the store is made
//	version base  u64    every version assigned from now on is above it
//	ceiling       u64    no version above it was assigned since the store was opened, or 0
//	                     if it was closed, or opened under class sync: then the log is the proof
//	last          u64    highest record number when the store was last closed, 0 if it never was
//	crc32c        u32    CRC-32C (Castagnoli) of the bytes before it
//
// It is replaced as a whole: META.tmp is written, synced and renamed.
const (
	metaName   = "META"
	metaMagic  = "OBAPPLOG"
	metaFormat = 1
	metaBytes  = 52

	// ceilingStep is how many versions are reserved at a time by the classes
	// whose acknowledged commits may be lost. One record would have to be
	// written a million times to need the next step.
	ceilingStep = 1 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func crc(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

type meta struct {
	seed    uint64
	base    uint64
	ceiling uint64
	last    uint64
}

func (m meta) encode() []byte {
	b := make([]byte, 0, metaBytes)
	b = append(b, metaMagic...)
	b = le.AppendUint32(b, metaFormat)
	b = le.AppendUint32(b, stripes)
	b = le.AppendUint64(b, m.seed)
	b = le.AppendUint64(b, m.base)
	b = le.AppendUint64(b, m.ceiling)
	b = le.AppendUint64(b, m.last)
	return le.AppendUint32(b, crc(b))
}

// decodeMeta is the inverse of encode; file is for its errors, which are *CorruptError.
func decodeMeta(file string, b []byte) (meta, error) {
	corrupt := func(off int64, format string, args ...any) (meta, error) {
		return meta{}, &engines.CorruptError{File: file, Offset: off, Reason: fmt.Sprintf(format, args...)}
	}
	switch {
	case len(b) != metaBytes:
		return corrupt(0, "%d bytes, want %d", len(b), metaBytes)
	case string(b[:8]) != metaMagic:
		return corrupt(0, "magic %q, want %q", b[:8], metaMagic)
	case crc(b[:48]) != le.Uint32(b[48:]):
		return corrupt(48, "checksum %08x, want %08x", le.Uint32(b[48:]), crc(b[:48]))
	case le.Uint32(b[8:]) != metaFormat:
		return corrupt(8, "format %d, this program reads %d", le.Uint32(b[8:]), metaFormat)
	case le.Uint32(b[12:]) != stripes:
		return corrupt(12, "%d stripes, want %d", le.Uint32(b[12:]), stripes)
	}
	return meta{seed: le.Uint64(b[16:]), base: le.Uint64(b[24:]), ceiling: le.Uint64(b[32:]), last: le.Uint64(b[40:])}, nil
}

func (m meta) write(fsys vfs.FS, dir string) error {
	if err := vfs.WriteFileAtomic(fsys, path.Join(dir, metaName), m.encode()); err != nil {
		return fmt.Errorf("writing %s: %w", metaName, fullDevice(err))
	}
	return nil
}

// readMeta returns the META of a store. A directory without one is no store
// yet: fs.ErrNotExist, unless it holds a log or a snapshot: ErrCorrupt.
func readMeta(fsys vfs.FS, dir string) (meta, error) {
	name := path.Join(dir, metaName)
	b, err := vfs.ReadFile(fsys, name)
	if err == nil {
		return decodeMeta(name, b)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return meta{}, err
	}
	if rest, derr := leftovers(fsys, dir); derr != nil {
		return meta{}, derr
	} else if rest != "" {
		return meta{}, &engines.CorruptError{File: name, Offset: -1, Reason: "is missing beside " + rest}
	}
	return meta{}, err
}

// leftovers names a file that only a store has, or "".
func leftovers(fsys vfs.FS, dir string) (string, error) {
	names, err := fsys.ReadDir(dir)
	if err != nil {
		return "", err
	}
	for _, n := range names {
		if isSnapshot(n) {
			return n, nil
		}
	}
	names, err = fsys.ReadDir(path.Join(dir, logName))
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(names) == 0 {
		return "", nil
	}
	return logName, err
}

func newMeta() (meta, error) {
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		return meta{}, err
	}
	return meta{seed: le.Uint64(b[:])}, nil
}
