// Package sqlite adapts SQLite (C, through a small shim of our own) to the
// contract of package engines. It needs the build tag sqlite, cgo and
// libsqlite3 (Debian: libsqlite3-dev); without them the package builds all the
// same, describes the engine, and Configure and Open return ErrUnsupported with
// the reason.
//
//  1. A store is sqlite.db with its write-ahead log (sqlite.db-wal) and the index
//     of that (sqlite.db-shm), and a LOCK file of the adapter, which keeps a
//     second process out: SQLite itself would let it in. Each keyspace is a
//     table (k BLOB PRIMARY KEY, r BLOB) WITHOUT ROWID, one B-tree; one more
//     holds the version state. r is the version followed by the caller's value.
//  2. There is one writer at a time, with a connection of its own. A batch is
//     judged in Go by what that connection reads, and what follows from it is
//     handed over to one C call that begins, carries out and commits the
//     transaction with prepared statements. A renewal is one call in all.
//  3. Readers have connections of their own, which are kept in a list: a read is
//     one call. A scan or a view holds one until it ends; a view is a read
//     transaction.
//  4. Class sync is journal_mode=WAL with synchronous=FULL: each commit syncs the
//     log. Class process is synchronous=NORMAL: the log is written to the kernel
//     before a commit is acknowledged, and synced by checkpoints only. Class
//     interval is the same with a sync of the log twice per window by the
//     adapter; frames of the log carry checksums, so what a power cut leaves is
//     a prefix. Class none is synchronous=OFF.
//  5. After an error of the device the engine has failed until it is opened
//     again. SQLite's pages have no checksums: Driver.Verify finds what breaks a
//     tree or a record.
package sqlite
