// Package damagetest runs an in-house engine on a file system that fails, that is
// full, or that gives back other bytes than were written.
//
//  1. Faults (faults.go): an operation of the file system fails while the engine
//     commits, takes a checkpoint or opens. What was acknowledged stays, what was not is
//     refused as a whole, and the engine says which error it was.
//  2. Limits (bounded.go): whatever is written, the log stays in proportion.
//  3. Damage (hurt.go, damage.go): [Fill] makes a store with every kind of record,
//     bits of its files are flipped, sectors zeroed, ends cut off, files removed. A
//     judge, [Judge] or the engine's own, says whether the store told, and fails the test
//     if it gave wrong data.
//
// Comparisons are of whole stores ([Contents]), versions included.
package damagetest
