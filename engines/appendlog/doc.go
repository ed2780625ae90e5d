// Package appendlog is an engine whose only structure on disk is a log: commits
// are appended to it, and a snapshot taken now and then lets its old part be
// dropped. All records are in memory, outside the Go heap.
//
//  1. Open reads where the newest snapshot and the log behind it have the records of each
//     stripe. The records themselves come into memory after it, in the background, or when they
//     are asked for ([Driver.Open], recover.go, load.go).
//  2. The records are those of an index (package index), which is striped: a
//     renewal finds its lease there, checks version and expiry, appends 48 bytes
//     to the log and lets go of the lock. A batch locks its stripes in order and
//     is one record of the log (serve.go).
//  3. Under class sync a commit waits for the log without a lock, and is pending
//     until the log is durable: readers see the record as it was, writers of the
//     same record wait for the outcome. In the other classes a commit is visible
//     at once, and acknowledged when the log says so.
//  4. Scans use an ordered set per keyspace that is built when the keyspace is
//     scanned for the first time. Renewals never touch these sets.
//  5. A view keeps the records that change after it was opened.
//  6. A snapshot copies the stripes one after the other while writers go on
//     (snapshot.go). Then older log segments are reused or removed, so that the
//     log stays bounded.
//  7. Versions are never assigned twice, also not in the classes in which a crash
//     loses acknowledged commits: META holds a ceiling that is raised before a
//     version above it is assigned (package meta).
//
// What can be waited for under a stripe's lock: room in the log's buffer and the
// next segment, which is made ready ahead. Neither is the rule; no commit holds
// a lock until it is durable.
//
// FORMAT.md describes every byte on disk, and what a crash can leave.
package appendlog
