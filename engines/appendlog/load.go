package appendlog

import (
	"errors"
	"fmt"
	"runtime"
	"sort"
	"time"

	"orbitbench/engines"
	"orbitbench/engines/internal/index"
	"orbitbench/engines/internal/meta"
	"orbitbench/engines/internal/snapshot"
	"orbitbench/engines/internal/vfs"
	"orbitbench/engines/internal/wal"
)

// loadSnapshot gives the index a snapshot to take its records from, and returns
// the snapshot's end. Of the file only header, footer, index and end are read here.
func (e *engine) loadSnapshot(start wal.LSN) (wal.LSN, error) {
	s, err := openStored(e.fs, e.path(snapshotName(start)), start, e.meta.Seed())
	if err != nil {
		return 0, err
	}
	image, err := s.image(e)
	if err == nil {
		err = e.index.SetImage(image)
	}
	if err != nil {
		s.close()
		return 0, err
	}
	return s.end.end, nil
}

// stored is an open snapshot: where its stripes are, and files to read them from.
type stored struct {
	name  string
	head  snapshotHead
	end   *snapshotEnd
	lanes []*snapshot.Reader // lanes[0] belongs to all

	// Offsets in the payloads of all chunks, one behind the other.
	begin  [index.Stripes + 1]int64 // of the blocks of each stripe, and their end
	chunks []int64                  // of each chunk, and the end of the last one with blocks
}

// openStored opens a snapshot and checks what its head and its end say.
func openStored(fsys vfs.FS, name string, start wal.LSN, seed uint64) (_ *stored, err error) {
	r, err := snapshot.Open(fsys, name, snapshotTag)
	if err != nil {
		return nil, err
	}
	s := &stored{name: name, lanes: []*snapshot.Reader{r}}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	s.head, err = decodeSnapshotHead(r.Meta())
	switch {
	case err == nil && s.head.start != start:
		err = fmt.Errorf("start %d in a file named for %d", s.head.start, start)
	case err == nil && s.head.seed != seed:
		err = fmt.Errorf("hash seed %016x, %s says %016x", s.head.seed, meta.Name, seed)
	}
	if err != nil {
		return nil, s.corrupt(0, err)
	}
	return s, s.readEnd(r)
}

func (s *stored) corrupt(offset int64, reason error) error {
	return &engines.CorruptError{File: s.name, Offset: offset, Reason: reason.Error()}
}

// readEnd reads the last chunk, and checks that it agrees with the index of the file.
func (s *stored) readEnd(r *snapshot.Reader) error {
	last := r.Chunks() - 1
	if last < 0 {
		return s.corrupt(r.Size(), errors.New("the end of the snapshot is missing"))
	}
	payload, _, _, err := r.Chunk(last, nil)
	if err != nil {
		return err
	}
	if s.end, err = decodeSnapshotEnd(payload, last); err != nil {
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

func (s *stored) close() {
	for _, r := range s.lanes {
		r.Close() // opened for reading: nothing can be lost
	}
}

// image opens a file for each goroutine of LoadAll, and makes an index.Image of the whole.
func (s *stored) image(e *engine) (*index.Image, error) {
	for range min(max(runtime.GOMAXPROCS(0), 1), 8) {
		r, err := s.lanes[0].Reopen(e.fs)
		if err != nil {
			return nil, err
		}
		s.lanes = append(s.lanes, r)
	}
	return &index.Image{
		Stripes:   s.end.stripes,
		Read:      s.readStripe,
		Part:      s.readPart,
		Damage:    func(i int, reason error) error { return s.corrupt(s.offset(i), reason) },
		LogDamage: e.replayError,
		Done:      s.close,
	}, nil
}

// offset returns where the chunk begins in which a stripe does.
func (s *stored) offset(stripe int) int64 {
	from, _ := s.span(stripe)
	return s.lanes[0].ChunkOffset(from)
}

// span returns the chunks in which a stripe lies: from, and the one behind the last.
func (s *stored) span(stripe int) (from, to int) {
	from = sort.Search(len(s.chunks)-1, func(i int) bool { return s.chunks[i+1] > s.begin[stripe] })
	to = sort.Search(len(s.chunks)-1, func(i int) bool { return s.chunks[i] >= s.begin[stripe+1] })
	return from, to
}

// readStripe fills dst with the blocks of a stripe. Small stripes share chunks.
func (s *stored) readStripe(lane, stripe int, dst []byte) error {
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
func (s *stored) readClipped(lane, stripe, i int) ([]byte, error) {
	blocks := make([]byte, s.chunks[i+1]-s.chunks[i])
	if err := s.lanes[lane%len(s.lanes)].ReadChunk(i, blocks); err != nil {
		return nil, err
	}
	begin := max(s.begin[stripe]-s.chunks[i], 0)
	end := min(s.begin[stripe+1]-s.chunks[i], int64(len(blocks)))
	return blocks[begin:end], nil
}

// readPart reads the chunks of a stripe that may have blocks with this tag.
func (s *stored) readPart(stripe int, tag uint32, visit func(blocks []byte)) error {
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

// firstReads is how long the records stay in the snapshot after Open but for
// those that are asked for: loading would compete with the first of these.
const firstReads = 5 * time.Millisecond

// warm brings all records into memory in the background.
func (e *engine) warm() {
	defer e.background.Done()
	begin := time.Now()
	select {
	case <-e.stopped.Done():
		return
	case <-time.After(firstReads):
	}
	if err := e.index.LoadAll(e.stopped); err != nil {
		if e.stopped.Err() == nil {
			e.logf("appendlog %s: loading the snapshot: %v", e.dir, err)
		}
		return
	}
	e.spans.Add("load", begin, time.Now(), 0)
}

// replayError makes what was wrong with operations of the log damage of it.
func (e *engine) replayError(err error) error {
	var bad *index.ReplayError
	if errors.As(err, &bad) {
		return corruptLog(e.path(logName), "%v", bad)
	}
	return err
}
