package capacity

import (
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"orbitbench/harness/record"
	"orbitbench/harness/result"
)

// Stretch is a stretch of renewals that were offered in an open loop.
type Stretch struct {
	RatePerS float64
	Seconds  float64 // for which the rate was offered
	Leases   int     // loaded
	Offered  uint64  // renewals that fell due
	Measure  *result.Measure
	Lease    result.LeaseOutcomes
	// Short marks a probe too short for the promised percentile: it is allowed
	// tailSamples above the limit where the promise would allow fewer.
	Short bool
}

// rateKept is the share of the offered rate that must be achieved; the rest are
// the end effects of a short stretch.
const rateKept = 0.98

// generatorShare of the limit is as much of it as the generator's lag may take
// at the promised percentile before it is held responsible for a miss.
const generatorShare = 0.5

// Judge says whether the promise was kept. Renewals that were not acknowledged
// count as over the limit.
func (p Promise) Judge(s Stretch) (*result.CapacityProbe, error) {
	out := &result.CapacityProbe{
		RatePerS: s.RatePerS, AchievedPerS: s.Measure.AchievedPerS, Leases: s.Leases, Seconds: s.Seconds, Offered: s.Offered, Lease: s.Lease,
		Allowed: p.Allowed(s.Offered), InFlightMax: s.Measure.InFlightMax, Dropped: s.Measure.Dropped,
	}
	if lag := s.Measure.Lag; lag != nil {
		out.LagP50Ns, out.LagP99Ns = lag.P50Ns, lag.P99Ns
	}
	if s.Short {
		out.Allowed = max(out.Allowed, min(tailSamples, s.Offered/2))
	}
	for _, op := range s.Measure.Ops {
		if op.Op == "renew" && op.Outcome == record.OK.String() {
			out.Renewals = op.Latency
		}
	}
	h, err := record.FromLatency(out.Renewals)
	if err != nil {
		return nil, err
	}
	acknowledged := out.Renewals.Count + out.Renewals.OutOfRange
	out.Over = above(h, int64(p.Limit)) + out.Renewals.OutOfRange + s.Offered - min(acknowledged, s.Offered)
	if out.Renewals.Count > 0 {
		out.PromisedNs = min(h.ValueAtQuantile(100*p.Quantile), out.Renewals.MaxNs)
	}
	out.Lease.LongestStallNs = out.Renewals.MaxNs
	out.Reason = p.miss(s, out, acknowledged)
	out.Kept = out.Reason == ""
	if !out.Kept && s.Measure.Lag != nil {
		out.GeneratorBound, err = p.lagged(s.Measure.Lag)
	}
	return out, err
}

// miss is why the promise was not kept, "" if it was.
func (p Promise) miss(s Stretch, out *result.CapacityProbe, acknowledged uint64) string {
	switch {
	case out.Lease.DeadlineMisses > 0:
		return fmt.Sprintf("%d renewals were acknowledged after their lease had run out, the latest %v after it was due (slack %v)",
			out.Lease.DeadlineMisses, time.Duration(out.Lease.LongestStallNs), time.Duration(out.Lease.SlackNs))
	case out.Lease.FalseExpiries > 0:
		return fmt.Sprintf("%d leases ran out while their holder was alive", out.Lease.FalseExpiries)
	case acknowledged == 0:
		return fmt.Sprintf("none of %d renewals was acknowledged", s.Offered)
	case out.Over > out.Allowed:
		return fmt.Sprintf("%d of %d renewals took longer than %v, %d are allowed; %s is %v",
			out.Over, s.Offered, p.Limit, out.Allowed, p.Name(), time.Duration(out.PromisedNs))
	case out.AchievedPerS < rateKept*s.RatePerS:
		return fmt.Sprintf("offered rate missed: %.4g of %.4g renewals/s", out.AchievedPerS, s.RatePerS)
	}
	return ""
}

// lagged reports whether the generator's lag alone takes a large part of the limit.
func (p Promise) lagged(lag *result.Latency) (bool, error) {
	h, err := record.FromLatency(*lag)
	if err != nil || lag.Count == 0 {
		return false, err
	}
	return float64(h.ValueAtQuantile(100*p.Quantile)) > generatorShare*float64(p.Limit), nil
}

// above counts the values above limit.
func above(h *hdrhistogram.Histogram, limit int64) (n uint64) {
	for _, bar := range h.Distribution() {
		if bar.From > limit {
			n += uint64(bar.Count)
		}
	}
	return n
}
