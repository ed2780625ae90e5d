// Package cowbtree is an engine of copy-on-write B+ trees: one for each keyspace,
// all in memory outside the Go heap, under one table of roots.
//
//  1. Open reads the last checkpoint's meta block and its map of used blocks, and makes the
//     roots stubs: pages are read when somebody first needs them (pagefile.go,
//     load.go). Then it replays the log behind the checkpoint, in order; after a clean close there is
//     nothing to replay, and the log is opened while reads are served (open.go).
//  2. Readers take no lock. They pin an epoch, walk from the table of roots to a
//     leaf and copy one record (search.go, read.go, epoch.go). A node keeps four bytes of each key
//     side by side, so that a search touches a few cache lines.
//  3. Writers take one lock. A renewal finds its lease, checks version and expiry, appends
//     to the log, copies the record and stores its reference into the leaf, which
//     is the moment from which readers see it (commit.go). A batch is one log record; it copies
//     the nodes on its paths, and one store, of the table of roots, publishes it (tree.go,
//     nodes.go, remove.go).
//  4. Under class sync a commit waits for the log without the lock. Until the log is
//     durable it is in a queue: readers see the tree as it was, writers of
//     the same records wait. Whoever comes first afterwards publishes all that is durable, in the
//     order of the log (pending.go).
//  5. A view is a table of roots that somebody keeps. It costs nothing; from then on nodes
//     that it sees are copied before they change, and what leaves the tree is kept for
//     it by generation (views.go, view.go).
//  6. A checkpoint is a view whose changed nodes are written to free blocks of the
//     page file while writers go on; one of two meta blocks makes it the last one,
//     and the log's old segments are dropped (checkpoint.go, pagewriter.go, space.go). Snapshot
//     writes all of a view to a page file of its own.
//  7. Versions are never assigned twice, also not in the classes in which a crash
//     loses acknowledged commits: META holds a ceiling that is raised before a
//     version above it is assigned (package meta). One number, the highest version that a
//     deleted record had, keeps a key that is created again above its past.
//
// What can be waited for under the writer's lock: room in the log's buffer and the
// next segment, which is made ready ahead. Neither is the rule; no commit holds
// the lock until it is durable, and pages are read without it.
//
// Once read, a page stays in memory: the store is as large as the memory.
//
// FORMAT.md describes every byte on disk, and what a crash can leave.
package cowbtree
