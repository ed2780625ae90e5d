// Package clock reads time for the harness: one monotonic reading gives both
// the latency of an operation and the wall time that a lease needs.
package clock

import "time"

// Clock counts from the moment when it was made. It is safe for concurrent use.
type Clock struct {
	begin time.Time
	wall  int64 // of begin, ns since the Unix epoch
}

// New returns a clock that begins now.
func New() Clock {
	now := time.Now()
	return Clock{begin: now, wall: now.UnixNano()}
}

// Now is the time since the clock began, in ns. It never goes back.
func (c Clock) Now() int64 { return int64(time.Since(c.begin)) }

// Wall is the wall time, in ns since the Unix epoch, at a reading of Now. It
// follows the monotonic clock: a step of the system's time does not reach it.
func (c Clock) Wall(now int64) int64 { return c.wall + now }

// Begin is the time at which the clock began.
func (c Clock) Begin() time.Time { return c.begin }
