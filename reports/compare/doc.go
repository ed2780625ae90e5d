// Package compare says whether one run is worse than another, by one rule.
//
//  1. Two run directories come in. What is damaged or missing is an error that
//     names its file. Runs of different machines, workloads, classes, engine
//     configurations or schemas are refused (refuse.go), unless that is forced,
//     and then the result says so.
//  2. The trials of each engine, workload and durability become figures
//     (figures.go): one value a trial. Trials that the machine has voided are left out.
//  3. Times are judged by statistics (judge.go): a difference counts if it is
//     significant over the family of gated figures, its interval excludes no change, and it
//     exceeds both the margin and twice what this machine differs from itself by
//     (noise.go). Anything else is equivalent, if the interval lies within the margin, or inconclusive.
//  4. Counts, which do not depend on time, are judged by their values (counts.go);
//     they are always gated. Losses and broken promises of the head are violations.
//  5. A [Result] goes out, with an exit code, as text, Markdown, JSON or JUnit.
//
// The package is deterministic: the intervals are drawn from a fixed seed.
package compare
