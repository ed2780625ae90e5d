// Package restore makes a store from a snapshot of it, durably and as a whole.
//
//  1. The target must not exist, or be an empty directory; nothing is ever
//     written over.
//  2. The snapshot is verified before anything is made of it: by the engine's
//     Verifier, or, where it has none, by opening a copy and reading every
//     record, since opening may change what is opened. Damage is a
//     *engines.CorruptError, with the file and, where it is known, the offset.
//  3. Its files are copied into a directory beside the target and synced one by
//     one, then the directories that hold them.
//  4. The directory is renamed to the target, and the parent synced. So a
//     target that exists is whole, whenever the power went; what a crash left
//     behind is a directory ".NAME.restoring-*" that can be removed.
package restore
