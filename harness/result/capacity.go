package result

// KindCapacity is the kind of a cell of `capacity`: a search for the rate of
// renewals at which an engine stops keeping a promise, or one trial of a rate
// with all its leases loaded.
const KindCapacity = "capacity"

// The roles of a capacity cell.
const (
	CapacitySearch  = "search"  // many short probes of one store
	CapacityConfirm = "confirm" // one long trial: as many leases as the rate renews in an interval
)

// Capacity is what a capacity cell found.
type Capacity struct {
	Role         string  `json:"role"`    // CapacitySearch or CapacityConfirm
	Promise      string  `json:"promise"` // such as "p99.9<=10ms"
	Quantile     float64 `json:"quantile"`
	LimitNs      int64   `json:"limit_ns"`
	RenewSeconds float64 `json:"renew_seconds"` // each lease is due once in this time
	LeaseSeconds float64 `json:"lease_seconds"` // how long a lease lasts from its renewal: what is judged; the stored records run for longer
	// Probes are in the order in which they ran; a confirmation has one.
	Probes []CapacityProbe `json:"probes"`
	// KeptPerS and MissedPerS bracket the knee of a search: the highest rate that
	// kept the promise below every one that missed it, and the lowest that missed
	// it. 0 is none: nothing was kept, or everything up to the bound of the search.
	KeptPerS   float64 `json:"kept_per_s"`
	MissedPerS float64 `json:"missed_per_s"`
	// BoundPerS is the highest rate that the search would have tried.
	BoundPerS float64 `json:"bound_per_s,omitempty"`
}

// CapacityProbe is one rate, offered for a while in an open loop.
type CapacityProbe struct {
	RatePerS     float64 `json:"rate_per_s"` // renewals offered
	AchievedPerS float64 `json:"achieved_per_s"`
	Leases       int     `json:"leases"` // loaded
	Seconds      float64 `json:"seconds"`
	Offered      uint64  `json:"offered"` // renewals that fell due
	// Renewals is the latency of the acknowledged ones from their due time.
	Renewals Latency `json:"renewals"`
	// PromisedNs is their latency at the promised quantile.
	PromisedNs int64 `json:"promised_ns"`
	// Over counts renewals above the limit, those never acknowledged among them;
	// the promise allows Allowed of them.
	Over    uint64        `json:"over"`
	Allowed uint64        `json:"allowed"`
	Lease   LeaseOutcomes `json:"lease"`
	Kept    bool          `json:"kept"`
	Reason  string        `json:"reason,omitempty"` // why not
	// GeneratorBound: the promise was missed, and the lag of the load generator
	// was a large part of why: the engine might have kept it.
	GeneratorBound bool `json:"generator_bound,omitempty"`
	// LagP50Ns and LagP99Ns are how long after its due time the generator began a
	// renewal although a worker was free, InFlightMax the most renewals that were
	// due and not done, and Dropped those that were never begun.
	LagP50Ns    int64  `json:"lag_p50_ns"`
	LagP99Ns    int64  `json:"lag_p99_ns"`
	InFlightMax int    `json:"in_flight_max"`
	Dropped     uint64 `json:"dropped"`
}

// RateHeld is the share of an offered rate by which it counts as achieved: up to
// its saturation an engine is given what was offered, within 1%.
const RateHeld = 0.99

// Held reports whether the offered rate was achieved.
func (p *CapacityProbe) Held() bool { return p.AchievedPerS >= RateHeld*p.RatePerS && p.Dropped == 0 }

// LeaseOutcomes is what became of the leases in the time of a probe.
type LeaseOutcomes struct {
	// SlackNs is how late after its due time a renewal may be acknowledged before
	// the lease has run out: its duration less the interval of renewals.
	SlackNs int64 `json:"slack_ns"`
	// LongestStallNs is the longest that a renewal was acknowledged after its due time.
	LongestStallNs int64 `json:"longest_stall_ns"`
	// DeadlineMisses are renewals acknowledged later than the slack allows.
	DeadlineMisses uint64 `json:"deadline_misses"`
	// FalseExpiries are leases that ran out while their holder was alive: a
	// renewal found its lease past its end, or the probe's end did.
	FalseExpiries uint64 `json:"false_expiries"`
}
