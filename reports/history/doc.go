// Package history finds where the figures of many runs have changed.
//
//  1. Run directories come in, in any order; they are put in the order of their
//     beginning. Runs of another machine than the newest are refused, unless forced.
//  2. For each engine, workload and durability each figure (the p50 and p99 of
//     renewals, or what is asked for) becomes a series: the median over the trials of each run.
//  3. Change points are found by E-divisive with a permutation test, on the
//     logarithms, so that a change counts by its ratio.
//  4. A [Result] goes out as a table, JSON and charts.
package history
