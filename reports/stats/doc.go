// Package stats holds the statistics by which measurements are told apart.
//
//  1. Trials come in: one figure a trial, never one an operation.
//  2. [MannWhitney] asks whether two sets of trials differ at all, [Holm] corrects
//     its answers for having been asked many times, and [LeastP] says whether so
//     few trials could ever give an answer.
//  3. [PairedInterval] and [Interval] say by how much: intervals of the ratio, by
//     bootstrap from a seed, so that the same results give the same verdict.
//  4. [MedianInterval] is the interval of one set's median without a bootstrap,
//     and [Noise] what trials of the same thing differ by.
//  5. [Decide] is the rule by which a difference counts, [Settle] applies it to a
//     family of them, and a [Contest] is who is best of many by that rule.
//  6. [ChangePoints] finds where a series of many runs has changed its level.
//
// Everything is a pure function of its arguments.
package stats
