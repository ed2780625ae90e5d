package wal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"orbitbench/engines"
	"orbitbench/engines/internal/frame"
	"orbitbench/engines/internal/vfs"
)

// found is a segment file that is there when a log is opened.
type found struct {
	name       string
	num        uint64
	place      int   // among the segments that are read
	size       int64 // of the file
	head       segmentHeader
	unfinished bool // its making was cut short

	looked bool // the first record has been looked at
	peeked bool // it is whole
	first  LSN  // number of it (of the next one, if it is internal)

	walk *walk // where reading ended, nil: not read
}

// recovery is the reading side of Open, and all of Verify.
type recovery struct {
	fs      vfs.FS
	dir     string
	from    LSN
	next    LSN // Options.Next
	workers int
	apply   func(worker int, r Record) error
	round   func(valid LSN) error // Options.Round
	text    *Text                 // Options.Text

	progress progress

	files []*found // by number
	segs  []*found // those with a header, by epoch
	used  []*found // those read, in order
	late  []*found // segments behind the tail: empty, or lost in a power cut
	tail  *found   // the last segment that holds or may hold records; nil: none
	end   LSN      // number of the next record, 0 if the log does not tell
	torn  tail
	info  ReplayInfo
}

// load lists the segment files and reads their headers.
func (r *recovery) load() error {
	names, err := r.fs.ReadDir(r.dir)
	if err != nil {
		return err
	}
	for _, base := range names {
		num, ok := segmentNumber(base)
		if !ok {
			continue
		}
		f := &found{name: r.dir + "/" + base, num: num}
		if err := r.loadHeader(f); err != nil {
			return err
		}
		r.files = append(r.files, f)
		if !f.unfinished {
			r.segs = append(r.segs, f)
		}
	}
	slices.SortFunc(r.files, func(a, b *found) int { return cmp.Compare(a.num, b.num) })
	slices.SortFunc(r.segs, func(a, b *found) int { return cmp.Compare(a.head.epoch, b.head.epoch) })
	for i := 1; i < len(r.segs); i++ {
		if a, b := r.segs[i-1], r.segs[i]; a.head.epoch == b.head.epoch {
			return &engines.CorruptError{File: b.name, Offset: 16, Reason: fmt.Sprintf("epoch %d is also that of %s", b.head.epoch, a.name)}
		}
	}
	r.info.Files = len(r.files)
	return nil
}

func (r *recovery) loadHeader(f *found) (err error) {
	file, err := r.fs.OpenFile(f.name, vfs.ReadOnly)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if f.size, err = file.Size(); err != nil {
		return err
	}
	block := make([]byte, min(f.size, vfs.BlockBytes))
	if err := readFull(file, block, 0); err != nil {
		return err
	}
	if allZero(block[:min(len(block), headerBytes)]) {
		f.unfinished = true
		return nil
	}
	if f.head, _, err = decodeSegmentHeader(f.name, block); err != nil {
		return err
	}
	if f.size != f.head.size {
		return &engines.CorruptError{File: f.name, Offset: min(f.size, f.head.size), Reason: fmt.Sprintf("segment file has %d bytes, its header says %d", f.size, f.head.size)}
	}
	return nil
}

// peek looks at the first record.
func (r *recovery) peek(f *found) (err error) {
	file, err := r.fs.OpenFile(f.name, vfs.ReadOnly)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	f.looked = true
	b := make([]byte, min(f.size-dataStart, vfs.BlockBytes))
	if err := readFull(file, b, dataStart); err != nil {
		return err
	}
	if h := frame.Peek(b); frame.Size(int(h.Length)) > len(b) {
		if int64(frame.Size(int(h.Length))) > f.size-dataStart {
			return nil
		}
		b = make([]byte, frame.Size(int(h.Length)))
		if err := readFull(file, b, dataStart); err != nil {
			return err
		}
	}
	if h, _, ok := frame.Parse(b, frame.EpochMask(f.head.epoch)); ok {
		f.peeked, f.first = true, LSN(h.Seq)
		if h.Kind >= KindReserved {
			f.first++
		}
	}
	return nil
}

// readFull reads all of b, which lies within the file.
func readFull(file io.ReaderAt, b []byte, off int64) error {
	if len(b) == 0 {
		return nil
	}
	n, err := file.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	return err
}

// skip leaves out the segments that hold no record above from: those before one
// that starts at from+1 or below.
func (r *recovery) skip() error {
	segs := r.segs
	for i := len(segs) - 1; i > 0; i-- {
		if err := r.peek(segs[i]); err != nil {
			return err
		}
		if segs[i].peeked && segs[i].first <= r.from+1 {
			segs = segs[i:]
			break
		}
	}
	r.used = segs
	return nil
}

// run reads the log and judges its end.
func (r *recovery) run(ctx context.Context) error {
	r.progress.begin = time.Now()
	if err := r.load(); err != nil {
		return err
	}
	if err := r.skip(); err != nil {
		return err
	}
	// Where writes are not ordered a power cut may leave a hole before whole
	// segments. Replay in parallel must not get ahead of it: look first.
	if r.workers > 1 && r.apply != nil && r.round == nil && slices.ContainsFunc(r.used, func(f *found) bool { return !f.head.ordered }) && !r.closedClean() {
		apply := r.apply
		r.apply = nil
		if err := r.read(ctx); err != nil {
			return err
		}
		if err := r.chain(); err != nil {
			return err
		}
		r.apply = apply
		r.info = ReplayInfo{Files: r.info.Files}
		for _, f := range r.used[:len(r.used)-len(r.late)] {
			f.walk = nil
		}
	}
	if err := r.read(ctx); err != nil {
		return err
	}
	return r.chain()
}

func (r *recovery) closedClean() bool {
	return slices.ContainsFunc(r.used, func(f *found) bool { return f.head.closed })
}

// read walks the used segments, on several goroutines if that is asked for.
func (r *recovery) read(ctx context.Context) error {
	var list []*found // those not read yet
	for _, f := range r.used {
		if f.walk == nil {
			list = append(list, f)
		}
	}
	for _, f := range list {
		r.progress.total += f.size
	}
	if r.text != nil && r.apply != nil {
		r.text.segments = make([]textSegment, len(r.used))
		for i, f := range r.used {
			f.place = i
		}
	}
	if r.round != nil && r.apply != nil {
		return r.readRounds(ctx, list)
	}
	if len(list) == 0 {
		return nil
	}
	var turn atomic.Int64
	workers := min(r.workers, len(list))
	errs := make([]error, workers)
	var stop atomic.Bool
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			var buf chunks
			for !stop.Load() {
				i := int(turn.Add(1) - 1)
				if i >= len(list) {
					return
				}
				f := list[i]
				var before *found
				if workers == 1 && i > 0 {
					if before = list[i-1]; before.walk.epoch != f.head.epoch {
						return // the one between them is missing: chain judges why
					}
				}
				if errs[w] = r.readSegment(ctx, w, f, before, &buf); errs[w] != nil {
					stop.Store(true)
				} else if workers == 1 && !f.walk.sealed {
					return // whatever comes later is no part of the log, or it is damaged
				}
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return r.lookAt(ctx, list)
}

// lookAt walks those of the list that were not read, for what they prove; they are not applied.
func (r *recovery) lookAt(ctx context.Context, list []*found) error {
	for _, f := range list {
		if f.walk == nil {
			apply := r.apply
			r.apply = nil
			var buf chunks
			err := r.readSegment(ctx, 0, f, nil, &buf)
			r.apply = apply
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// readSegment walks f; before is the segment before it if that has been walked. buf is
// memory for it, used again for the next segment.
func (r *recovery) readSegment(ctx context.Context, worker int, f, before *found, buf *chunks) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	w := &walk{file: f.name, head: f.head, limit: f.limit(), off: dataStart}
	f.walk = w
	if before != nil {
		w.next = before.walk.next
	}
	if f.looked && !f.peeked {
		return nil // it has no record: that is where reading it would end
	}
	file, err := r.fs.OpenFile(f.name, vfs.ReadOnly)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	w.src = openSource(file, 0, w.limit, buf)
	defer w.src.close()
	count := uint64(0)
	defer r.progress.done(f.size)
	err = w.run(func(w *walk, h frame.Header, payload []byte) error {
		if h.Kind >= KindReserved || LSN(h.Seq) <= r.from {
			return nil
		}
		if count++; count%1024 == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			r.progress.tell(w.off)
		}
		if before == nil && w.records == 1 && f == r.used[0] {
			if err := r.checkStart(f, LSN(h.Seq)); err != nil {
				return err
			}
		}
		if r.apply == nil {
			return nil
		}
		return r.apply(worker, Record{LSN: LSN(h.Seq), Kind: h.Kind, Payload: payload, Segment: f.place, Offset: w.off + frame.HeaderBytes})
	})
	if err == nil && r.text != nil && r.apply != nil {
		err = r.text.hold(f.place, file, w)
	}
	return err
}

// limit returns where reading f ends at the latest.
func (f *found) limit() int64 {
	if f.head.closed {
		return f.head.closeEnd
	}
	return f.size
}

// checkStart makes sure that no record is missing before the first one.
func (r *recovery) checkStart(f *found, first LSN) error {
	if first <= max(r.from+1, r.next) {
		return nil
	}
	return &engines.CorruptError{File: f.name, Offset: dataStart, Reason: fmt.Sprintf(
		"the log starts with record %d, want %d or below: a segment is missing", first, max(r.from+1, r.next))}
}

// chain puts the walked segments together, finds the tail and judges it.
func (r *recovery) chain() error {
	r.tail, r.late, r.end = nil, nil, 0
	for i, f := range r.used {
		w := f.walk
		if i > 0 {
			if err := r.link(r.used[i-1], f); err != nil {
				if r.provable(r.used[i-1], r.used[i:]) {
					return err
				}
				r.late = r.used[i:] // lost with the power, as class Process allows
				break
			}
		}
		r.tail = f
		if w.known {
			r.end = w.next
		}
		if !w.sealed {
			r.late = r.used[i+1:]
			break
		}
	}
	for i, f := range r.used[:len(r.used)-len(r.late)] {
		r.count(f, i)
	}
	if r.tail == nil {
		return nil
	}
	return r.judgeTail()
}

func (r *recovery) count(f *found, i int) {
	w := f.walk
	if !w.known {
		return
	}
	r.info.Segments++
	r.info.Bytes += w.off - dataStart
	first, last := w.base+1, w.next-1
	if r.info.First == 0 {
		r.info.First = first
	}
	r.info.Last = max(r.info.Last, last)
	if last > max(r.from, w.base) {
		r.info.Records += uint64(last - max(r.from, w.base))
	}
}

// link checks that f follows a, which is sealed.
func (r *recovery) link(a, f *found) error {
	w := f.walk
	switch {
	case f.head.epoch != a.walk.epoch:
		return &engines.CorruptError{File: f.name, Offset: 16, Reason: fmt.Sprintf(
			"epoch is %d, but %s is followed by epoch %d: a segment is missing", f.head.epoch, a.name, a.walk.epoch)}
	case !w.known:
		w.next, w.base, w.known = a.walk.next, a.walk.next-1, true
	case w.base+1 != a.walk.next:
		return &engines.CorruptError{File: f.name, Offset: dataStart, Reason: fmt.Sprintf(
			"the first record is %d, but %s ends with %d", w.base+1, a.name, a.walk.next-1)}
	}
	return nil
}

// provable reports whether the records behind segment a, which is the last that
// is whole, were durable once.
func (r *recovery) provable(a *found, late []*found) bool {
	return a.head.ordered || slices.ContainsFunc(late, func(f *found) bool {
		return f.head.ordered && f.walk.known || f.walk.proof >= a.walk.next
	})
}

// judgeTail tells a torn tail from damage.
func (r *recovery) judgeTail() error {
	f, w := r.tail, r.tail.walk
	if w.sealed && !w.head.ordered && !r.provable(f, r.late) {
		r.info.TornFile, r.info.TornOffset = f.name, w.off
		return nil
	}
	if w.sealed {
		return &engines.CorruptError{File: f.name, Offset: w.off, Reason: fmt.Sprintf("the segment of epoch %d, which follows, is missing", w.epoch)}
	}
	if !w.known {
		if f.head.epoch > 1 && f != r.segs[0] {
			return &engines.CorruptError{File: f.name, Offset: dataStart, Reason: "the segment before it is missing"}
		}
		w.next = max(r.from+1, r.next)
	}
	if f.head.closed {
		if w.off != f.head.closeEnd || w.known && w.next-1 != f.head.closeSeq {
			return w.corrupt(w.off, "the log was closed with record %d at offset %d, but it ends with record %d here", f.head.closeSeq, f.head.closeEnd, w.next-1)
		}
		r.info.Clean = true
		r.end = f.head.closeSeq + 1
	}
	for _, g := range r.late {
		if !g.walk.known {
			continue
		}
		if f.head.ordered || f.head.closed || g.walk.proof >= w.next {
			return w.corrupt(w.off, "no record %d where one was durable: %s was written after it", w.next, g.name)
		}
	}
	if f.head.closed {
		return nil
	}
	return r.judgeTorn()
}

func (r *recovery) judgeTorn() (err error) {
	f, w := r.tail, r.tail.walk
	file, err := r.fs.OpenFile(f.name, vfs.ReadOnly)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	var buf chunks
	w.src = openSource(file, w.off, w.limit, &buf)
	defer w.src.close()
	if r.torn, err = w.judge(); err != nil {
		return err
	}
	if end := max(r.torn.erase, r.torn.dirty); end > w.off {
		r.info.TornFile, r.info.TornOffset, r.info.TornBytes = f.name, w.off, end-w.off
	}
	return nil
}
