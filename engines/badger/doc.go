// Package badger adapts Badger (github.com/dgraph-io/badger/v4), the LSM tree of
// Dgraph, to the contract of package engines. It needs the build tag badger;
// without it the package builds all the same, describes the engine, and
// Configure and Open return ErrUnsupported with the reason.
//
//  1. One Badger store holds every keyspace: a key is one byte for the keyspace
//     followed by the caller's key, a value is the version followed by the
//     caller's value. The byte 0 leads the adapter's own record, the version state.
//  2. A commit takes the latches of its keys, reads their versions in a Badger
//     transaction, judges its conditions, and hands the transaction over with
//     CommitWith, which puts it in line to be written. Then the latches are
//     freed, and only then is the outcome waited for. A reader, and the next
//     commit to a key, wait for every transaction that was in line before them:
//     Badger shows nothing that is not written, and under class sync synced.
//     Badger's own detection of conflicts is off, the latches do its work.
//  3. Class sync is SyncWrites: the logs are synced before a commit is
//     acknowledged. Class process is Badger's default: records are stored into
//     the shared mapping of the log, and survive a kill -9. Class none is the
//     same. There is no class interval: DB.Sync syncs the log of the memtable
//     that is being filled and not those of memtables that wait to be flushed.
//  4. Views are read transactions; a snapshot is a view written to a store of
//     its own. Badger's Backup reads ranges of keys at times of their own and
//     would tear batches.
//  5. Badger writes its logs through memory maps of sparse files: a full disk is
//     a fault that ends the process, as its users have it.
package badger
