// Package crash kills engines, cuts their power and judges what is left by what
// was acknowledged: the same worker, the same oracle and the same verifier for
// every engine, whatever language it is written in.
//
//  1. A worker process ([WorkerMain]) opens an engine and commits what a [Load]
//     says: leases that are acquired, renewed and released, pairs of records in
//     different keyspaces, bulk batches, points, values of 64 bytes to 16 KiB.
//     Before a commit it says I, after it A with the versions that were granted,
//     and it goes on only when it was answered: so each has an exact place in the
//     [History], beside the stamps of everything that was written.
//  2. A [Method] makes the crash: kill -9 in place ([Kill]), or states that a power
//     cut could have left, rebuilt from a recording (package record).
//  3. A verifier process ([VerifierMain]) opens what is left, dumps it, writes,
//     closes, opens again and dumps again. It has a time limit, and it may die: both
//     are outcomes. One process serves many states.
//  4. The oracle ([Judge]) compares the dump with a [Model] of the history: named
//     invariants, each a pure function, each tested with histories that break it.
//  5. A [Suite] runs cells of engine, method and durability class, and saves what
//     it takes to see each failure again ([Replay]).
package crash
