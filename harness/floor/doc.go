// Package floor measures what the device under a directory takes for one
// durable write, with no engine in between. Every write figure of a run is
// read beside it.
//
//  1. [Open] makes a file of its own in a directory and prepares it: for kind
//     overwrite it really writes zeros over the whole file, because blocks that
//     are merely allocated still cost a journal commit each when first written.
//  2. [Writer.Write] makes one durable write, by the system call that an engine
//     would use, through the Go runtime as an engine would.
//  3. [Writer.Close] frees the file. It lost its name when it was opened, so that
//     a process that is killed leaves nothing behind either.
//  4. [Probe] does the three for a given time and returns the latencies as a
//     [result.Floor].
//
// A figure is only ever what was measured. Where the file system refuses direct
// IO, or keeps nothing on a device at all, there is an error with the reason and
// no figure; the other kind may still be had.
package floor
