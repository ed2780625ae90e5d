// Package snapshot writes one large file so that it is there in whole or not at all,
// and reads it back with every byte checked.
//
//  1. [Create] opens name.tmp, through direct IO where the file system has it:
//     a checkpoint then neither fills the page cache nor makes the log wait behind
//     a long fsync.
//  2. [Writer.Append] collects records into chunks. A record is never split, so each chunk
//     can be decoded by itself, on any core.
//  3. [Writer.Commit] writes the index of the chunks and the footer, syncs, renames
//     name.tmp to name and syncs the directory. Only then does the snapshot exist.
//     Whoever crashes before leaves a name.tmp, which [RemoveTemporary] clears away.
//  4. [Open] checks header, footer and index; [Reader.Chunk] checks one chunk.
//
// What stands in records and in the metadata is the owner's affair; the owner's
// format tag is kept in the header, and a file of another owner is refused.
package snapshot
