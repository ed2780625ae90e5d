// Package wal is the write-ahead log of the in-house engines. FORMAT.md has the
// bytes; this is the story.
//
//  1. [Open] reads the segments, hands every record to the engine, tells a torn tail
//     from damage, and goes on behind the last whole record.
//  2. [Log.Append] gives a record its number and copies it: under classes Interval and
//     Sync into a buffer, under None and Process into a shared mapping of the segment,
//     which survives kill -9. One short lock; the payload's checksum is outside it.
//  3. [Log.Wait] makes it durable. Class Sync is group commit: the first waiter leads, lets
//     the others append until the group is complete, swaps the two buffers and writes
//     one of them with one system call of its own, O_DIRECT|O_DSYNC, while
//     appends go on in the other one. Where direct IO is refused it is pwrite + fdatasync
//     (Log.Direct and Logf say so). Class Interval has a goroutine that
//     flushes every half window; the others return at once.
//  4. A full segment is sealed, and the next one, prepared in the background, is taken.
//  5. After a checkpoint the engine calls [Log.Rotate] and [Log.DropBefore], and dropped
//     segments are recycled. The log is then bounded by what is written between checkpoints.
//     [Log.Upkeep] has the engine make one when the log has grown; a [Config] is what users choose.
//  6. [Log.Close] notes a clean end; [Verify] and [Dump] read a closed log.
//
// After a failed write or sync the log is failed for ever: nothing that waits is acknowledged,
// and every call returns engines.ErrFailed until the log is opened again from disk. A disk without
// room for a segment is engines.ErrFull: nothing is lost, and a later Append tries again.
// To keep a small thing durable under the weaker classes (a reserved range
// of versions, say) engines use vfs.WriteFileAtomic.
//
// # What was tried for group commit
//
// Two cores, one 4 KiB direct write about 0.1 ms, variants interleaved in one run:
//
//   - Plain leader and follower, without gathering: half the groups are half full. 0.6x of the
//     throughput at 8 writers, 0.4 to 0.6x at 64. Gathering at most 0.3, 0.6 or 1.0 of the mean sync
//     makes no difference that can be told from noise; 0.6 is kept.
//   - RawSyscall for the write, which keeps the processor of the Go scheduler: 1.4 to 1.6x slower
//     at one writer on a busy machine, and it stops the garbage collector. Rejected.
//   - A flusher goroutine of its own costs a wake-up of one thread per flush. Rejected: the leader
//     writes.
//   - Waiters on one sync.Cond: each woken goroutine takes the mutex again, and those of
//     the next group wake for nothing. Two queues by parity of the flush, whose Locker does
//     not lock again, avoid both. A channel per group would allocate.
//   - A sync.Mutex for the log, or spinning for only 0.1 us: 0.83 of the ideal at 8 writers instead
//     of 0.89, see spin.go. A gathering leader that looks at the count for a while between
//     yields: no difference.
//   - GOMAXPROCS=1: 0.93 of the ideal at 8 writers and 0.65 at 64, against 0.89 and 0.5 to 0.6 with
//     two: waking and feeding a second thread costs more than it brings while a commit takes
//     less than 1 us of CPU, as on the bare log. Nothing was found that tells the
//     scheduler so.
//   - At 64 writers the trace shows the second processor serving the leader that gathers, which the Go
//     scheduler runs again before it steals the work of others: 64 commits take 130 us, one after the
//     other. A large group without such a leader (the one who completes it leads, a timer for the case
//     that nobody does) is shared by both, but waking the second one takes 40 to 60 us here and an idle
//     timer is 1 ms late: no gain in six interleaved rounds. A waiter that stays awake through the write,
//     to wake half of the others, makes the write itself 3 to 4 times slower on a virtual machine whose
//     host serves the disk with the same cores. Rejected, both.
//   - Append and Wait of a commit under one hold of the lock instead of two: no difference in three
//     interleaved rounds at 64 writers.
//   - Where the time of a commit goes at 64 writers, on a disk of constant speed
//     (BenchmarkRenewGroup of package appendlog): with GOMAXPROCS=1 a commit costs 1.1 us beside the write if
//     the leases fit the cache (1 k) and 2.4 us if they do not (100 k); with two processors it is 2 to 3 and
//     4.7 us. So half of it are cache misses of the index and the caller's keys, and the second
//     processor doubles the price instead of halving it. (On a machine that others used: the
//     ratios count.)
//   - The bound of the gathering without commitCPU: 1.11 flushes by commit times writers at 64 writers
//     instead of 1.04; throughput is the same within the noise.
//   - fdatasync of the mapping for class Interval: it writes the whole prefaulted segment and
//     write-protects its pages, 0.9 us per record. Buffers and direct writes: 0.25 to 0.6 us.
package wal
