// Package engines is the contract between a persistence engine and everything
// that drives one: the harness, the directory, the conformance suite and the
// crash suite.
//
// The story in order:
//
//  1. A [Driver] describes an engine before any file exists: its name, the
//     durability classes it can honour, the options it takes ([Info],
//     [Driver.Configure]).
//  2. [Driver.Open] turns [Options] into an [Engine]. The durability class is
//     fixed for the life of the engine; it names the failure that an
//     acknowledged commit survives ([Durability]).
//  3. Writers fill a [Batch] with operations and version conditions and hand
//     it to [Engine.Apply], which commits all of it or nothing.
//  4. Readers use [Engine.Get] and [Engine.Scan].
//  5. What only some engines can do is a capability: a small optional
//     interface ([LeaseRenewer], [Viewer], [Snapshotter], [Checkpointer], [Lender],
//     [Spanner]). A caller finds it with a type assertion, and what
//     it does without it is written beside the interface.
//  6. [Engine.Close] makes everything acknowledged durable and releases the
//     directory.
//
// Versions. Every live record has a [Version] which the engine assigns and
// stores outside the value. The next version of an existing record is its
// current one plus one; a record that is created gets a version above every
// version that its key ever had. Versions of a key therefore rise for ever:
// across delete and re-creation, across close and crash. After an unclean stop
// they may jump. A version is a fencing token.
package engines
