package wal

import (
	"errors"
	"slices"
	"time"

	"orbitbench/engines/internal/vfs"
)

// preparer makes the next segment ready in the background, so that a rotation
// finds it filled with zeros (or recycled), opened, mapped, and its header durable.
// Its fields are guarded by Log.mu.
type preparer struct {
	kick    chan struct{} // capacity 1
	stop    chan struct{} // closed by Close
	done    chan struct{} // closed by the goroutine when it ends
	ready   *segment      // the next segment, or nil
	want    int64         // least size of it, 0: Options.SegmentBytes
	waiting bool          // somebody waits for it: no pacing
	tries   uint64        // attempts made
	err     error         // of the last attempt
	retired []*segment    // sealed and still mapped
	cold    []cold        // set by Open, then of the goroutine
}

// cold is a segment whose pages from pos on are not writable yet.
type cold struct {
	s   *segment
	pos int64
}

func (p *preparer) wake() {
	select {
	case p.kick <- struct{}{}:
	default:
	}
}

// nextSegmentLocked returns the prepared segment, which has room for a record of
// size bytes; the caller takes it by clearing l.prep.ready. It waits for one if
// there is none, and returns nil if active is no longer cur after that.
func (l *Log) nextSegmentLocked(cur *segment, size int) (*segment, error) {
	need := roundUp(dataStart + int64(size) + sealBytes)
	tries := l.prep.tries
	for l.prep.ready == nil || l.prep.ready.size < need {
		if l.prep.tries > tries && l.prep.err != nil {
			return nil, l.prep.err
		}
		l.prep.want = max(l.prep.want, need)
		l.prep.waiting = true
		l.prep.wake()
		l.room.Wait()
		if err := l.usableLocked(); err != nil {
			return nil, err
		}
		if l.active != cur {
			return nil, nil
		}
	}
	return l.prep.ready, nil
}

// prepareLoop is the preparer's goroutine.
func (l *Log) prepareLoop() {
	defer close(l.prep.done)
	for _, c := range l.prep.cold {
		l.populate(c)
	}
	l.prep.cold = nil
	for {
		select {
		case <-l.prep.kick:
		case <-l.prep.stop:
			return
		}
		l.unmapRetired()
		l.mu.Lock()
		s, err, worked := l.prepareLocked()
		if worked {
			l.prep.tries++
			l.prep.err = err
			l.prep.ready = s
			l.prep.want, l.prep.waiting = 0, false
			if err != nil {
				l.o.Logf("log %s: next segment: %v", l.o.Dir, err)
			}
			l.room.Broadcast()
		}
		l.mu.Unlock()
	}
}

// populateBytes is made writable at a time: some 100 us, for which a sync may have to wait.
const populateBytes = 1 << 20

// populate makes the pages of c writable unless the log is being closed.
func (l *Log) populate(c cold) {
	for off := c.pos &^ (vfs.BlockBytes - 1); off < c.s.size; off += populateBytes {
		select {
		case <-l.prep.stop:
			return
		default:
		}
		l.flusher.mu.Lock() // no segment is given up meanwhile
		if mem := c.s.mem; mem != nil {
			c.s.file.Populate(mem[off:min(off+populateBytes, c.s.size)])
		}
		l.flusher.mu.Unlock()
	}
}

// prepareLocked makes the next segment. It lets go of the lock meanwhile; only
// the preparer's goroutine, which calls it, sets l.prep.ready, and the epoch cannot
// be taken by another before that.
func (l *Log) prepareLocked() (*segment, error, bool) {
	if l.usableLocked() != nil {
		return nil, nil, false
	}
	want := max(l.o.SegmentBytes, l.prep.want)
	if r := l.prep.ready; r != nil && r.size >= want {
		return nil, nil, false
	}
	small := l.prep.ready
	l.prep.ready = nil
	epoch := l.active.epoch + 1
	var s *segment
	if want == l.o.SegmentBytes && len(l.free) > 0 {
		s = l.free[0]
		l.free = slices.Delete(l.free, 0, 1)
	}
	num := l.nextFile
	if s == nil {
		l.nextFile++
	}
	l.mu.Unlock()
	begin := time.Now()
	var err error
	if small != nil { // made for records that are not as long: two files must not share an epoch
		err = errors.Join(l.filer.remove(small), l.o.FS.SyncDir(l.o.Dir))
	}
	bytes := uint64(want)
	switch {
	case err != nil:
	case s == nil:
		s, err = l.filer.make(num, epoch, want, l.pace)
	default:
		bytes = uint64(len(l.filer.header))
		if err = l.filer.begin(s, epoch, false); err != nil {
			err = errors.Join(err, l.filer.remove(s))
		}
	}
	if err != nil {
		s, err = nil, fullError(err)
	} else {
		l.o.OnSpan("segment", begin, time.Now(), bytes)
	}
	l.mu.Lock()
	return s, err, true
}

// pace makes room on the device between two writes of zeros, unless somebody
// waits for the segment.
func (l *Log) pace(last time.Duration) {
	l.mu.Lock()
	hurry := l.prep.waiting || l.closed
	l.mu.Unlock()
	if !hurry {
		time.Sleep(min(last, 10*time.Millisecond))
	}
}

// retireLocked has a sealed segment unmapped in the background.
func (l *Log) retireLocked(s *segment) {
	l.prep.retired = append(l.prep.retired, s)
}

// forgetLocked takes back what retireLocked planned for s.
func (l *Log) forgetLocked(s *segment) {
	if i := slices.Index(l.prep.retired, s); i >= 0 {
		l.prep.retired = slices.Delete(l.prep.retired, i, i+1)
	}
}

func (l *Log) unmapRetired() {
	for {
		l.mu.Lock()
		if len(l.prep.retired) == 0 {
			l.mu.Unlock()
			return
		}
		s := l.prep.retired[0]
		l.prep.retired = slices.Delete(l.prep.retired, 0, 1)
		file, mem := s.file, s.mem // DropBefore may be giving up the segment meanwhile
		s.mem = nil
		l.mu.Unlock()
		if err := file.Unmap(mem); err != nil {
			l.o.Logf("log %s: %v", l.o.Dir, err)
		}
	}
}
