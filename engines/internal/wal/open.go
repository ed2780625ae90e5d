package wal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"orbitbench/engines"
	"orbitbench/engines/internal/frame"
	"orbitbench/engines/internal/vfs"
)

// Open opens the log in o.Dir, which it creates if it is missing, replays every
// record with a number above from, and is then ready to append. apply may be
// called from several goroutines, told apart by worker, if o.ReplayWorkers is above
// 1: the records of one segment then come in order, those of different segments do
// not. Otherwise all come in order. An error of apply ends Open and is returned.
// apply may be nil.
//
// The caller makes sure (vfs.FS.Lock) that nobody else has the directory open.
// Errors: engines.ErrCorrupt (a *CorruptError), engines.ErrInvalid, engines.ErrUnsupported,
// ctx.Err(), errors of the file system. A torn tail is no error: it is cut off, and told in ReplayInfo.
func Open(ctx context.Context, o Options, from LSN, apply func(worker int, r Record) error) (*Log, ReplayInfo, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, ReplayInfo{}, err
	}
	if err := o.FS.MkdirAll(o.Dir); err != nil {
		return nil, ReplayInfo{}, err
	}
	if err := o.FS.SyncDir(vfs.Dir(o.Dir)); err != nil {
		return nil, ReplayInfo{}, err
	}
	r := &recovery{fs: o.FS, dir: o.Dir, from: from, next: o.Next, workers: o.ReplayWorkers, apply: apply, round: o.Round, text: o.Text, progress: progress{logf: o.Logf}}
	if err := r.run(ctx); err != nil {
		return nil, r.info, err
	}
	l, err := newLog(o, r)
	if err != nil {
		return nil, r.info, fmt.Errorf("open log %s: %w", o.Dir, err)
	}
	if r.info.TornFile != "" {
		o.Logf("log: torn tail in %s at offset %d: %d bytes that were never acknowledged are cut off", r.info.TornFile, r.info.TornOffset, r.info.TornBytes)
	}
	go l.prepareLoop()
	l.prep.wake()
	l.startFlusher()
	return l, r.info, nil
}

// newLog takes over what recovery found.
func newLog(o Options, r *recovery) (_ *Log, err error) {
	l := &Log{o: o, mapped: o.Class < engines.Interval, base: time.Now(), first: true, nextFile: 1}
	if l.filer, err = newFiler(o); err != nil {
		return nil, err
	}
	l.room.L = &l.mu
	l.prep.kick = make(chan struct{}, 1)
	l.prep.stop = make(chan struct{})
	l.prep.done = make(chan struct{})
	if !l.mapped {
		l.commit.init(&l.mu, o.BufferBytes)
	}
	for _, f := range r.files {
		l.nextFile = max(l.nextFile, f.num+1)
	}
	defer func() {
		if err != nil {
			l.releaseAll()
		}
	}()
	if err := l.repair(r); err != nil {
		return nil, err
	}
	return l, l.start(r)
}

// repair makes what was recovered durable, cuts off what was not acknowledged,
// and removes files that are no part of the log. It may be cut short and done again.
func (l *Log) repair(r *recovery) error {
	if r.tail != nil && !r.tail.head.closed {
		list := r.used[:len(r.used)-len(r.late)]
		for i, f := range list {
			// The one before an empty tail holds the last group, which ends with its seal.
			last := f == r.tail || i == len(list)-2 && r.tail.walk.off == dataStart
			if last || !f.head.ordered {
				if err := l.repairSegment(f, r, last); err != nil {
					return err
				}
			}
		}
	}
	var remove []*found
	for _, f := range r.files {
		if f.unfinished {
			remove = append(remove, f)
		}
	}
	for _, f := range r.late {
		if f.walk.known {
			remove = append(remove, f)
		}
	}
	for _, f := range remove {
		if err := l.o.FS.Remove(f.name); err != nil {
			return err
		}
	}
	if len(remove) == 0 {
		return nil
	}
	return l.o.FS.SyncDir(l.o.Dir)
}

// repairSegment syncs a segment; of the tail it first zeroes records behind the end
// that are whole: were they left, later records could grow up to them and
// bring them back. last says that the last group of the log is in f.
func (l *Log) repairSegment(f *found, r *recovery, last bool) (err error) {
	file, err := l.o.FS.OpenFile(f.name, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if last && f.head.ordered {
		if err := rewrite(file, f.walk.start&^(vfs.SectorBytes-1), f.walk.off); err != nil {
			return err
		}
	}
	if f == r.tail {
		zero := make([]byte, 1<<20)
		for off := f.walk.off; off < r.torn.erase; {
			n, err := file.WriteAt(zero[:min(int64(len(zero)), r.torn.erase-off)], off)
			if err != nil {
				return err
			}
			off += int64(n)
		}
	}
	return file.Sync()
}

// rewrite writes the bytes from begin to end once more. Those of a group whose
// sync failed may be in the page cache alone: the kernel reports the failure once
// and takes the pages for clean, so that the next sync would leave them out.
func rewrite(file vfs.File, begin, end int64) error {
	if begin >= end {
		return nil
	}
	b := make([]byte, end-begin)
	if err := readFull(file, b, begin); err != nil {
		return err
	}
	_, err := file.WriteAt(b, begin)
	return err
}

// start makes the tail the active segment, or a new one if the class writes in
// another way than the one that wrote the tail.
func (l *Log) start(r *recovery) error {
	l.next = max(r.end, l.o.Next, r.from+1, 1)
	l.durable.Store(uint64(l.next - 1))
	if r.tail == nil {
		return l.startFresh(1)
	}
	for _, f := range r.segs {
		if f.head.epoch < r.tail.head.epoch {
			l.sealed = append(l.sealed, l.adopt(f))
		}
	}
	w := r.tail.walk
	last := w.base // of the segment before; where it is not known, that of a later one is safe
	for i := len(l.sealed) - 1; i >= 0; i-- {
		l.sealed[i].last = last
		if f := r.segs[i]; f.walk != nil && f.walk.known {
			last = f.walk.base
		} else if f.peeked {
			last = f.first - 1
		}
	}
	s := l.adopt(r.tail)
	empty := w.off == dataStart
	if l.next > w.next && !empty && r.from+1 < w.next {
		return fmt.Errorf("%w: log %s: next record %d would leave a gap behind %d", engines.ErrInvalid, l.o.Dir, l.next, w.next-1)
	}
	other := r.tail.head.ordered == l.mapped
	if !empty && (l.next > w.next || other || w.sealed) {
		return l.startBehind(s, r)
	}
	s.first = w.base + 1
	if empty {
		s.first = l.next
	}
	if err := l.resume(s, w); err != nil {
		return err
	}
	if other || r.tail.head.closed {
		if err := l.filer.writeHeader(s, segmentHeader{ordered: !l.mapped, epoch: s.epoch, size: s.size}); err != nil {
			return err
		}
		// No record may reach the device before the header that no longer says
		// closed: the next Open would stop before records that are there.
		if l.mapped {
			if err := s.file.Sync(); err != nil {
				return err
			}
		}
	}
	return l.adoptSpares(r)
}

// resume makes s, which has been read up to the end of w, the active segment.
func (l *Log) resume(s *segment, w *walk) error {
	if err := l.openCold(s, w.off); err != nil {
		return err
	}
	l.active, l.pos = s, w.off
	l.group = (w.group + 1) & frame.MaxGroup
	if l.mapped {
		return nil
	}
	c := &l.commit
	c.segment, c.start = s, l.next
	block := vfs.AlignedBuffer(vfs.BlockBytes)
	at := w.off &^ (vfs.BlockBytes - 1)
	if at < w.off {
		if _, err := s.file.ReadAt(block, at); err != nil {
			return err
		}
	}
	c.buf.begin(w.off, block[:w.off-at])
	return nil
}

// startBehind seals the tail s and begins a new segment: s was written in the way of another
// class, or the numbers go on elsewhere. The new segment is durable before the seal
// that promises it.
func (l *Log) startBehind(s *segment, r *recovery) (err error) {
	l.sealed = append(l.sealed, s)
	w := r.tail.walk
	s.last = w.next - 1
	if err := l.dropSpares(r, nil); err != nil {
		return err
	}
	if w.sealed {
		return l.startFresh(w.epoch)
	}
	if err := l.startFresh(s.epoch + 1); err != nil {
		return err
	}
	file, err := l.o.FS.OpenFile(s.name, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if r.tail.head.closed {
		head := make([]byte, headerBytes)
		segmentHeader{ordered: r.tail.head.ordered, epoch: s.epoch, size: s.size}.encode(head)
		if _, err := file.WriteAt(head, 0); err != nil {
			return err
		}
		if err := file.Sync(); err != nil {
			return err
		}
	}
	seal := make([]byte, sealBytes)
	putInternal(seal, kindSeal, s.last, (w.group+1)&frame.MaxGroup, true, s.epoch+1, s.mask)
	if _, err := file.WriteAt(seal, w.off); err != nil {
		return err
	}
	return file.Sync()
}

// adoptSpares keeps the segment that was prepared to follow the tail, and removes
// other empty ones.
func (l *Log) adoptSpares(r *recovery) error {
	var spare *found
	for _, f := range r.late {
		if !f.walk.known && f.head.epoch == l.active.epoch+1 && f.size == l.o.SegmentBytes && f.head.ordered == !l.mapped {
			spare = f
		}
	}
	if err := l.dropSpares(r, spare); err != nil || spare == nil {
		return err
	}
	s := l.adopt(spare)
	if err := l.openCold(s, 0); err != nil {
		return err
	}
	if !l.mapped {
		// A process that was killed while it wrote this header left it in the page cache alone. Records
		// that are acknowledged here must not be under a header that a power cut takes back.
		if err := l.filer.writeHeader(s, segmentHeader{ordered: true, epoch: s.epoch, size: s.size}); err != nil {
			return errors.Join(err, s.release())
		}
	}
	l.prep.ready = s
	return nil
}

// openCold opens a segment whose pages from pos on the preparer makes writable beside the
// first appends: doing that here would cost Open some ten milliseconds.
func (l *Log) openCold(s *segment, pos int64) error {
	if err := l.filer.openAs(s, vfs.MapWrite); err != nil {
		return errors.Join(err, s.release())
	}
	if l.mapped {
		l.prep.cold = append(l.prep.cold, cold{s, pos})
	}
	return nil
}

func (l *Log) dropSpares(r *recovery, keep *found) error {
	dropped := false
	for _, f := range r.late {
		if f == keep || f.walk.known { // the others are gone already
			continue
		}
		if err := l.o.FS.Remove(f.name); err != nil {
			return err
		}
		dropped = true
	}
	if !dropped {
		return nil
	}
	return l.o.FS.SyncDir(l.o.Dir)
}

func (l *Log) adopt(f *found) *segment {
	return &segment{name: f.name, num: f.num, size: f.size, epoch: f.head.epoch, mask: frame.EpochMask(f.head.epoch)}
}

// startFresh begins with a new segment.
func (l *Log) startFresh(epoch uint64) error {
	s, err := l.filer.make(l.nextFile, epoch, l.o.SegmentBytes, nil)
	if err != nil {
		return fullError(err)
	}
	l.nextFile++
	s.first = l.next
	l.active, l.pos = s, dataStart
	l.commit.segment = s
	if !l.mapped {
		l.commit.buf.begin(dataStart, nil)
	}
	l.commit.start = l.next
	return nil
}
