package wal

import (
	"slices"
	"sync"
	"time"

	"orbitbench/engines"
)

// flusher does what the classes below Sync need. The records of None and Process
// are stored into a shared mapping of the segment, which survives the death of the
// process, and only Sync and Close make them survive more. Class Interval
// fills the committer's buffers, and a goroutine writes them out in time.
type flusher struct {
	mu   sync.Mutex // held during a sync and while segments are given up; taken before Log.mu
	stop chan struct{}
	done chan struct{}
	late *time.Timer // class Interval: fires when the window is used up
}

// waitOverdue holds an acknowledgement back until the flush that is late is done.
func (l *Log) waitOverdue(lsn LSN) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.overdue.Load() && l.durable.Load() < uint64(lsn) {
		if err := l.usableLocked(); err != nil {
			return err
		}
		l.room.Wait()
	}
	return nil
}

// Sync returns nil once every record appended before the call is on the device,
// whatever the class. Errors: engines.ErrFailed, engines.ErrClosed.
func (l *Log) Sync() error {
	l.mu.Lock()
	last := l.next - 1
	err := l.usableLocked()
	l.mu.Unlock()
	if err != nil || l.durable.Load() >= uint64(last) {
		return err
	}
	if !l.mapped {
		return l.waitSync(last)
	}
	return l.syncMapped()
}

// syncMapped syncs every segment that has unsynced stores, oldest first, and
// then leaves a mark in the log which says so: damage before the mark cannot be
// explained by a crash.
func (l *Log) syncMapped() error {
	l.flusher.mu.Lock()
	defer l.flusher.mu.Unlock()
	l.mu.Lock()
	if err := l.usableLocked(); err != nil {
		l.mu.Unlock()
		return err
	}
	high := l.next - 1
	if uint64(high) <= l.durable.Load() { // before a flag is cleared that nobody would act on
		l.mu.Unlock()
		return nil
	}
	var dirty []*segment
	for _, s := range append(slices.Clip(l.sealed), l.active) {
		if s.unsynced {
			s.unsynced = false
			dirty = append(dirty, s)
		}
	}
	l.mu.Unlock()

	begin := l.now()
	var err error
	for _, s := range dirty {
		if err = s.file.Sync(); err != nil {
			break
		}
	}
	took := l.now() - begin

	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.room.Broadcast()
	if err != nil {
		l.fail(err)
		return l.usableLocked()
	}
	l.durable.Store(uint64(high))
	l.stats.Flushes += uint64(len(dirty))
	l.commit.observe(took)
	l.markLocked(high)
	return nil
}

// markLocked appends a mark if the segment has room for it. A mark does not make
// the segment unsynced: one that is lost leaves the one before.
func (l *Log) markLocked(high LSN) {
	if l.closed || l.pos+2*sealBytes > l.active.size {
		return
	}
	dst := l.active.mem[l.pos : l.pos+sealBytes]
	l.pos += int64(putInternal(dst, kindMark, l.next-1, l.group, l.first, uint64(high), l.active.mask))
	l.first = false
}

// flushLoop is the goroutine of class Interval. A flush begins every half window,
// so that a record is durable within a window of its append if the flush takes
// no longer than the other half. When one does, Wait holds back acknowledgements.
func (l *Log) flushLoop() {
	defer close(l.flusher.done)
	half := l.o.Window / 2
	tick := time.NewTimer(half)
	defer tick.Stop()
	for {
		select {
		case <-l.flusher.stop:
			return
		case <-tick.C:
		}
		// What is appended from here on is exposed until the next flush is done.
		begin := time.Now()
		err := l.Sync()
		l.flusher.late.Reset(max(0, l.o.Window-time.Since(begin)))
		if l.overdue.Swap(false) {
			l.mu.Lock()
			l.room.Broadcast()
			l.mu.Unlock()
		}
		if err != nil {
			return // the log has failed, or is closed: nothing is left to do
		}
		tick.Reset(max(0, half-time.Since(begin)))
	}
}

// startFlusher starts what the class needs in the background.
func (l *Log) startFlusher() {
	l.flusher.stop = make(chan struct{})
	l.flusher.done = make(chan struct{})
	if l.o.Class != engines.Interval {
		close(l.flusher.done)
		return
	}
	l.flusher.late = time.AfterFunc(l.o.Window, func() { l.overdue.Store(true) })
	go l.flushLoop()
}

func (l *Log) stopFlusher() {
	close(l.flusher.stop)
	<-l.flusher.done
	if l.flusher.late != nil {
		l.flusher.late.Stop()
	}
}
