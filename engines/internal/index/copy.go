package index

import (
	"errors"

	"orbitbench/engines"
	"orbitbench/engines/internal/arena"
)

// SliceBytes bounds the keys and values that a slice holds, but for its last record.
const SliceBytes = 64 << 10

// sliceRecords bounds what is read under one lock: a commit that meets the lock waits
// for it in a loop for some us, and then asleep, which costs it more than the rest of its work.
const sliceRecords = 8

// Slice calls visit with some records of a stripe as OpPut, from cursor on,
// under the stripe's lock, and returns the next cursor, or -1 when that was
// the last one, and the stripe's floor then: the highest version of a deleted
// record. visit must not keep what it gets. v is the view whose records they
// are; nil: what readers see. Errors: engines.ErrClosed, unless shut says that
// the caller has shut the index; engines.ErrFull, if a view has lost a record.
func (ix *Index) Slice(stripe, cursor int, v *View, shut bool, visit func(*Op)) (next int, floor engines.Version, err error) {
	s := &ix.stripes[stripe]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gate != 0 {
		if err := ix.enterSlowly(s, shut); err != nil {
			return 0, 0, err
		}
	}
	s.readAhead(ix, cursor)
	size := 0
	for n := 0; cursor < len(s.handles) && n < sliceRecords && size < SliceBytes; cursor++ {
		ref := s.handles[cursor]
		if ref == 0 {
			continue
		}
		r := ix.rec(ref)
		if v == nil {
			r = ix.current(s, ref, r)
		} else if r, err = ix.asOf(s, r, v.seq); errors.Is(err, engines.ErrNotFound) {
			r = nil
		} else if err != nil {
			return 0, 0, err
		}
		if r == nil || r.version() == 0 {
			continue
		}
		s.visited = Op{Kind: engines.OpPut, Keyspace: r.keyspace(), ID: r.id(), Version: r.version(), Key: r.key(), Value: r.value()}
		visit(&s.visited)
		size += r.size()
		n++
	}
	if cursor == len(s.handles) {
		return -1, engines.Version(s.floor), nil
	}
	return cursor, 0, nil
}

// readAhead has the memory bring the records from cursor on at once, and not one after the other.
func (s *stripe) readAhead(ix *Index, cursor int) {
	const line = 64
	next := s.handles[cursor:min(cursor+sliceRecords, len(s.handles))]
	for _, ref := range next {
		if ref != 0 {
			s.touched += ix.rec(ref)[recSizes]
		}
	}
	for _, ref := range next {
		if ref != 0 {
			r := ix.rec(ref)
			for at, end := line, min(r.size(), 4*line); at < end; at += line {
				s.touched += r[at]
			}
		}
	}
}

// current picks the state of a record that readers see.
func (ix *Index) current(s *stripe, ref arena.Ref, r record) record {
	if !r.held() {
		return r
	}
	id := r.id()
	if ix.settle(s, ref) != 0 {
		return r // not durable yet: it is still as it was
	}
	if ref := s.handles[localOf(id)]; ref != 0 {
		return ix.rec(ref)
	}
	return nil
}
