// Package paperlog holds one small, honest engine on real files and the ways to
// break it, so that the crash suite is itself tested.
//
//  1. A store is a directory with three files: CURRENT names a generation,
//     snapshot-N holds every record as it was when generation N began (none for
//     generation 1), log-N what was committed since. format.go has the bytes.
//  2. A commit appends one frame to the log and, in class sync, waits for the
//     device before it is visible or acknowledged. With the option mapped the log is
//     zero-filled ahead, mapped, stored into and synced by msync.
//  3. A checkpoint writes snapshot-N+1 and an empty log-N+1 durably, then lets
//     CURRENT name them (write, sync, rename, sync of the directory), then
//     removes generation N.
//  4. Recovery reads CURRENT, the snapshot and the log. The last frame of a log
//     may be torn by a crash and is cut off; a frame that is damaged although it was
//     durable is an ErrCorrupt: later frames, and CURRENT after a clean close, say
//     how far the log was durable.
//  5. After a failed write or sync nothing is acknowledged until the store is
//     opened again. A full disk refuses the batch.
//  6. A [Flaw] leaves out one of these steps. [All] lists the flaws, what each
//     does, and the methods of the crash suite of which one at least must find it;
//     without a flaw the engine is the control, which none may accuse.
//
// It is slow on purpose: one lock, one system call a commit, a sort for each scan.
package paperlog
