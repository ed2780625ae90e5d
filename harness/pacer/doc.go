// Package pacer offers operations at a rate, whether or not earlier ones are done.
//
//  1. A [Schedule] gives every operation its due time: fixed gaps, or a Poisson process.
//  2. Workers call [Pacer.Take] for the next operation and get its number and
//     due time. Operations that are due already are taken by advancing one
//     atomic cursor.
//  3. When nothing is due, one worker becomes the leader: it sleeps until
//     shortly before the next due time, spins until it has come, and runs the
//     operation itself. The others sleep. A worker that takes an operation
//     wakes one other to lead while it is busy.
//
// A worker that waits for its own due time starts at most a clock reading late.
// A dispatcher thread that hands operations to sleeping workers, which was
// tried first, adds the wake-up of a thread to every latency (20 us on a
// virtual machine), and its spinning takes a processor away from the engine at
// every rate; the leader spins only while nothing else is to be done, and
// yields to whatever else is ready to run.
//
// Three figures say whether the offered load was real. Lag is how long after
// its due time an operation started although a worker was free: the pacer's
// own fault, to be held against the latencies. What is late because every
// worker is busy is the engine's, and shows as latency only. Operations that
// find too many waiting before them are dropped and counted, and so are those
// that nobody had started when time was up.
package pacer
