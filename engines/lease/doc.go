// Package lease holds the domain records of an actor system's directory and
// their binary form.
//
//  1. A [Key] names an actor; its bytes are the record's key in keyspace Leases.
//  2. A [Lease] says which node holds the actor and until when. Its bytes begin
//     with a head of fixed offsets (format.go), so that a renewal changes 20
//     bytes in place ([Renewal.Patch]) and never parses the record.
//  3. [Node], [Snapshot], [QueryEntry] and [Point] are the records of the
//     other keyspaces.
//
// Time is an argument everywhere, in nanoseconds since the Unix epoch: nothing
// in this package reads a clock. Versions are not part of the bytes: the engine
// assigns and keeps them. The package imports the standard library only.
package lease
