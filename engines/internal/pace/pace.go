// Package pace makes the background work of a store leave room for commits.
package pace

import "time"

const (
	// grain is how long work goes on between two rests: waking up disturbs those who commit.
	grain = time.Millisecond
	// longest bounds a rest: work that took long may have been kept waiting itself.
	longest = 20 * time.Millisecond
	// quiet is how long a log must not have grown for nobody to be in the way of the work.
	quiet = 50 * time.Millisecond
)

// Pace is the share of the time that a piece of work takes, whether it computes or
// waits for the device: processors, memory and the device are what commits want too. It
// does not rest while nobody commits, nor once the log has grown too long, so that a
// store whose commits outrun its checkpoints stays bounded. It is for one goroutine.
type Pace struct {
	share float64
	log   func() uint64
	bound uint64

	since time.Time // end of the last rest
	last  uint64    // bytes of log then
	grown time.Time // when they were last seen to change, or 0
}

// New returns the pace of work that begins now. share is above 0 and at most 1, which means
// no rest. log returns how many bytes of log there are by some count, and bound is how many end all rests.
func New(share float64, log func() uint64, bound uint64) *Pace {
	return &Pace{share: share, log: log, bound: bound, since: time.Now(), last: log()}
}

// Rest is called by the work now and then, without locks, and may sleep. A nil Pace never does.
func (p *Pace) Rest() {
	if p == nil || p.share >= 1 {
		return
	}
	now := time.Now()
	worked := now.Sub(p.since)
	if worked < grain {
		return
	}
	n := p.log()
	if n != p.last {
		p.last, p.grown = n, now
	}
	if n <= p.bound && now.Sub(p.grown) < quiet {
		time.Sleep(min(time.Duration(float64(worked)*(1/p.share-1)), longest))
	}
	p.since = time.Now()
}
