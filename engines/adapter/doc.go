// Package adapter holds what the adapters of established stores share, so that
// each adapter is about its store only.
//
//  1. A record is stored as its version followed by its value ([AppendRecord],
//     [DecodeRecord]): the stores have no versions of their own that a caller
//     could compare, so the adapter keeps one in front of each value.
//  2. A writer takes the latches of every key that it touches ([Latches]), in
//     ascending order so that two batches cannot wait for each other. Between
//     the read of a version and the write that depends on it nobody else
//     changes the key. bbolt, which has one writer at a time, needs none.
//  3. [Scratch.Prepare] judges the conditions of a batch and turns its
//     operations into the records to write, through a [Reader] and a [Writer]
//     of the store.
//  4. [Versions] assigns versions that rise for ever. It persists a ceiling
//     ahead of what it hands out, so that no version is handed out twice even
//     after a crash that lost the records.
//  5. A [Gate] counts running calls, so that Close waits for them, and stops an
//     engine whose store has failed.
//  6. [Flusher] makes an engine without an interval class keep one: it syncs in
//     the background and holds acknowledgements back when it falls behind.
//  7. [Spans] remembers background work for the timeline, [Views] the open
//     views that Close must end, [Counters] the outcomes and the latest Stats,
//     [MapError] the errors of the system.
//  8. [Decode], [Judge], [Within] and [Told] are what every Configure does, [Open]
//     is what every Open does.
//  9. A [Reading] is the store at one point in time: [Scan] goes through one, and
//     [Views.Open] keeps one for a view. [ScanChunks] reads what a scan in C hands over.
package adapter
