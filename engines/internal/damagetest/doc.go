// Package damagetest runs an in-house engine on a file system that fails, that is
// full, or that gives back other bytes than were written.
//
//  1. Faults (faults.go): an operation of the file system fails while the engine
//     commits, takes a checkpoint or opens. What was acknowledged stays, what was not is
//     refused as a whole, and the engine says which error it was.
//  2. Limits (bounded.go): whatever is written, the log and the memory stay in proportion.
//  3. Damage (hurt.go, damage.go): bits of the files of closed stores are flipped, sectors zeroed,
//     ends cut off, files removed. The store tells, and never gives wrong data.
package damagetest
