package wal

import (
	"fmt"

	"orbitbench/engines"
	"orbitbench/engines/internal/frame"
	"orbitbench/engines/internal/vfs"
)

// walk goes through the records of one segment.
type walk struct {
	file    string
	head    segmentHeader
	src     *source
	limit   int64 // end of the file, or of what is to be read of it
	off     int64 // of the next record
	next    LSN   // number of the next record; 0: not known yet
	base    LSN   // number before the first record; valid if known
	known   bool
	group   uint8
	prev    int64 // offset of the record before off
	start   int64 // offset of the first record of the last group, 0: none was met
	records uint64
	sealed  bool
	epoch   uint64 // sealed: epoch of the next segment
	proof   LSN    // every record up to here was durable, says what was read
	tried   int    // places behind the end whose bytes judge had to checksum
	summed  int64  // bytes that it computed checksums of one by one
	sums    *sums  // made when those become many
}

// run calls visit for every record up to the seal or the first offset where no
// record is. Its errors are those of visit and of reading, and a *CorruptError for a
// record out of order.
func (w *walk) run(visit func(w *walk, h frame.Header, payload []byte) error) error {
	mask := frame.EpochMask(w.head.epoch)
	for !w.sealed && w.off+frame.HeaderBytes <= w.limit {
		h, payload, ok, err := w.parse(w.off, mask)
		if err != nil {
			return err
		}
		if !ok {
			return nil
		}
		if err := w.take(h, payload); err != nil {
			return err
		}
		if visit != nil {
			if err := visit(w, h, payload); err != nil {
				return err
			}
		}
		w.prev = w.off
		w.off += int64(frame.Size(len(payload)))
	}
	return nil
}

// parse reads the record at off, if one is there.
func (w *walk) parse(off int64, mask uint32) (h frame.Header, payload []byte, ok bool, err error) {
	b, err := w.src.from(off, frame.HeaderBytes)
	if err != nil {
		return h, nil, false, err
	}
	h = frame.Peek(b)
	n := frame.Size(int(h.Length))
	if h.Kind == 0 || off+int64(n) > w.limit {
		return h, nil, false, nil
	}
	if len(b) < n {
		if b, err = w.src.from(off, n); err != nil {
			return h, nil, false, err
		}
	}
	h, payload, ok = frame.Parse(b[:n], mask)
	return h, payload, ok, nil
}

// take checks the place of a record in the order and notes what it says.
func (w *walk) take(h frame.Header, payload []byte) error {
	want := w.next
	seq := LSN(h.Seq)
	if h.Kind >= KindReserved {
		seq++ // an internal record has the number of the last one before it
	}
	if w.next == 0 {
		want = seq
	}
	if seq == 0 {
		return w.corrupt(w.off, "record of kind %d has number 0", h.Kind)
	}
	if seq != want {
		return w.corrupt(w.off, "record of kind %d has number %d, want %d", h.Kind, h.Seq, h.Seq+uint64(want)-uint64(seq))
	}
	if !w.known {
		w.known, w.base = true, want-1
	}
	w.next = want
	if h.First {
		w.proof = max(w.proof, want-1)
		w.start = w.off
	}
	w.group = h.Group
	switch {
	case h.Kind < KindReserved:
		w.next++
		w.records++
	case len(payload) != 8 || h.Kind > kindMark:
		return w.corrupt(w.off, "internal record of kind %#x with %d bytes", h.Kind, len(payload))
	case h.Kind == kindSeal:
		w.sealed, w.epoch = true, le64(payload)
	case h.Kind == kindMark:
		w.proof = max(w.proof, LSN(le64(payload)))
	}
	return nil
}

func (w *walk) corrupt(off int64, format string, args ...any) error {
	return &engines.CorruptError{File: w.file, Offset: off, Reason: fmt.Sprintf(format, args...)}
}

// tail is what lies behind the last record of a walk that met no seal.
type tail struct {
	erase int64 // end of the last later record of this epoch: those were never acknowledged
	dirty int64 // end of the last byte that is not zero, in the first block
}

// judge decides whether the end of w is a torn tail, or damage before records that were
// durable, which is a *CorruptError. It reads the rest of the segment.
//
// A crash tears only what was not known to be durable: the last group, and
// in it only whole sectors are missing. So damage it is if a later record was
// written after these bytes were durable (it begins a group, or a mark says so), or
// if the hole before the next record of the same group leaves out no whole sector.
func (w *walk) judge() (tail, error) {
	t := tail{erase: w.off, dirty: w.off}
	if err := w.findDirty(&t); err != nil {
		return t, err
	}
	mask := frame.EpochMask(w.head.epoch)
	for off := w.off; off+frame.HeaderBytes <= w.limit; {
		b, err := w.src.from(off, frame.HeaderBytes)
		if err != nil {
			return t, err
		}
		b = b[:min(int64(len(b)), w.limit-off)]
		skip := blank(b)
		if skip > 0 {
			off += int64(skip)
			continue
		}
		h, payload, ok, err := w.later(off, b, mask)
		if err != nil {
			return t, err
		}
		if !ok {
			off += frame.Align
			continue
		}
		if w.proves(h, payload) {
			return t, w.corrupt(w.off, "no record %d where one was durable: record %d at offset %d was written after it", w.expected(), h.Seq, off)
		}
		if t.erase == w.off && w.head.ordered && !w.tearable(off, h.Group) {
			return t, w.corrupt(w.off, "no record %d before record %d of the same write at offset %d, and no sector is missing between them", w.expected(), h.Seq, off)
		}
		off += int64(frame.Size(len(payload)))
		t.erase = off
	}
	return t, nil
}

// blank returns how many bytes at the start of b no record can begin at, because the first or the
// second half of its header would be zero. It is a multiple of frame.Align.
func blank(b []byte) int {
	off := 0
	for off+frame.HeaderBytes <= len(b) && (le64(b[off:]) == 0 || le64(b[off+8:]) == 0) {
		off += frame.Align
	}
	return off
}

// findDirty looks for the end of what is not zero in the first block.
func (w *walk) findDirty(t *tail) error {
	end := min(roundUp(w.off+1), w.limit)
	if end <= w.off {
		return nil
	}
	b, err := w.src.from(w.off, int(end-w.off))
	if err != nil {
		return err
	}
	for i := end - 1; i >= w.off; i-- {
		if b[i-w.off] != 0 {
			t.dirty = i + 1
			break
		}
	}
	return nil
}

func (w *walk) expected() LSN { return max(w.next, 1) }

// highest is the highest number that a record of this segment can have at off,
// behind the end of w: those between take at least a header each. A recycled segment is
// full of old bytes that look like headers of long records, and without this bound a
// checksum over megabytes would be computed for nearly every eight bytes of it.
func (w *walk) highest(off int64) LSN {
	if !w.known {
		return 1 << 40 // more than any log holds; 1 in 65,536 of what is no record gets by
	}
	return w.next + LSN((off-w.off)/frame.HeaderBytes)
}

// later parses a record at off, where b begins, that may come after the end of w.
func (w *walk) later(off int64, b []byte, mask uint32) (h frame.Header, payload []byte, ok bool, err error) {
	h = frame.Peek(b)
	if h.Kind == 0 || LSN(h.Seq)+1 < w.next || LSN(h.Seq) > w.highest(off) || int64(h.Length) > w.limit-off-frame.HeaderBytes {
		return h, nil, false, nil
	}
	w.tried++
	if w.summed += int64(h.Length); w.summed > summedBytes {
		if ok, err := w.mayBe(off, h, b, mask); !ok || err != nil {
			return h, nil, false, err
		}
	}
	if n := frame.HeaderBytes + int(h.Length); len(b) < n {
		if b, err = w.src.from(off, n); err != nil {
			return h, nil, false, err
		}
	}
	h, payload, ok = frame.Parse(b, mask)
	return h, payload, ok, nil
}

// summedBytes is how many bytes judge checksums as if there were few records behind the end, before it
// prepares for many.
const summedBytes = 8 << 20

// mayBe reports whether the header at off has the checksum of what follows it.
func (w *walk) mayBe(off int64, h frame.Header, header []byte, mask uint32) (bool, error) {
	if w.sums == nil {
		var err error
		if w.sums, err = newSums(w.src.file, w.off, w.limit); err != nil {
			return false, err
		}
	}
	sum, err := w.sums.of(off+frame.HeaderBytes, int64(h.Length))
	return err == nil && frame.Matches(header, sum, mask), err
}

// proves reports whether a later record says that the expected one was durable.
func (w *walk) proves(h frame.Header, payload []byte) bool {
	e := w.expected()
	seq := LSN(h.Seq)
	if h.Kind >= KindReserved {
		seq++
	}
	return h.First && seq > e || h.Kind == kindMark && len(payload) == 8 && LSN(le64(payload)) >= e
}

// tearable reports whether a write of whole sectors can have left the hole from
// w.off to the valid record at v, which belongs to group. Some sector must lie in the
// hole as far as the group wrote it. The sector in which the hole begins does not if a record of
// the group starts in it before the hole: its header would be missing too. The end of
// a longer record there proves nothing, since the old bytes may have been the same.
func (w *walk) tearable(v int64, group uint8) bool {
	sector := w.off &^ (vfs.SectorBytes - 1)
	if w.known && group == w.group && w.prev >= sector && w.prev < w.off {
		sector += vfs.SectorBytes
	}
	return sector+vfs.SectorBytes <= v
}
