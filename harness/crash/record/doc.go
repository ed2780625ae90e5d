// Package record records everything that a store writes, and rebuilds from it
// the states in which a power cut could have left the disk.
//
//  1. A [Stage] is a place for the store of a worker process. [NewFileStage] serves
//     a directory over FUSE: every write, truncation, rename, fsync and the like
//     is an [Op] of its journal. [NewBlockStage] serves a disk image over FUSE, puts a
//     loop device on it and a real file system on that: its journal holds writes of
//     4 KiB units, and FSYNC of the image is the flush of the device.
//  2. One counter stamps all: an operation takes a stamp when it begins and one when it
//     ends, and [Stage.Now] takes one for whatever the caller has to order against
//     them, such as an acknowledgement.
//  3. A model says from when on an operation is durable: "posix" (data by fsync of the
//     file, a directory entry only by fsync of the directory, everything else lost in any
//     subset), "ext4" (metadata in one ordered journal, which any fsync commits; what a
//     rename replaces is not lost before the new data is there) or "disk".
//     A write counts as durable only if it had ended before a sync began that had
//     itself ended before the crash. What was pending when a sync failed is never
//     made durable by a later one: the kernel tells of such an error once.
//  4. [Recording.States] chooses crash points (creation, truncation, rename and unlink more often
//     than the rest) and at each what of the pending operations is lost: every
//     subset where few are pending, else none, all, suffixes and random subsets; and torn
//     writes. States of equal content are given out once, unless the caller's stamps lie between them.
//  5. [Recording.Materialize] makes a directory of a state: a tree of files, or a fresh image on
//     a fresh loop device, mounted.
//
// What it over-estimates: a FUSE server is not told the range of a sync, so that
// msync of one page, or a write with O_DSYNC, makes the whole file durable; and syncfs and
// sync do not reach it at all.
package record
