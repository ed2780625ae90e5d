// Package lmdb adapts LMDB (C, through a small shim of our own) to the contract
// of package engines. It needs the build tag lmdb, cgo and liblmdb (Debian:
// liblmdb-dev); without them the package builds all the same, describes the
// engine, and Configure and Open return ErrUnsupported with the reason.
//
//  1. A store is LMDB's data.mdb and lock.mdb and a LOCK file of the adapter,
//     which keeps a second process out: LMDB itself would let it in. Each
//     keyspace is a named database, and one more holds the version state. A
//     value is the version followed by the caller's value.
//  2. LMDB has one writer at a time, and a write transaction belongs to the
//     thread that began it. So the adapter has a writer lock of its own, judges
//     a batch in Go by what it reads, and hands over what follows from it to one
//     C call that begins, carries out and commits the transaction. A renewal is
//     one call in all: get, check, patch, put, commit.
//  3. Readers and views are read transactions on the memory map. Beginning one
//     costs a slot in a table; the adapter keeps a list of transactions that
//     have theirs and renews one for each read, in the same call.
//  4. Class sync is LMDB's default: a commit writes its pages, syncs them, and
//     writes the meta page through a descriptor that syncs. Class process sets
//     MDB_NOSYNC: pages and meta page reach the kernel before a commit is
//     acknowledged and survive a kill -9; a power cut may leave the store
//     unreadable, not only older, so there is no class interval. None is the
//     same as process.
//  5. LMDB trusts its file. Its pages have no checksums, and a damaged one can
//     end the process (an assertion of the library, or a fault in C, which Go
//     cannot catch). A file that is too short is told before it is mapped into
//     trouble; Driver.Verify finds the rest without the library (verify.go).
package lmdb
