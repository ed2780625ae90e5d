// Package bench is the program behind `make bench`: it measures what one
// renewal costs, engine beside engine, and judges the speed targets.
//
//  1. [Options] name engines, durability classes, writer counts, actor counts
//     and targets; they expand into points, each one line of output a round
//     (point.go).
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
//  5. Ratios are taken within a round, against the floor, the ideal, Pebble and
//     the sharded map of the same round (ratios.go), and printed with the
//     figures in Go's benchmark format once the round is complete, so that an
//     interrupted run keeps whole rounds (print.go).
//  6. At the end each target is shown with the median of its ratio over the
//     rounds and their range (targets.go, table.go).
//
// One thing is not what `go test -bench` would print: names carry no -N suffix,
// and B/op and allocs/op count the whole process in the slice, background work
// of the engine included.
package bench
