// Package actorstore is the engine made for actors: a store for each of their
// patterns over one log, so that a batch across all of them is still one record.
//
//  1. Open checks the log behind the newest checkpoint; records are read, from both, when they
//     are asked for ([Driver.Open], recover.go, load.go, package image).
//  2. Leases are records of a striped index in memory (package index), outside the
//     Go heap. A renewal finds its lease, checks version and expiry, patches the
//     head in place, and is a delta of 32 bytes for the log.
//  3. Under class interval renewals are not logged one by one: the delta is noted in
//     a list of the stripe, and a second renewal of the lease changes it there. Every
//     half window a round logs the lists and syncs the log. A batch logs the lists of
//     its stripes first, so that the log has no commit before one that it builds on.
//     When a round is late, acknowledgements are held back (index/lazy.go).
//  4. Nodes, the index records beside them and actor snapshots are plain records of
//     the same index.
//  5. The query cache is records that vanish: when their TTL is over, and oldest
//     first when they outgrow their bound (cache.go). Info declares it.
//  6. Points of time series begin as records. A checkpoint seals them into
//     compressed blocks, some 10 bytes a point (block.go, seal.go); reads look into the
//     index first and then into the blocks, and scans merge both (series.go, scan.go).
//     A sealed point can be put again, and is then a record once more; none can be
//     deleted. Info declares it.
//  7. Under class sync a commit waits for the log without a lock, and is pending
//     until the log is durable: readers see the record as it was. In the other
//     classes a commit is visible at once.
//  8. A checkpoint copies the stripes and the blocks while writers go on
//     (checkpoint.go). Then older log segments are reused or removed.
//  9. Versions are never assigned twice, also not in the classes in which a crash
//     loses acknowledged commits (package meta).
//
// # What a crash may lose
//
// Class sync: nothing that was acknowledged. Class process: nothing to kill -9, to a
// power cut whatever the kernel had not written back. Class interval: to kill -9 and power cut
// alike, renewals acknowledged within the last window, and to a power cut whatever else was
// acknowledged within it. Class none promises nothing.
//
// A renewal that is lost leaves the lease with an expiry that is older than the
// acknowledged one, and never with a newer one. Whoever holds that lease learns of it
// by ErrConflict when it renews next; if another node is granted the lease before, its version is above
// every one that was acknowledged, because versions jump after an unclean stop. The version is
// what fences; the expiry alone does not.
//
// FORMAT.md describes every byte on disk, and what a crash can leave.
package actorstore
