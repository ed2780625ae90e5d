// Package aa asks what this machine can tell apart: it compares an engine with
// itself, and with itself slowed down by a known share.
//
//  1. A trial is a cell of a run, short and in this process: open, load, warm up,
//     measure, close, reopen, check. Its figure is the p50 of renewals.
//  2. Each block of a repetition has four trials in an order drawn anew: the
//     engine as base, as head and as the control that tells the noise, and the
//     engine with a delay in every call (slow.go). The delay is calibrated to the share of the p50 that was asked for; it is
//     work and not sleep, so that it takes the processor like slower code would.
//  3. A repetition compares the trials of its blocks by the rule of METHOD
//     (compare.go): the engine with itself, which must show nothing, and with its
//     slower self, which must be found, unless what the engine differs from
//     itself by is too much to tell.
//  4. [Result] counts how often each happened.
package aa
