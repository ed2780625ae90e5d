package image

import (
	"errors"
	"fmt"
	"path"
	"runtime"
	"sort"

	"orbitbench/engines"
	"orbitbench/engines/internal/index"
	"orbitbench/engines/internal/snapshot"
	"orbitbench/engines/internal/vfs"
	"orbitbench/engines/internal/wal"
)

// File is an open image: where its stripes are, and files to read them from.
type File struct {
	name  string
	head  head
	end   *end
	lanes []*snapshot.Reader // lanes[0] belongs to all

	// Offsets in the payloads of all chunks, one behind the other.
	begin  [index.Stripes + 1]int64 // of the blocks of each stripe, and their end
	chunks []int64                  // of each chunk, and the end of the last one with blocks
}

// Open opens the image in dir that begins at start, and checks what its head and its
// end say; of the file only they, the footer and the index are read. seed is that
// of the key hash. Errors: *CorruptError, engines.ErrUnsupported (another format), those of the file system.
func (f Format) Open(fsys vfs.FS, dir string, start wal.LSN, seed uint64) (_ *File, err error) {
	name := path.Join(dir, f.Name(start))
	r, err := snapshot.Open(fsys, name, f.Tag)
	if err != nil {
		return nil, err
	}
	s := &File{name: name, lanes: []*snapshot.Reader{r}}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	s.head, err = decodeHead(r.Meta())
	switch {
	case err == nil && s.head.start != start:
		err = fmt.Errorf("start %d in a file named for %d", s.head.start, start)
	case err == nil && s.head.seed != seed:
		err = fmt.Errorf("hash seed %016x, the store has %016x", s.head.seed, seed)
	}
	if err != nil {
		return nil, s.corrupt(0, err)
	}
	return s, s.readEnd(r)
}

func (s *File) corrupt(offset int64, reason error) error {
	return &engines.CorruptError{File: s.name, Offset: offset, Reason: reason.Error()}
}

// End returns the number of the last log record that the image may reflect, 0 for a
// copy without a log: the log must reach it.
func (s *File) End() wal.LSN { return s.end.upTo }

// Size returns the bytes of the file.
func (s *File) Size() int64 { return s.lanes[0].Size() }

// readEnd reads the last chunk, and checks that it agrees with the index of the file.
func (s *File) readEnd(r *snapshot.Reader) error {
	last := r.Chunks() - 1
	if last < 0 {
		return s.corrupt(r.Size(), errors.New("the end of the image is missing"))
	}
	payload, _, _, err := r.Chunk(last, nil)
	if err != nil {
		return err
	}
	if s.end, err = decodeEnd(payload, last); err != nil {
		return s.corrupt(r.ChunkOffset(last), err)
	}
	s.chunks = make([]int64, last+1)
	records := 0
	for i := range last {
		bytes, n := r.ChunkBytes(i)
		s.chunks[i+1] = s.chunks[i] + int64(bytes)
		records += n
	}
	for i, info := range s.end.stripes {
		s.begin[i+1] = s.begin[i] + info.Bytes
		records -= int(info.Records)
	}
	if s.begin[index.Stripes] != s.chunks[last] || records != 0 {
		return s.corrupt(r.ChunkOffset(last), fmt.Errorf("stripes have %d bytes and %d records less than the %d bytes of the chunks", s.begin[index.Stripes], records, s.chunks[last]))
	}
	return nil
}

// Close releases the files. An index that was given the image closes it itself.
func (s *File) Close() {
	for _, r := range s.lanes {
		r.Close() // opened for reading: nothing can be lost
	}
}

// Image opens a file for each goroutine of LoadAll, and makes an index.Image of the
// whole, which closes them.
func (s *File) Image(fsys vfs.FS) (*index.Image, error) {
	for range min(max(runtime.GOMAXPROCS(0), 1), 8) {
		r, err := s.lanes[0].Reopen(fsys)
		if err != nil {
			return nil, err
		}
		s.lanes = append(s.lanes, r)
	}
	return &index.Image{
		Stripes: s.end.stripes,
		Read:    s.readStripe,
		Part:    s.readPart,
		Damage:  func(i int, reason error) error { return s.corrupt(s.offset(i), reason) },
		Done:    s.Close,
	}, nil
}

// offset returns where the chunk begins in which a stripe does.
func (s *File) offset(stripe int) int64 {
	from, _ := s.span(stripe)
	return s.lanes[0].ChunkOffset(from)
}

// span returns the chunks in which a stripe lies: from, and the one behind the last.
func (s *File) span(stripe int) (from, to int) {
	from = sort.Search(len(s.chunks)-1, func(i int) bool { return s.chunks[i+1] > s.begin[stripe] })
	to = sort.Search(len(s.chunks)-1, func(i int) bool { return s.chunks[i] >= s.begin[stripe+1] })
	return from, to
}

// readStripe fills dst with the blocks of a stripe. Small stripes share chunks.
func (s *File) readStripe(lane, stripe int, dst []byte) error {
	from, to := s.span(stripe)
	for i := from; i < to; i++ {
		begin, end := s.chunks[i]-s.begin[stripe], s.chunks[i+1]-s.begin[stripe]
		if begin >= 0 && end <= int64(len(dst)) {
			if err := s.lanes[lane%len(s.lanes)].ReadChunk(i, dst[begin:end]); err != nil {
				return err
			}
			continue
		}
		blocks, err := s.readClipped(lane, stripe, i)
		if err != nil {
			return err
		}
		copy(dst[max(begin, 0):], blocks)
	}
	return nil
}

// readClipped returns those blocks of a chunk that are of the stripe.
func (s *File) readClipped(lane, stripe, i int) ([]byte, error) {
	blocks := make([]byte, s.chunks[i+1]-s.chunks[i])
	if err := s.lanes[lane%len(s.lanes)].ReadChunk(i, blocks); err != nil {
		return nil, err
	}
	begin := max(s.begin[stripe]-s.chunks[i], 0)
	end := min(s.begin[stripe+1]-s.chunks[i], int64(len(blocks)))
	return blocks[begin:end], nil
}

// readPart reads the chunks of a stripe that may have blocks with this tag.
func (s *File) readPart(stripe int, tag uint32, visit func(blocks []byte)) error {
	begin, end := s.span(stripe)
	for begin+1 < end && s.end.tags[begin+1] < tag {
		begin++
	}
	for i := begin; i < end && (i == begin || s.end.tags[i] <= tag); i++ {
		blocks, err := s.readClipped(0, stripe, i)
		if err != nil {
			return err
		}
		visit(blocks)
	}
	return nil
}
