package durability

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// mapped looks for markers in files that the worker has mapped: through the page
// cache, which a shared mapping and a read of the file have in common. What is
// there is what another process finds after kill -9.
type mapped struct {
	marker *marker
	files  map[fileID]*mappedFile
	budget int64 // bytes that may still be read
	buf    []byte
}

type mappedFile struct {
	file *os.File
	last int64 // where the latest marker was
	dry  int   // reads of the whole, in a row, that found nothing
}

const (
	scanChunk   = 1 << 20
	scanOverlap = 64 // so that a marker across two chunks is found
	// scanWindow around the latest marker is read first: logs grow.
	scanWindow = 256 << 10
	// maxDry is after how many fruitless reads a file is not read in full any more.
	maxDry = 4
	// scanBudget bounds what a pass reads: about a second from the page cache.
	scanBudget = 4 << 30
)

func newMapped(m *marker) *mapped {
	return &mapped{marker: m, files: map[fileID]*mappedFile{}, budget: scanBudget, buf: make([]byte, scanChunk+scanOverlap)}
}

func (m *mapped) close() error {
	var failures []error
	for _, f := range m.files {
		failures = append(failures, f.file.Close())
	}
	return errors.Join(failures...)
}

// open returns the file of that path, and its identity.
func (m *mapped) open(path string) (*mappedFile, fileID, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return nil, fileID{}, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	id := fileID{st.Dev, st.Ino}
	if f := m.files[id]; f != nil {
		return f, id, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, id, err
	}
	m.files[id] = &mappedFile{file: f}
	return m.files[id], id, nil
}

// search returns markers in f that want accepts: those near the latest one, or
// if there is none, those in the whole file.
func (m *mapped) search(f *mappedFile, want func(commit int) bool) ([]hit, error) {
	hits, err := m.read(f, max(0, f.last-scanWindow), f.last+scanWindow, want)
	if err != nil || len(hits) > 0 || f.dry >= maxDry {
		return hits, err
	}
	info, err := f.file.Stat()
	if err != nil {
		return nil, err
	}
	if hits, err = m.read(f, 0, info.Size(), want); err != nil {
		return nil, err
	}
	if f.dry++; len(hits) > 0 {
		f.dry = 0
	}
	return hits, nil
}

// read searches [from, to) of f, without its holes.
func (m *mapped) read(f *mappedFile, from, to int64, want func(commit int) bool) (hits []hit, err error) {
	for at := from; at < to && m.budget > 0; at += scanChunk {
		data, err := unix.Seek(int(f.file.Fd()), at, unix.SEEK_DATA)
		if err == unix.ENXIO {
			break // a hole up to the end
		}
		if err == nil {
			at = max(at, data-data%scanChunk)
		}
		if at >= to {
			break
		}
		n, err := f.file.ReadAt(m.buf[:min(scanChunk+scanOverlap, to-at+scanOverlap)], at)
		if err != nil && err != io.EOF {
			return nil, fmt.Errorf("search for commits: %w", err)
		}
		m.budget -= int64(n)
		for _, h := range m.marker.find(m.buf[:n], nil) {
			if want(h.commit) {
				h.at += at
				hits = append(hits, h)
				f.last = max(f.last, h.at)
			}
		}
		if n < scanChunk {
			break
		}
	}
	return hits, nil
}
