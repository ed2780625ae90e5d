// Package memory keeps every record in sharded Go maps: the reference model of
// the contract and the baseline of every comparison.
//
//  1. [Driver.Open] takes a lock on the directory and raises the generation
//     number in its GENERATION file. Generations make versions rise for ever
//     although the records themselves do not outlive the process.
//  2. A key's hash picks one of 256 stripes. A stripe holds a map for each
//     keyspace under one lock; a batch locks its stripes in ascending order.
//  3. Keys also stand in one sorted list for each keyspace (order.go), which
//     only creation and removal touch, so that renewals stay a map lookup and a
//     patch in place while scans are ordered.
//  4. A view (view.go) costs nothing until a writer changes a record: the
//     writer then leaves the old state in the view.
//  5. [Engine.Snapshot] and the optional disk backup write one file (format.go),
//     which the next Open reads: always when it lies in the directory, so that
//     a snapshot opens as a copy.
//
// Only class None is offered. With enable_disk_backup the state is written
// every sync_interval seconds and on Close; what was committed after the last
// backup is lost with the process, and the versions of restored records then
// jump, so that none is granted twice.
package memory
