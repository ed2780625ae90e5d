// Package cell measures one engine under one workload and durability, once, in
// the process that it is called in; [Main] is the body of the child process.
//
// A renewal cell ([Execute], result.KindRenewal):
//
//  1. What the harness itself needs (population, version table) is laid out,
//     and its memory noted, before the engine is opened in a fresh directory.
//  2. load: the residents' leases are stored in bulk, and read back once.
//  3. warmup and measure: the workers run the workload, open loop
//     (package pacer) or closed. Usage of the process is read around measure.
//  4. close, reopen, check: every lease is compared with what was acknowledged.
//
// A renewal presents the version that was last acknowledged for its lease. If
// another writer was faster the outcome is conflict, which is counted and not
// retried. The first error that is no outcome of the protocol ends the cell,
// which is then failed with that error as its reason.
//
// A cell of another store (result.KindNodes and the others, store.go) goes the
// same way with the operations of that store. What its worker draws and lays
// out before an operation is in no latency. A query result that the engine has
// dropped is outcome evicted where the engine declares that it does so, and a
// lost record where it does not.
//
// A recovery cell (result.KindRecovery) starts this program again twice for
// each repetition: a process that loads, renews and is killed while it writes,
// and a process that opens what is left (recovery.go). The overhead kind runs
// the closed loop on an engine that does nothing (overhead.go).
package cell
