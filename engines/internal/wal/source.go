package wal

import (
	"io"

	"orbitbench/engines/internal/vfs"
)

const (
	// readChunk is how much of a segment is read at a time.
	readChunk = 1 << 20
	// readAhead is the number of chunks in memory: those that are parsed, and those that are read meanwhile.
	// They are few, as memory that a new process touches for the first time costs more than the reading.
	readAhead = 3
)

// chunks is memory for a source, which makes it when it is used first.
type chunks [][]byte

// source hands out the bytes of one segment file, mostly forward, while another
// goroutine reads on ahead of the parser.
type source struct {
	file io.ReaderAt
	size int64 // bytes that are read
	held []held
	full chan held
	free chan []byte
	stop chan struct{}
	ends bool   // no chunk follows those held
	join []byte // for a range that lies in no single chunk
}

// held is a chunk: b lies at off. err says why it is shorter than it should be.
type held struct {
	off int64
	b   []byte
	err error
}

// openSource starts to read file[begin:size], from a chunk's start on, into memory of buf, which belongs to
// the source until it is closed.
func openSource(file io.ReaderAt, begin, size int64, buf *chunks) *source {
	s := &source{file: file, size: size, full: make(chan held, readAhead), free: make(chan []byte, readAhead), stop: make(chan struct{})}
	begin = begin / readChunk * readChunk
	for len(*buf) < readAhead {
		*buf = append(*buf, nil)
	}
	for i := range readAhead {
		want := min(readChunk, size-begin-int64(i)*readChunk)
		if want <= 0 {
			break
		}
		if int64(len((*buf)[i])) < want {
			(*buf)[i] = vfs.AlignedBuffer(int(want))
		}
		s.free <- (*buf)[i]
	}
	go s.fill(begin)
	return s
}

// fill is the goroutine that reads.
func (s *source) fill(begin int64) {
	defer close(s.full)
	for off := begin; off < s.size; off += readChunk {
		var b []byte
		select {
		case b = <-s.free:
		case <-s.stop:
			return
		}
		b = b[:min(readChunk, s.size-off)]
		n, err := s.file.ReadAt(b, off)
		if n == len(b) {
			err = nil
		}
		s.full <- held{off, b[:n], err}
		if err != nil {
			return
		}
	}
}

// from returns the bytes from off on as far as they lie together in memory, n at least,
// which are valid until the next call. Going back, and more than the chunks can hold,
// is possible and costs a read. off+n is at most size.
func (s *source) from(off int64, n int) ([]byte, error) {
	first, last := off/readChunk*readChunk, (off+int64(n)-1)/readChunk*readChunk
	if last-first > readChunk {
		return s.read(off, n)
	}
	for len(s.held) > 0 && s.held[0].off < first {
		s.drop()
	}
	for !s.ends && (len(s.held) == 0 || s.held[len(s.held)-1].off < last) {
		s.next(first)
	}
	if len(s.held) == 0 || s.held[0].off != first {
		return s.read(off, n)
	}
	h := s.held[0]
	at := int(off - first)
	if at+n <= len(h.b) {
		return h.b[at:], nil
	}
	if h.err != nil {
		return nil, h.err
	}
	if len(s.held) < 2 {
		return s.read(off, n)
	}
	head, tail := h.b[at:], s.held[1]
	rest := n - len(head)
	if rest > len(tail.b) {
		if tail.err == nil {
			tail.err = io.ErrUnexpectedEOF
		}
		return nil, tail.err
	}
	s.join = append(append(s.join[:0], head...), tail.b[:rest]...)
	return s.join, nil
}

// drop gives the first chunk back to be filled again.
func (s *source) drop() {
	b := s.held[0].b
	s.held = append(s.held[:0], s.held[1:]...)
	s.free <- b[:cap(b)]
}

// next waits for the next chunk, and keeps it unless it lies before first.
func (s *source) next(first int64) {
	h, ok := <-s.full
	if !ok {
		s.ends = true
		return
	}
	s.held = append(s.held, h)
	if h.off < first {
		s.drop()
	}
}

// read reads a range by itself.
func (s *source) read(off int64, n int) ([]byte, error) {
	if cap(s.join) < n {
		s.join = make([]byte, n)
	}
	s.join = s.join[:n]
	return s.join, readFull(s.file, s.join, off)
}

// close waits until the memory is no longer written to.
func (s *source) close() {
	close(s.stop)
	for range s.full {
	}
}
