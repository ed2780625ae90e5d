// Package meta is the META file of an in-house store: what makes a directory a
// store of one engine, and the proof that no version is ever assigned twice.
//
//  1. A [Format] names the engine: its magic, format number and shape. [Format.Read]
//     reads META; a directory without one is no store yet.
//  2. A [Keeper] holds the META of an open store. [Keeper.Reserve] is called once by
//     Open, when the highest version that recovery met is known.
//  3. Before an engine assigns a version it compares it with [Keeper.Ceiling], and calls
//     [Keeper.Raise] if it is above: under the classes that may lose acknowledged
//     commits, no version is assigned that a later Open could not know to be used.
//     Under class sync the ceiling is never met: the log is the proof.
//  4. [Keeper.Close] notes a clean end and where the log ended.
//
// # META
//
// Little endian, 52 bytes, replaced as a whole (META.tmp is written, synced and renamed):
//
//	 0        8        12        16          24             32        40         48      52
//	+--------+--------+---------+-----------+--------------+---------+----------+-------+
//	| magic  | format | shape   | hash seed | version base | ceiling | last     | crc32c|
//	+--------+--------+---------+-----------+--------------+---------+----------+-------+
//
//	field         type   meaning
//	magic         8 B    names the engine
//	format        u32    number of the store's format
//	shape         u32    a number fixed by the format, such as its stripes
//	hash seed     u64    seed of the key hash; fixed when the store is made
//	version base  u64    every version assigned from now on is above it
//	ceiling       u64    no version above it was assigned since the store was opened, or 0
//	                     if it was closed, or opened under class sync: then the log is the proof
//	last          u64    highest log record number when the store was last closed, 0 if it never was
//	crc32c        u32    CRC-32C (Castagnoli) of the bytes before it
package meta
