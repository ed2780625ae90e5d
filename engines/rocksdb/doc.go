// Package rocksdb adapts RocksDB (C++, through its C API and grocksdb) to the
// contract of package engines. It needs the build tag rocksdb, cgo and
// librocksdb 7.8 (Debian 12: librocksdb-dev); without them the package builds
// all the same, describes the engine, and Configure and Open return
// ErrUnsupported with the reason.
//
//  1. Each keyspace is a column family; the default one holds the adapter's
//     version state. A value is the version followed by the caller's value.
//  2. grocksdb opens the store and owns options, column families, snapshots and
//     checkpoints. Reads, writes, renewals and scans go through functions of our
//     own (shim.c) that cross into C once each and allocate nothing in Go: a read
//     copies into the caller's buffer, a write hands over a whole batch in
//     RocksDB's own batch format (batch.go), a renewal gets, checks, patches and
//     writes, a scan takes a buffer full of records.
//  3. A commit takes the latches of its keys, reads their versions, judges its
//     conditions and writes one batch. Commits to different keys run in
//     parallel and RocksDB forms its own write groups, each with one sync of
//     the log. See Config.Commit for what is done with the latches meanwhile.
//     RocksDB's transactions are not used: the optimistic ones hold a mutex
//     through the sync, and both read every key once more.
//  4. Class sync syncs the log before a commit is acknowledged, class process
//     leaves it to the kernel (RocksDB writes each record to the file before
//     it returns), class interval syncs it twice per window, class none runs
//     without a log, with atomic flushes so that batches stay whole.
//  5. The C API of 7.8 has no event listener: flushes and compactions are read
//     from the events in RocksDB's LOG file (events.go).
package rocksdb
