// Package image is the file from which an index takes its records: what is in it is
// what is in memory, so that loading a stripe is reading it.
//
//  1. [Format.Write] gathers the stripes one after the other while writers go on, puts
//     their records as blocks into the chunks of a snapshot file, and ends with where each stripe
//     lies and the first tag of each chunk (format.go has the bytes).
//  2. [Format.Open] reads the end alone, in a time that does not depend on how many records there are.
//  3. [File.Image] gives the file to an index, which reads a stripe when it is needed, and before that a
//     single record from the one chunk that may hold it.
//  4. [File.Verify] and [File.Dump] read all of it; [Store.Verify] reads a closed store of images and a log.
package image
