// Package pebble adapts Pebble (github.com/cockroachdb/pebble/v2), the LSM tree
// of CockroachDB, to the contract of package engines.
//
//  1. One Pebble store holds every keyspace: a key is one byte for the keyspace
//     followed by the caller's key, a value is the version followed by the
//     caller's value. The byte 0 leads the adapter's own record, the version
//     state.
//  2. A commit takes the latches of its keys, reads their versions, judges its
//     conditions, and hands one Pebble batch to ApplyNoSyncWait. When that
//     returns the batch is in the log's buffer and visible to readers; the
//     latches are freed, and only then the commit waits for the log to be
//     synced. So no latch is held through a sync, and commits to one key can
//     share a sync. Readers may see a commit that is not durable yet, as always
//     in Pebble (Info.VisibleBeforeDurable). A later commit that builds on such
//     a one is behind it in the log, and is never durable without it.
//  3. Class sync waits for the log. Class process runs the same path on a file
//     system wrapper whose log Sync returns at once: Pebble writes each record
//     to the kernel before it asks for the sync. Pebble's own NoSync would not
//     do, it keeps up to 32 KiB of records in the memory of the process. Class
//     interval commits with NoSync and syncs the log twice per window
//     (WALMinSyncInterval bounds nothing: it delays syncs that were asked for).
//     Class none runs without a log.
//  4. Pebble ends the process when it cannot go on (Logger.Fatalf, and panics
//     in the commit pipeline). The adapter turns this into engines.ErrFailed:
//     the call that met it returns the error, every later call does, background
//     goroutines of Pebble end, and the file system wrapper refuses every
//     further change, so that the store can be opened again from disk. A call
//     that was waiting inside Pebble for a flush at that moment may never
//     return; Close waits two seconds for such calls and then reports them. Their
//     goroutines, and those of Pebble that wait for the same thing, stay until
//     the process ends: they can change nothing, and hold the store's memory.
package pebble
