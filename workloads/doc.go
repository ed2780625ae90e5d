// Package workloads holds what is asked of an engine: pure generators, without
// a clock and without an engine.
//
//  1. [Params] is a workload in full; a [Preset] is one with a name and a source.
//
//  2. A [Space] is the population that follows from Params and a seed: for each
//     actor its key, its node and the bytes of its lease, all recomputable, so
//     that whoever reads a store back can tell a wrong record from a right one.
//
//  3. Each worker draws its own sequence of [Request]s from its own generator
//     ([Renewal]). The sequence depends on the seed and the worker alone.
//
//  4. Beside the leases stand three stores with a load each: [Nodes], [Queries]
//     and [Series] are their populations, and a [Stepper] draws the steps of one
//     worker (store.go). Params.Store chooses; the rest is as above.
//
// A drawn request says what to do to which actor. Whether it succeeds is for
// the caller to find out: a generator takes it that acquisitions and releases do.
package workloads
