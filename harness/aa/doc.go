// Package aa asks what this machine can tell apart: it compares an engine with
// itself, and with itself slowed down by a known share.
//
//  1. A block is one trial of each of four sides: the engine as base, as head and
//     as the control that tells the noise, and the engine with a delay in every
//     call (slow.go). Every side opens a store of its own, in an order drawn anew,
//     so that where a store lies in memory is noise and no bias (block.go).
//  2. All four stay open and take turns in slices of 2 ms of a closed loop, in an
//     order drawn for each round, so that a phase of the host (another virtual
//     machine, the processor's clock, pages written back) meets all of them.
//     The first quarter of a slice, in which the caches are filled anew, and the
//     first round are not counted. A trial's figure is the median over its slices of the
//     slice's p50 of renewals: no slice is left out. At the end every store is
//     closed, reopened and checked.
//  3. The delay is work and not sleep. It is calibrated to raise the p50 by the share asked for.
//  4. A repetition compares the trials of its blocks by the rule of METHOD
//     (compare.go): the engine with itself, which must show nothing, and with its
//     slower self, which must be found, unless what the engine differs from
//     itself by is too much to tell. Figures are multiples of the control's in the
//     same block, since the pace of the machine differs between blocks.
//  5. [Result] counts how often each happened, and holds the figures.
//
// Rejected: trials one after the other, each a process or a cell of its own. On a
// virtual machine the p50 of the same engine then moved by 20 to 70% from trial
// to trial, and nothing could be told.
package aa
