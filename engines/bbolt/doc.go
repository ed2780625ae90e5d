// Package bbolt adapts bbolt (go.etcd.io/bbolt), the copy-on-write B+ tree of
// etcd, to the contract of package engines.
//
//  1. A store is one file, bbolt.db, with a bucket for each keyspace and one
//     more for the adapter's version state. A value is the version followed by
//     the caller's value.
//  2. A commit is one write transaction, as Update makes it: versions are read,
//     conditions judged and records written inside it. bbolt has one writer at
//     a time, so no latches are needed, and commits do not share syncs: each
//     writes its pages, syncs, writes the meta page and syncs again.
//  3. Readers and views are read transactions on the memory-mapped file. A view
//     keeps the pages of its moment from being reused. The mapping is made
//     larger than the file will be, so that growing never waits for a view.
//  4. Class process sets NoSync: pages and meta page still reach the kernel
//     with pwrite before a commit is acknowledged, in order, and survive a
//     kill -9. After a power cut such a store may be unreadable, not only
//     older: the order of pages and meta page on the device is what the syncs
//     give. That is why there is no class interval, and why none is the same as
//     process here (bbolt keeps nothing of a commit in memory).
//  5. bbolt goes on after a failed sync. The adapter does not: the engine has
//     then failed until it is opened again. Panics about damaged pages, and
//     faults of the mapping, become engines.ErrCorrupt, with one exception: a
//     store without a synced freelist (no_freelist_sync) is walked on opening
//     by a goroutine of bbolt's own, whose panic about a damaged page ends the
//     process. Driver.Verify finds such damage without that risk.
package bbolt
