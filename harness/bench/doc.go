// Package bench is the program behind `make bench`: it measures what one
// renewal costs, engine beside engine, and judges the speed targets.
//
//  1. [Options] name engines, durability classes, writer counts, actor counts
//     and targets; they expand into points, each one line of output a round
//     (point.go, plan.go). The targets and what they ask are rows.go.
//  2. Every competitor is opened once, in a directory of its own, loaded with
//     its actors and warmed (competitor.go). All stay open to the end.
//  3. A round gives every point one time slice, in an order shuffled anew, and
//     the device floor and the ideal group commit are points like any other.
//     Drift of the machine therefore hits all alike. Before a slice the process
//     is left alone until background work of the competitor before has ended
//     (settle.go).
//  4. A slice is a closed loop of N goroutines with a histogram each (loop.go).
//     Under class sync every operation is timed by itself; under the weaker
//     classes, where a clock reading is a large part of an operation, every
//     sixteenth is.
//  5. A checkpoint has two slices, one in which checkpoints follow each other
//     without a pause and one in which none is asked for (checkpoint.go).
//  6. When these are done and closed, a second section measures what wants a
//     process of its own (apart.go, job.go): opening a store that was killed,
//     or closed, each time from a fresh copy and with its files out of the
//     page cache or in it; reading and checksumming the same files; the garbage
//     collector beside ten million leases; and memory. Times of an opening run
//     from the call of Open to the first lease read. Every lease that is read
//     is compared with what was acknowledged, and the first opening of each
//     point reads them all (of ten million every sixth).
//  7. On request an open loop is measured too, as a cell of a run in a process of
//     its own (openloop.go), and engines beside the benchmarks of their own
//     authors (parity.go).
//  8. Ratios are taken within a round, against the floor, the ideal, Pebble and
//     the sharded map of the same round (ratios.go), and printed with the
//     figures in Go's benchmark format once the round is complete, so that an
//     interrupted run keeps whole rounds (print.go).
//  9. At the end each target is shown with the median of its ratio over the
//     rounds and their range (targets.go, table.go).
//
// The device's writes are counted by the kernel for the whole machine. Where it
// wrote more than this process caused there is no figure, and the reason is told.
//
// One thing is not what `go test -bench` would print: names carry no -N suffix,
// and B/op and allocs/op count the whole process in the slice, background work
// of the engine included.
package bench
