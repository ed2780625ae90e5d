// Package frame is the codec of one record in a log: length, kind, sequence
// number and checksum in 16 bytes before the payload.
//
//  1. A writer computes [PayloadSum] of the payload, which may be done before the
//     record has its place and number, then [Put] writes the header and finishes
//     the checksum over it, and the payload follows, padded with zeros to [Align].
//  2. A reader calls [Parse] at an offset. It gives the record, or says that no
//     record starts there; whether that is the end of the log, a torn tail or
//     corruption is for the reader of the whole log to judge (package wal).
//
// Every record is bound to an epoch, the incarnation of the file it was written
// to: bytes of an earlier incarnation never pass for a record of this one.
package frame
