// Package index holds the records of an in-house engine in memory, outside the
// Go heap, and commits changes to them through the engine's log.
//
//  1. The engine makes an empty [Index], tells it what a snapshot has ([Index.SetImage]) and
//     replays its log over that ([Dealer]), on every processor (deal.go, replay.go).
//     The records of a stripe come into memory when they are needed, or when
//     [Index.LoadAll] gets to them; until then it keeps what the log says of them (image.go).
//  2. [Index.Start] gives the index a [Journal], which encodes and logs what is
//     committed, and the range in which versions may be assigned.
//  3. The index is 256 stripes, each a lock and an open-addressing table. A
//     record has an id by which the log names it: the stripe, and a number within
//     it. A renewal finds its lease, checks version and expiry, logs a [Delta] and
//     lets go of the lock (renew.go). A batch locks its stripes in order, judges
//     its conditions, plans its operations and is logged as one record (commit.go).
//  4. Under class sync a commit waits for the log without a lock. Until the log
//     is durable the commit is pending: readers see the record as it was, writers
//     of the same record wait for the outcome. Whoever meets a pending commit
//     that has become durable makes it visible (publish.go). In the other
//     classes a commit is visible at once, and acknowledged when the log says so.
//  5. Scans use an ordered set per keyspace that is built when the keyspace is
//     scanned for the first time (order.go): the first scan sorts the keyspace, a
//     later one costs what it reads. Renewals never touch these sets.
//  6. A [View] keeps the records that change after it was opened (view.go).
//  7. An [Imager] reads a stripe bit by bit for a snapshot while writers go on
//     (copy.go), and gives its records out as blocks, which is how they lie in memory (block.go).
//
// What can be waited for under a stripe's lock: what the journal waits for, which
// is room in the log's buffer and the next segment. Neither is the rule; no commit holds
// a lock until it is durable.
package index
