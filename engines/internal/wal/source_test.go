package wal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
)

// A source gives the bytes of its file, whatever is asked for: within a chunk, across two
// of them, across more than it holds, again, and further back.
func TestSourceGivesTheFile(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var buf chunks
	for _, size := range []int{1, 4096, readChunk, readChunk + 1, 3*readChunk + 12345, 6 * readChunk} {
		file := make([]byte, size)
		for i := 0; i+8 <= size; i += 8 {
			binary.LittleEndian.PutUint64(file[i:], rng.Uint64())
		}
		for _, begin := range []int{0, size / 2} {
			s := openSource(bytes.NewReader(file), int64(begin), int64(size), &buf)
			off := begin
			for off < size {
				n := 1 + rng.IntN(min(size-off, 1+rng.IntN(3*readChunk)))
				at := off
				if rng.IntN(4) == 0 {
					at = rng.IntN(size - n + 1)
				}
				b, err := s.from(int64(at), n)
				if err != nil || len(b) < n || !bytes.Equal(b, file[at:at+len(b)]) {
					t.Fatalf("size %d from %d: %d bytes at %d are not those of the file: %d bytes, %v", size, begin, n, at, len(b), err)
				}
				off += n
			}
			s.close()
		}
	}
}

var errBadSector = errors.New("bad sector")

// badFile fails from an offset on.
type badFile struct {
	io.ReaderAt
	from int64
}

func (f badFile) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > f.from {
		n := max(0, f.from-off)
		k, _ := f.ReaderAt.ReadAt(p[:n], off)
		return k, errBadSector
	}
	return f.ReaderAt.ReadAt(p, off)
}

// What cannot be read is an error from there on, and nothing before it is lost.
func TestSourceTellsWhatItCannotRead(t *testing.T) {
	file := bytes.Repeat([]byte("0123456789abcdef"), 3*readChunk/16)
	for _, bad := range []int64{0, 100, readChunk, readChunk + 100, 2*readChunk + 5} {
		s := openSource(badFile{bytes.NewReader(file), bad}, 0, int64(len(file)), new(chunks))
		for off := int64(0); off+4096 <= int64(len(file)); off += 4096 {
			b, err := s.from(off, 4096)
			switch {
			case off+4096 <= bad && (err != nil || !bytes.Equal(b, file[off:off+int64(len(b))])):
				t.Fatalf("bad from %d: at %d: %v", bad, off, err)
			case off+4096 > bad && !errors.Is(err, errBadSector):
				t.Fatalf("bad from %d: no error at %d: %v", bad, off, err)
			}
		}
		s.close()
	}
}
