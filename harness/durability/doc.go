// Package durability finds out whether an engine keeps the promise of its
// durability class, by looking at the system calls that it makes between a
// commit's beginning and its acknowledgement.
//
//  1. [Verify] starts this program as a tracer ([PassVerb]), and that one starts
//     it once more as a worker ([WorkerVerb]). The worker puts a seccomp filter
//     before itself, so that ptrace stops it, in whatever thread, at the calls
//     that write or sync and at no others; neither needs to be root.
//  2. The worker opens the engine, commits with one writer and then with
//     several, and says before each commit and after each acknowledgement so on
//     a descriptor of its own. That is a traced call too: every acknowledgement
//     has an exact place in the order of calls.
//  3. Each commit carries bytes of its own (a [marker]). The tracer looks for
//     them in what is written, and, where an engine stores into a shared mapping,
//     in the page cache at the moment of the sync: so it knows which file holds
//     the commit, where, and since when.
//  4. The judge follows each commit: written to a file, covered by a sync of that
//     file (or of that range) which began afterwards and succeeded, acknowledged.
//     Class sync wants this order. Class interval wants the sync within its
//     window after the acknowledgement. Class process wants that the bytes have
//     left the process before it. Class none promises nothing.
//  5. A commit whose bytes are found nowhere (a format that packs or encrypts
//     them) is judged by order alone: some write to the store after its
//     beginning, and a sync of that file after that. The result says how many
//     were judged how.
//  6. The verdict is proven, not proven (with what could not be seen) or
//     "acknowledges before its promise".
//
// What it cannot see: whether the device keeps what it was given (a power cut
// shows it), whether the directory entry of a new file is durable (the crash
// suite shows it), and writes through io_uring, which it reports as not proven.
package durability
