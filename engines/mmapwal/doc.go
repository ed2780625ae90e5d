// Package mmapwal is an engine whose tables are hash tables in a memory-mapped file,
// with a write-ahead log in front of them. The mapping is the index and the
// records: nothing is loaded when a store is opened.
//
//  1. Each keyspace has a table of its own size, divided into stripes (stripe.go). A stripe has
//     a lock and pages of 4 KiB: slabs with slots of one size, spans for
//     long records (slab.go), index pages of an extendible hash table that grows one
//     page at a time, and a ledger that lists them (ledger.go). A record stays in its
//     place until its value is replaced.
//  2. The mapping is private (table.go): what is stored to it stays in the process; what is added to a table while it is open is plain memory until the next open. The kernel
//     never writes a page that the log does not cover; only checkpoints write.
//  3. A renewal finds its lease, appends 48 bytes to the log that name its
//     place, and patches the first bytes of the record (renew.go). A batch locks its
//     stripes in order and is one record of the log (commit.go).
//  4. Under class sync a commit is pending until the log is durable: readers see the record as
//     it was, writers of the same record wait without a lock. Whoever meets a
//     pending commit that has become durable makes it visible (publish.go). In the
//     other classes a commit is visible at once.
//  5. A checkpoint takes the changed pages as they were at one moment, writes them
//     to a file of their own, and only then to their places, so that a page torn by a crash
//     is written again (checkpoint.go, journal.go). Writers go on meanwhile; the log is cut afterwards.
//  6. Open maps the table and replays what the log holds beyond the last checkpoint, on every
//     processor (recover.go, replay.go). After a clean close that is nothing: the first read is served
//     after a few milliseconds, whatever the size. A page is compared with its
//     checksum when it is used for the first time (sums.go).
//  7. A fault in the mapping, as of a file that somebody has cut short, is an error
//     (guard in table.go) and not the end of the process. The engine then has to be reopened.
//  8. Get copies a value, Lend lends it where it lies. Scans use an ordered set per
//     keyspace, which the first scan sorts (order.go). A view keeps records that
//     change after it was opened (view.go). A snapshot is an exact checkpoint and a copy of the
//     table (snapshot.go).
//
// FORMAT.md describes every byte on disk, and what a crash can leave. Versions are never
// assigned twice (../internal/meta).
//
// # What was decided
//
//   - A shared mapping with msync was rejected: the kernel writes back what it likes when it
//     likes. Under the classes below sync a page can then reach the device before the log that explains it, and a
//     batch of two records can be there in half after a power cut.
//   - Page images in the log instead of a file of their own were rejected: they would go through
//     the write path of commits, and after random renewals there is one for nearly every page.
//   - Renewals do not keep a running checkpoint from taking a page: it may be ahead of the cut by some renewals,
//     which replay tells by their versions. Only what changes the structure leaves a copy of
//     the page as it was, so that a checkpoint under a load of renewals costs hardly any memory.
//   - Pages are handed out by a record in the log. Replay is parallel by stripe and has no other order
//     between stripes; so it must not have to guess which page went where.
package mmapwal
