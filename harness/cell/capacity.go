package cell

import (
	"context"
	"errors"
	"fmt"
	"time"

	"orbitbench/engines"
	"orbitbench/harness/capacity"
	"orbitbench/harness/result"
	"orbitbench/workloads"
)

// A capacity cell renews each lease in its turn, in an open loop, and judges
// whether a promise was kept:
//
//  1. It loads Params.Actors leases.
//  2. As a search it then probes one rate after the other, as capacity.Search
//     proposes them, each for Params.Seconds after a short warm-up, in the one store.
//  3. As a confirmation it offers Params.RatePerS, at which all the leases are
//     renewed once in Params.RenewSeconds, and measures like a renewal cell.
//  4. The store is closed, reopened and compared like that of a renewal cell.
//
// The stored leases run for recoveryLease, so that the age of the load ends none.
// What is judged is Params.LeaseSeconds: a renewal is late when it was
// acknowledged so long after it was due that a lease of that length would have
// run out, and a lease ran out falsely when its acknowledged renewals lay that far apart.

// CapacityJob says what a capacity cell is to do.
type CapacityJob struct {
	Promise   string  `json:"promise"`
	Search    bool    `json:"search"`              // probe rates from Params.RatePerS on; else confirm Params.RatePerS
	BoundPerS float64 `json:"bound_per_s"`         // of a search
	Precision float64 `json:"precision,omitempty"` // of a search, above 0
}

func (j *CapacityJob) validate(p *result.Params) error {
	switch {
	case j == nil:
		return errors.New("capacity is missing: want a promise and what to do about it")
	case p.Loop != workloads.Open:
		return fmt.Errorf("loop is %q, a promise is judged in an open loop", p.Loop)
	case p.Distribution != workloads.Rounds:
		return fmt.Errorf("distribution is %q, want %s: each lease in its turn", p.Distribution, workloads.Rounds)
	case p.Mix[workloads.Renew.String()] != 1:
		return errors.New("mix holds more than renewals: a rate would mean no number of leases")
	case !(p.RenewSeconds > 0 && p.LeaseSeconds > p.RenewSeconds):
		return fmt.Errorf("leases of %v s renewed each %v s, want an interval above 0 and below the lease", p.LeaseSeconds, p.RenewSeconds)
	case j.Search && !(j.BoundPerS > 0 && j.Precision > 0):
		return fmt.Errorf("search to %v/s with precision %v, want both above 0", j.BoundPerS, j.Precision)
	}
	_, err := capacity.Parse(j.Promise)
	return err
}

// probeWarmup is how long a rate is offered before a probe of a search counts.
const probeWarmup = 0.25

// capacityCell is a capacity cell in the making.
type capacityCell struct {
	*renewal
	job          *CapacityJob
	promise      capacity.Promise
	leaseSeconds float64
	out          *result.Capacity
}

func runCapacity(ctx context.Context, s *Spec, driver engines.Driver, l limits, progress func(Progress), c *result.Cell) error {
	promise, err := capacity.Parse(s.Capacity.Promise)
	if err != nil {
		return err
	}
	inner := *s
	inner.Params.LeaseSeconds = max(s.Params.LeaseSeconds, recoveryLease)
	c.Params = inner.Params
	c.Capacity = &result.Capacity{
		Role: result.CapacityConfirm, Promise: promise.String(), Quantile: promise.Quantile, LimitNs: int64(promise.Limit),
		RenewSeconds: s.Params.RenewSeconds, LeaseSeconds: s.Params.LeaseSeconds, Probes: []result.CapacityProbe{},
	}
	r := &capacityCell{
		renewal: &renewal{base: base{spec: &inner, driver: driver, limits: l, progress: progress, cell: c}},
		job:     s.Capacity, promise: promise, leaseSeconds: s.Params.LeaseSeconds, out: c.Capacity,
	}
	r.slack = int64((s.Params.LeaseSeconds - s.Params.RenewSeconds) * 1e9)
	drive := r.confirm
	if s.Capacity.Search {
		c.Capacity.Role, c.Capacity.BoundPerS = result.CapacitySearch, s.Capacity.BoundPerS
		drive = r.search
	}
	return r.around(ctx, func(ctx context.Context) error {
		if err := r.start(ctx); err != nil {
			return err
		}
		for _, w := range r.workers {
			w.untilNs = min(int64(r.leaseSeconds*1e9), longestLease)
		}
		return drive(ctx)
	})
}

// search probes rates until the knee is bracketed.
func (r *capacityCell) search(ctx context.Context) error {
	p := &r.spec.Params
	search := capacity.NewSearch(p.RatePerS, r.job.BoundPerS, r.job.Precision)
	for rate, ok := search.Next(); ok; rate, ok = search.Next() {
		p.RatePerS = rate
		var probe *result.CapacityProbe
		err := r.timed("probe", func() (err error) {
			probe, err = r.probe(ctx, rate)
			return err
		})
		if err != nil {
			return err
		}
		probe.Renewals.Histogram = "" // dozens of them; nothing merges probes
		r.out.Probes = append(r.out.Probes, *probe)
		search.Record(rate, probe.Kept)
	}
	r.out.KeptPerS, r.out.MissedPerS = search.Bracket()
	return nil
}

func (r *capacityCell) probe(ctx context.Context, rate float64) (*result.CapacityProbe, error) {
	name := fmt.Sprintf("probe %.0f/s", rate)
	if err := r.offer(ctx, name, probeWarmup, func(*phase, *measured) error { return nil }); err != nil {
		return nil, err
	}
	var probe *result.CapacityProbe
	err := r.offer(ctx, name, r.spec.Params.Seconds, func(p *phase, m *measured) error {
		measure, err := m.result(p)
		if err == nil {
			probe, err = r.judge(p, uint64(m.offered), measure, true)
		}
		return err
	})
	return probe, err
}

// offer offers the rate of the moment, and gives what came of it to take.
func (r *capacityCell) offer(ctx context.Context, name string, seconds float64, take func(*phase, *measured) error) error {
	p := r.newPhase(seconds)
	m, err := r.runPhase(ctx, p, name)
	if err != nil {
		return err
	}
	defer m.set.Release()
	if err := r.firstError(); err != nil {
		return err
	}
	return take(p, m)
}

// confirm measures one rate with its leases loaded.
func (r *capacityCell) confirm(ctx context.Context) error {
	p := r.spec.Params
	if p.WarmupSeconds > 0 {
		if err := r.timed("warmup", func() error { return r.warmup(ctx, p.WarmupSeconds) }); err != nil {
			return err
		}
	}
	before := r.turn
	if err := r.timed("measure", func() error { return r.measure(ctx, p.Seconds) }); err != nil {
		return err
	}
	probe, err := r.judge(&phase{ratePer: p.RatePerS, length: time.Duration(p.Seconds * 1e9)}, uint64(r.turn-before), r.cell.Measure, false)
	if err != nil {
		return err
	}
	probe.Renewals.Histogram = "" // that of Measure
	r.out.Probes = append(r.out.Probes, *probe)
	if probe.Kept {
		r.out.KeptPerS = p.RatePerS
	} else {
		r.out.MissedPerS = p.RatePerS
	}
	if n := r.promise.Samples(); float64(probe.Offered) < n {
		r.cell.Warnings = append(r.cell.Warnings, fmt.Sprintf("%d renewals: fewer than ten lie above %s, which takes %.0f", probe.Offered, r.promise.Name(), n))
	}
	return nil
}

// judge takes the account of the leases and judges the promise.
func (r *capacityCell) judge(p *phase, offered uint64, m *result.Measure, short bool) (*result.CapacityProbe, error) {
	lease := result.LeaseOutcomes{SlackNs: r.slack}
	for _, w := range r.workers {
		lease.DeadlineMisses += w.counts.late
		lease.FalseExpiries += w.counts.missed
	}
	if short { // the turns of a lease lie as far apart as the rates before made them
		lease.FalseExpiries = 0
	} else {
		lease.FalseExpiries += r.ranOut()
	}
	return r.promise.Judge(capacity.Stretch{
		RatePerS: p.ratePer, Seconds: p.length.Seconds(), Leases: r.space.Residents(), Offered: offered,
		Measure: m, Lease: lease, Short: short,
	})
}

// ranOut counts the leases that are past their end now. One that has not been
// renewed since the load lasts for recoveryLease.
func (r *capacityCell) ranOut() (n uint64) {
	now := uint32(r.clock.Now() >> expiryShift)
	for i := range r.space.Residents() {
		if actor := r.space.Resident(i); r.table.expiry[actor] < now {
			n++
		}
	}
	return n
}
