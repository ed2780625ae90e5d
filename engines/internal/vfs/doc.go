// Package vfs is the small file system interface that the in-house engines
// stand on, so that the same code runs on a disk, on a memory that can crash,
// and on a disk that fails on purpose.
//
//  1. [OS] is the operating system (Linux): pread, pwrite, fdatasync, fsync of
//     directories, O_DIRECT and O_DSYNC, fallocate, shared mappings, flock.
//  2. [Mem] keeps everything in memory and models what a power cut leaves: what
//     was written but not synced, and names whose directory was not synced, may
//     be there or not, in whole or in 512-byte sectors. It makes crash states.
//  3. [Faulty] wraps another FS and fails operations as told: EIO once or for
//     ever on write, sync or read, ENOSPC, short writes.
//  4. [WriteFileAtomic] and [ReadFile] hold small side files.
//
// What the interface promises about durability is what Linux promises: WriteAt
// is durable after a Sync that began after it returned, or at once if the file
// was opened with DSync; a name is durable after SyncDir of its directory.
package vfs
