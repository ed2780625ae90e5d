package bench

import (
	"fmt"
	"slices"
	"time"
)

// What things take, generously, on the machine where the targets were set. An
// estimate that is too long disappoints nobody.
const (
	settleTime      = 300 * time.Millisecond // before a slice
	openTime        = time.Second            // of an engine, its first files included
	warmPerEngine   = 6 * time.Second        // until a log is recycled
	loadPerLease    = 3 * time.Microsecond
	renewPerLease   = 5 * time.Microsecond
	copyPerLease    = 800 * time.Nanosecond // of a copy, its way to the device included
	recoverPerLease = 500 * time.Nanosecond
)

// estimate says how long the plan will take, about.
func (p *plan) estimate(o Options) string {
	total, points := time.Duration(0), 0
	for _, s := range p.sections {
		points += len(s.points)
		var opened []competitorID
		var filled []storeID
		for _, pt := range s.points {
			total += time.Duration(s.rounds) * pt.turnTime(o)
			switch {
			case pt.kind == recoverKind && !slices.Contains(filled, pt.store()):
				filled = append(filled, pt.store())
				total += openTime + time.Duration(pt.actors)*(loadPerLease+time.Duration(pt.state.renewals())*renewPerLease)
			case pt.engine != "" && !pt.kind.apart() && !slices.Contains(opened, pt.competitor()):
				opened = append(opened, pt.competitor())
				total += openTime + warmPerEngine + 2*time.Duration(pt.actors)*loadPerLease
			}
		}
	}
	return fmt.Sprintf("%d points, up to %d rounds, about %.0f min", points, o.Rounds, max(1, total.Minutes()))
}

// turnTime is what one turn of p takes.
func (p point) turnTime(o Options) time.Duration {
	slice := settleTime + o.Slice + o.Slice/10
	leases := time.Duration(p.actors)
	switch p.kind {
	case checkpointKind:
		return 2 * slice
	case recoverKind:
		return openTime + leases*(copyPerLease+2*recoverPerLease)
	case checksumKind:
		return openTime + leases*recoverPerLease
	case putKind, toolKind:
		return openTime + max(o.Slice, time.Duration(paritySeconds*float64(time.Second)))
	case openKind:
		return openTime + leases*2*loadPerLease + time.Duration((openWarmup+o.openSeconds)*float64(time.Second))
	case collectorKind:
		return openTime + leases*loadPerLease + o.collectTime
	case memoryKind:
		return openTime + leases*(loadPerLease+renewPerLease)
	}
	return slice
}
