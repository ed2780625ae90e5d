package wal

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"orbitbench/engines"
	"orbitbench/engines/internal/frame"
)

// Log is an open log. All methods are safe for concurrent use.
type Log struct {
	o      Options
	filer  *filer
	mapped bool
	base   time.Time // for monotonic stamps

	durable atomic.Uint64 // every record up to here survives a power cut
	failure atomic.Pointer[failure]
	overdue atomic.Bool // class Interval: a flush is late, Wait has to wait

	mu     spinLock  // guards all below
	room   sync.Cond // flush done, segment ready, failed or closed
	closed bool

	active *segment
	pos    int64 // offset in active of the next record
	next   LSN
	group  uint8 // of the next record
	first  bool  // the next record is the first of its group

	anchored *segment // the active segment, once its first record is durable

	sealed   []*segment // oldest first
	free     []*segment // dropped, for reuse
	nextFile uint64     // number of the next new file
	prep     preparer

	commit  committer // classes Interval and Sync
	flusher flusher   // class Interval, and syncs of mapped segments

	stats Stats // its counters
}

type failure struct{ err error }

// Append copies the payload, given in parts, into the log and gives it the next
// number; the order of calls is the order of the log. kind is 1 to KindReserved-1.
// Append does not wait for the device, but it may wait for room: in the buffer
// while the one before is being written, and for the next segment. It does not
// allocate. A record is durable when Wait says so.
//
// Errors: engines.ErrInvalid (kind, length), engines.ErrFull (no room for a
// segment: nothing was lost, and a later call may succeed), engines.ErrFailed,
// engines.ErrClosed, errors of making a segment.
func (l *Log) Append(kind uint8, parts ...[]byte) (LSN, error) {
	n := 0
	var sum uint32
	for _, p := range parts {
		n += len(p)
		if n > MaxRecordBytes {
			break
		}
		sum = frame.PayloadSum(sum, p)
	}
	if kind == 0 || kind >= KindReserved || n > MaxRecordBytes {
		return 0, fmt.Errorf("%w: log record of kind %d with %d bytes, want kind 1 to %d and at most %d bytes",
			engines.ErrInvalid, kind, n, KindReserved-1, MaxRecordBytes)
	}
	size := frame.Size(n)

	l.mu.Lock()
	dst, err := l.reserveLocked(size)
	if err != nil {
		l.mu.Unlock()
		return 0, err
	}
	at := frame.HeaderBytes
	for _, p := range parts {
		at += copy(dst[at:], p)
	}
	clear(dst[at:])
	lsn := l.next
	frame.Put(dst, frame.Header{Seq: uint64(lsn), Length: uint32(n), Kind: kind, Group: l.group, First: l.first}, sum, l.active.mask)
	l.advanceLocked(size)
	l.next++
	l.stats.Records++
	l.stats.RecordBytes += uint64(size)
	l.mu.Unlock()
	return lsn, nil
}

// reserveLocked returns the size bytes at l.pos. It may let go of the lock.
func (l *Log) reserveLocked(size int) ([]byte, error) {
	for {
		if err := l.usableLocked(); err != nil {
			return nil, err
		}
		if l.pos+int64(size)+sealBytes > l.active.size {
			if err := l.rotateLocked(size); err != nil {
				return nil, err
			}
			continue
		}
		if l.mapped {
			return l.active.mem[l.pos : l.pos+int64(size)], nil
		}
		if dst := l.commit.reserve(size); dst != nil {
			return dst, nil
		}
		l.makeRoomLocked(size)
	}
}

// advanceLocked takes the bytes that reserveLocked gave.
func (l *Log) advanceLocked(size int) {
	l.pos += int64(size)
	l.first = false
	if l.mapped {
		l.active.unsynced = true
	} else {
		l.commit.advance(size)
	}
}

// usableLocked returns why the log takes no more records, or nil.
func (l *Log) usableLocked() error {
	if f := l.failure.Load(); f != nil {
		return f.err
	}
	if l.closed {
		return engines.ErrClosed
	}
	return nil
}

// fail makes the log refuse everything from now on.
func (l *Log) fail(err error) {
	l.failure.CompareAndSwap(nil, &failure{fmt.Errorf("%w: log %s: %w", engines.ErrFailed, l.o.Dir, err)})
}

// rotateLocked seals the active segment and goes on in the next one, which has
// room for a record of size bytes. It may let go of the lock. The segment may be
// another one already when it returns.
func (l *Log) rotateLocked(size int) error {
	old := l.active
	next, err := l.nextSegmentLocked(old, size)
	if err != nil || next == nil {
		return err
	}
	if !l.mapped {
		if err := l.landLocked(); err != nil || l.active != old {
			return err
		}
		// Waiting let go of the lock; the prepared segment is still ours to take.
		if l.prep.ready != next {
			return nil
		}
	}
	l.prep.ready = nil
	l.sealLocked(next)
	l.prep.wake()
	if l.mapped {
		l.retireLocked(old)
		return nil
	}
	l.flushSealedLocked(next)
	return l.usableLocked()
}

// landLocked waits until no buffer is on its way, as they are for one segment at a time. Nobody leads another flush
// meanwhile, or it would take for as long as commits come.
func (l *Log) landLocked() error {
	c := &l.commit
	c.landing++
	for c.busy && l.usableLocked() == nil {
		l.room.Wait()
	}
	if c.landing--; c.landing == 0 {
		for i := range c.queues {
			c.queues[i].Broadcast() // in case the caller flushes nothing: somebody leads
		}
	}
	return l.usableLocked()
}

// sealLocked writes the seal behind the last record of the active segment, for
// which room is kept, and makes next the active one.
func (l *Log) sealLocked(next *segment) {
	old := l.active
	var dst []byte
	if l.mapped {
		dst = old.mem[l.pos : l.pos+sealBytes]
	} else {
		dst = l.commit.reserveSeal()
	}
	n := putInternal(dst, kindSeal, l.next-1, l.group, l.first, next.epoch, old.mask)
	l.advanceLocked(n)
	old.last = l.next - 1
	l.sealed = append(l.sealed, old)
	next.first = l.next
	l.active, l.pos = next, dataStart
}

// Rotate seals the active segment and returns the first number of the new one:
// every record below it is in a sealed segment. An active segment without
// records is left as it is. Errors as for Append.
func (l *Log) Rotate() (LSN, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	start := l.next
	for {
		if err := l.usableLocked(); err != nil {
			return 0, err
		}
		if l.active.first >= start || l.active.first == l.next {
			return l.active.first, nil
		}
		if err := l.rotateLocked(0); err != nil {
			return 0, err
		}
	}
}

// DropBefore gives up the sealed segments whose records are all below lsn: some
// are kept for reuse, the rest are removed. The caller must not need the
// records again, whatever crash follows. It does nothing to the active segment.
func (l *Log) DropBefore(lsn LSN) error {
	l.flusher.mu.Lock() // no sync may be using a file that is given up
	defer l.flusher.mu.Unlock()
	l.mu.Lock()
	if err := l.usableLocked(); err != nil {
		l.mu.Unlock()
		return err
	}
	if err := l.anchorLocked(lsn); err != nil {
		l.mu.Unlock()
		return err
	}
	n := 0
	for n < len(l.sealed) && l.sealed[n].last < lsn && l.sealed[n] != l.commit.flying {
		n++
	}
	var remove []*segment
	dropped := append([]*segment(nil), l.sealed[:n]...)
	l.sealed = append(l.sealed[:0], l.sealed[n:]...)
	for _, s := range dropped {
		s.unsynced = false
		l.forgetLocked(s)
		if s.size == l.o.SegmentBytes && len(l.free) < l.o.KeepFree {
			l.free = append(l.free, s)
		} else {
			remove = append(remove, s)
		}
	}
	l.prep.wake()
	l.mu.Unlock()
	var err error
	for _, s := range remove {
		err = errors.Join(err, l.filer.remove(s))
	}
	if err == nil && len(remove) > 0 {
		err = l.o.FS.SyncDir(l.o.Dir)
	}
	if err != nil {
		return fmt.Errorf("log: drop segments before %d: %w", lsn, err)
	}
	return nil
}

// anchorLocked makes sure, before segments up to lsn are dropped, that the active
// segment tells its first number durably: by its first record, or by a mark if it has none.
// Else a crash could leave a log that starts with dropped segments. It may let
// go of the lock.
func (l *Log) anchorLocked(lsn LSN) error {
	if len(l.sealed) == 0 || l.sealed[0].last >= lsn || l.anchored == l.active {
		return nil
	}
	active := l.active
	if l.mapped {
		if l.pos == dataStart {
			l.markLocked(LSN(l.durable.Load()))
		}
		if l.o.Class != engines.None {
			if err := active.file.Sync(); err != nil {
				l.fail(err)
			}
		}
		l.anchored = active
		return l.usableLocked()
	}
	if err := l.landLocked(); err != nil {
		return err
	}
	if l.active == active && l.pos == dataStart {
		n := putInternal(l.commit.reserveSeal(), kindMark, l.next-1, l.group, l.first, l.durable.Load(), l.active.mask)
		l.advanceLocked(n)
	}
	active = l.active
	if l.commit.pending.Load() > 0 {
		l.commit.busy = true
		l.flushLocked()
		l.mu.Lock()
	}
	l.anchored = active
	return l.usableLocked()
}

// Next returns the number that the next record gets.
func (l *Log) Next() LSN {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.next
}

// Durable returns the highest number up to which every record survives a power
// cut. Under the weaker classes it rises only with syncs.
func (l *Log) Durable() LSN { return LSN(l.durable.Load()) }

// Direct reports whether records go to the device by direct IO.
func (l *Log) Direct() bool { return l.filer.direct() }

// Stats returns the counters.
func (l *Log) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.stats
	s.MeanSync = time.Duration(l.commit.mean)
	count := func(g *segment) {
		s.DiskBytes += g.size
		s.MappedBytes += int64(len(g.mem))
	}
	for _, g := range l.sealed {
		count(g)
	}
	for _, g := range l.free {
		count(g)
	}
	s.Segments = len(l.sealed)
	for _, g := range []*segment{l.active, l.prep.ready} {
		if g != nil {
			count(g)
			s.Segments++
		}
	}
	s.FreeSegments = len(l.free)
	s.Next = l.next
	s.Durable = LSN(l.durable.Load())
	return s
}
