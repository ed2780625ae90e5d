// Package record counts times into histograms and turns them into results.
//
//  1. A [Set] belongs to one phase and has one [Recorder] for each worker: a
//     histogram per operation and outcome, for the latency and, where asked,
//     for the service time. Recording takes a few nanoseconds, allocates
//     nothing and shares nothing with other workers.
//  2. Second by second each worker adds its counts of the past second to the
//     Set's [Series], at a moment of its own, so that workers do not queue.
//  3. At the end of the phase the workers' histograms are merged into
//     HdrHistograms, and [ToLatency] writes those down; [FromLatency] reads them back.
//
// The geometry is HdrHistogram's: from [LowestNs] to [HighestNs] with
// [Digits] significant digits. What lies beyond is counted, never clamped. The
// counts live outside the Go heap, so that the harness does not change how
// often the garbage collector of the process under test runs.
package record
