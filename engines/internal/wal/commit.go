package wal

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"orbitbench/engines"
	"orbitbench/engines/internal/frame"
	"orbitbench/engines/internal/vfs"
)

// committer is the write path of the classes Interval and Sync: two buffers and group commit.
// Appends go to buf. The first goroutine that waits for a record of buf becomes
// the leader: it swaps the buffers and writes the one it got, with one system
// call of its own, while appends go on in the other one.
//
// Its fields but cohort are guarded by Log.mu. busy is set while there is a leader.
type committer struct {
	buf, spare *buffer
	busy       bool
	landing    int      // who waits for busy to end: nobody leads meanwhile
	segment    *segment // of buf
	flying     *segment // whose bytes are being written, or nil
	bufBytes   int

	// Waiters sleep on the queue of their flush: that of flush n on queues[n%2].
	queues [2]sync.Cond
	flush  uint64 // number of the flush that buf will be
	start  LSN    // lowest number in buf

	pending atomic.Int64 // records in buf; written under Log.mu, read by a leader that gathers
	last    int64        // records of the last flush plus those that had queued when it ended
	mean    int64        // running mean of a flush in ns
}

// buffer holds the bytes of the log from file offset off, a multiple of
// the block size. What lies before start has been written already: the first block is
// written again with more records in it, the old bytes unchanged.
type buffer struct {
	mem []byte
	off int64
	n   int
}

// unlocker is the Locker of a queue: Cond.Wait lets go of the mutex before it
// sleeps and does not take it afterwards, so that 64 woken waiters do not queue
// up at a lock which they no longer need.
type unlocker struct{ mu *spinLock }

func (u unlocker) Lock()   {}
func (u unlocker) Unlock() { u.mu.Unlock() }

func (c *committer) init(mu *spinLock, bufBytes int) {
	c.bufBytes = bufBytes
	c.buf = &buffer{mem: vfs.AlignedBuffer(bufBytes)}
	c.spare = &buffer{mem: vfs.AlignedBuffer(bufBytes)}
	for i := range c.queues {
		c.queues[i].L = unlocker{mu}
	}
}

// reserve returns size bytes behind the last record, or nil if the buffer has no
// room for them and a seal.
func (c *committer) reserve(size int) []byte {
	b := c.buf
	if b.n+size+int(sealBytes) > len(b.mem) {
		if c.pending.Load() > 0 || c.busy {
			return nil
		}
		b.grow(b.n + size + int(sealBytes)) // a record longer than a buffer
	}
	return b.mem[b.n : b.n+size]
}

func (c *committer) reserveSeal() []byte { return c.buf.mem[c.buf.n : c.buf.n+int(sealBytes)] }

func (c *committer) advance(size int) {
	c.buf.n += size
	c.pending.Store(c.pending.Load() + 1)
}

func (b *buffer) grow(n int) {
	mem := vfs.AlignedBuffer(int(roundUp(int64(n))))
	copy(mem, b.mem[:b.n])
	b.mem = mem
}

// begin makes the buffer continue a segment at pos; tail is what its last block holds.
func (b *buffer) begin(pos int64, tail []byte) {
	b.off = pos &^ (vfs.BlockBytes - 1)
	b.n = copy(b.mem, tail)
}

// Wait returns nil once the record is as durable as the class promises. Class
// Sync: on the device; the caller may be made to write for others. The other
// classes: at once, but that class Interval waits for a flush that is late. Errors:
// engines.ErrFailed, and engines.ErrClosed if the log was closed before.
func (l *Log) Wait(lsn LSN) error {
	if l.durable.Load() >= uint64(lsn) {
		return nil
	}
	if l.o.Class == engines.Sync {
		return l.waitSync(lsn)
	}
	if f := l.failure.Load(); f != nil {
		return f.err
	}
	if l.overdue.Load() {
		return l.waitOverdue(lsn)
	}
	return nil
}

func (l *Log) waitSync(lsn LSN) error {
	c := &l.commit
	l.mu.Lock()
	if lsn >= l.next {
		l.mu.Unlock()
		return fmt.Errorf("%w: wait for log record %d, the next to be appended is %d", engines.ErrInvalid, lsn, l.next)
	}
	for l.durable.Load() < uint64(lsn) {
		if err := l.usableLocked(); err != nil {
			l.mu.Unlock()
			return err
		}
		if !c.busy && c.landing == 0 {
			c.busy = true
			l.gatherLocked()
			l.flushLocked() // lets go of the lock for good
			if l.durable.Load() >= uint64(lsn) {
				return nil
			}
			l.mu.Lock()
			continue
		}
		n := c.flush
		if lsn < c.start {
			n-- // in the flush that is on its way
		}
		c.queues[n%2].Wait() // lets go of the lock
		if l.durable.Load() >= uint64(lsn) {
			return nil
		}
		l.mu.Lock()
	}
	l.mu.Unlock()
	return nil
}

// commitCPU is what a commit costs a writer from being woken to its next Append,
// about, in ns: a large group is late because its writers share the processors,
// which takes the longer the more they are.
const commitCPU = 1000

// gatherLocked lets the others append until the group is as large as can be
// expected: those of the last flush come back with their next commit while those
// that queued behind it wait already. It lets go of the lock meanwhile.
func (l *Log) gatherLocked() {
	c := &l.commit
	target := c.last
	if l.o.Class != engines.Sync || target > int64(l.o.CohortMax) || c.pending.Load() >= target {
		return
	}
	limit := int64(float64(c.mean)*l.o.CohortWait) + target*commitCPU
	l.mu.Unlock()
	begin := l.now()
	for c.pending.Load() < target && l.now()-begin < limit {
		runtime.Gosched()
	}
	l.mu.Lock()
}

// flushLocked writes what buf holds. The caller has set busy. It unlocks.
func (l *Log) flushLocked() {
	b := l.swapLocked()
	l.writeOut(b, l.next-1) // unlocks
}

// swapLocked takes the buffer away for writing and puts the other one in its
// place, beginning with the last, partly filled block.
func (l *Log) swapLocked() *buffer {
	c := &l.commit
	b := c.buf
	tail := b.n &^ (vfs.BlockBytes - 1)
	c.spare.begin(l.pos, b.mem[tail:b.n])
	c.buf, c.spare = c.spare, nil
	c.flying, c.segment = c.segment, l.active
	c.flush++
	c.start = l.next
	l.group = (l.group + 1) & frame.MaxGroup
	l.first = true
	return b
}

// writeOut writes b, the records up to high, and wakes who waits for them. It is
// called with the lock and returns without it.
func (l *Log) writeOut(b *buffer, high LSN) {
	c := &l.commit
	file := c.flying.file
	count := c.pending.Load()
	c.pending.Store(0)
	flush := c.flush - 1
	l.mu.Unlock()

	end := int(roundUp(int64(b.n)))
	clear(b.mem[b.n:end])
	begin := l.now()
	_, err := file.WriteAt(b.mem[:end], b.off)
	if err == nil && !l.filer.direct() {
		err = file.Sync()
	}
	took := l.now() - begin

	l.mu.Lock()
	if err != nil {
		l.fail(err)
	} else {
		l.durable.Store(uint64(high))
		l.stats.Flushes++
		l.stats.Writes++
		l.stats.WrittenBytes += uint64(end)
		c.observe(took)
	}
	if len(b.mem) > c.bufBytes {
		b.mem = vfs.AlignedBuffer(c.bufBytes)
	}
	c.spare, c.flying = b, nil
	c.busy = false
	queued := c.pending.Load()
	c.last = count + queued
	l.room.Broadcast()
	l.mu.Unlock()

	c.queues[flush%2].Broadcast()
	switch {
	case err != nil:
		c.queues[(flush+1)%2].Broadcast()
	case queued > 0:
		c.queues[(flush+1)%2].Signal() // to lead, if it sleeps already
	}
}

func (c *committer) observe(took int64) {
	if c.mean == 0 {
		c.mean = took
	}
	c.mean += (took - c.mean) / 8
}

// makeRoomLocked waits for a flush that empties the buffer, or does it itself.
func (l *Log) makeRoomLocked(size int) {
	c := &l.commit
	if c.busy {
		l.room.Wait()
		return
	}
	c.busy = true
	l.flushLocked()
	l.mu.Lock()
}

// flushSealedLocked writes the sealed end of a segment; appends go on in next.
// rotateLocked has changed l.active and l.pos. It keeps the lock at its end.
func (l *Log) flushSealedLocked(next *segment) {
	c := &l.commit
	c.busy = true
	b := c.buf
	c.spare.begin(l.pos, nil)
	c.buf, c.spare = c.spare, nil
	c.flying, c.segment = c.segment, next
	c.flush++
	c.start = l.next
	l.group = (l.group + 1) & frame.MaxGroup
	l.first = true
	l.writeOut(b, l.next-1)
	l.mu.Lock()
}

// now returns ns since the log was opened, from the monotonic clock.
func (l *Log) now() int64 { return int64(time.Since(l.base)) }
