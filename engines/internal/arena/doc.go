// Package arena holds records outside the Go heap, so that a store of ten
// million of them gives the garbage collector nothing to scan.
//
//  1. An [Arena] is one reserved range of anonymous memory. [Arena.Alloc]
//     hands out blocks named by a 32-bit [Ref]; freed blocks are kept in a free
//     list per size class and used again.
//  2. A [Table] is an open-addressing hash index from 32-bit tags to refs. It
//     does not know keys: its user compares them. Tables that grow alike share the
//     memory of one [Tables].
//  3. An [Ordered] is an ordered set of refs for range scans: leaves of up to
//     254 refs under one flat root. [Build] makes one from an unordered
//     collection with a sort that touches each key once per eight bytes of it.
//  4. [Hash] is a keyed 64-bit hash whose seed may be stored, unlike hash/maphash.
//
// Nothing here has a lock of its own except the allocator: tables and ordered
// sets belong to whoever guards them. Memory comes from Linux mmap.
package arena
