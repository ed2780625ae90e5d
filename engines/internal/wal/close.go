package wal

import (
	"errors"
	"fmt"

	"orbitbench/engines"
)

// Close makes every record durable, whatever the class, notes in the log that it was
// closed, and releases its files. A log that has failed is only released, and
// Close returns the failure. A second Close returns engines.ErrClosed.
func (l *Log) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return engines.ErrClosed
	}
	l.mu.Unlock()
	err := l.Sync()
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return engines.ErrClosed
	}
	l.closed = true
	for l.commit.busy {
		l.room.Wait()
	}
	l.room.Broadcast()
	l.mu.Unlock()
	// The one whom the last flush woke to lead has found the log closed and led no
	// other; those who sleep beside it, the flusher perhaps, must see that too.
	for i := range l.commit.queues {
		l.commit.queues[i].Broadcast()
	}

	l.stopFlusher()
	close(l.prep.stop)
	<-l.prep.done
	if err == nil {
		err = l.writeClosed()
	}
	return errors.Join(err, l.releaseAll())
}

// writeClosed writes the last records, if any came after Close's sync, and the
// header which says that nothing follows them.
func (l *Log) writeClosed() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f := l.failure.Load(); f != nil {
		return f.err
	}
	if !l.mapped && l.commit.pending.Load() > 0 {
		l.commit.busy = true
		l.flushLocked()
		l.mu.Lock()
	}
	if l.mapped {
		for _, s := range append(l.sealed, l.active) {
			// A mark does not count as unsynced, but the header that says where
			// the log ends must not be on the device before it.
			if !s.unsynced && s != l.active {
				continue
			}
			if err := s.file.Sync(); err != nil {
				l.fail(err)
			}
		}
	}
	if f := l.failure.Load(); f != nil {
		return f.err
	}
	l.durable.Store(uint64(l.next - 1))
	h := segmentHeader{
		ordered: !l.mapped, closed: true, epoch: l.active.epoch, size: l.active.size,
		closeSeq: l.next - 1, closeEnd: l.pos,
	}
	if err := l.filer.writeHeader(l.active, h); err != nil {
		return fmt.Errorf("close log: %w", err)
	}
	if l.filer.synced {
		return nil
	}
	if err := l.active.file.Sync(); err != nil {
		return fmt.Errorf("close log: %w", err)
	}
	return nil
}

// releaseAll closes every file.
func (l *Log) releaseAll() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var err error
	all := append(append([]*segment(nil), l.sealed...), l.free...)
	for _, s := range append(all, l.active, l.prep.ready) {
		if s != nil {
			err = errors.Join(err, s.release())
		}
	}
	return err
}
