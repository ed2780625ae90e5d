// Package clock reads time for the harness: one monotonic reading gives both
// the latency of an operation and the wall time that a lease needs.
package clock

import (
	"time"
	_ "unsafe" // for go:linkname
)

// nanotime is the runtime's monotonic clock. time.Since reads the same clock
// and costs a third more, which is a tenth of all that the harness may cost an
// operation. The runtime keeps this name for the packages that link to it.
//
//go:linkname nanotime runtime.nanotime
func nanotime() int64

// Clock counts from the moment when it was made. It is safe for concurrent use.
type Clock struct {
	begin time.Time
	mono  int64 // of begin, on nanotime
	wall  int64 // of begin, ns since the Unix epoch
}

// New returns a clock that begins now.
func New() Clock {
	now := time.Now()
	return Clock{begin: now, mono: nanotime(), wall: now.UnixNano()}
}

// Now is the time since the clock began, in ns. It never goes back.
func (c *Clock) Now() int64 { return nanotime() - c.mono }

// Wall is the wall time, in ns since the Unix epoch, at a reading of Now. It
// follows the monotonic clock: a step of the system's time does not reach it.
func (c *Clock) Wall(now int64) int64 { return c.wall + now }

// Begin is the time at which the clock began.
func (c *Clock) Begin() time.Time { return c.begin }
