package result

// Soak is a long run of renewals with checkpoints under load, which ends with
// kill -9 and the opening of a copy of what was left.
type Soak struct {
	Schema     int      `json:"schema"`
	Engine     string   `json:"engine"`
	Durability string   `json:"durability"`
	Path       string   `json:"path"` // "native" or "generic"
	Leases     int      `json:"leases"`
	Writers    int      `json:"writers"`
	Seed       uint64   `json:"seed"`
	Seconds    float64  `json:"seconds"` // of renewing that were measured
	Renewals   uint64   `json:"renewals"`
	Warnings   []string `json:"warnings,omitempty"`

	Checkpoints       int     `json:"checkpoints"` // pieces of background work that were seen, by the engine's own account
	CheckpointSeconds float64 `json:"checkpoint_seconds"`
	// Steady holds the renewals that ended while no checkpoint ran, During those
	// that ended while one did or within a window of its end.
	Steady SoakPart `json:"steady"`
	During SoakPart `json:"during"`

	// PerSecond is the rate of renewals in each second of the measured time, the
	// last one left out if it is not whole.
	PerSecond []uint64 `json:"per_second,omitempty"`
	// Machine is what went on around the process in the measured time; nil where
	// the kernel did not say. Validity is what that, the floor before and behind,
	// and a trend over the seconds make of the figures.
	Machine  *Machine  `json:"machine,omitempty"`
	Floors   []Floor   `json:"floors,omitempty"`
	Validity *Validity `json:"validity,omitempty"`

	Disk  SoakDisk `json:"disk"`
	Check *Check   `json:"check,omitempty"` // of the copy
}

// SoakPart is what the renewals of some windows of a soak took.
type SoakPart struct {
	Seconds  float64 `json:"seconds"`
	Renewals uint64  `json:"renewals"`
	PerS     float64 `json:"per_s"`
	P50Ns    int64   `json:"p50_ns"`
	P99Ns    int64   `json:"p99_ns"`
	P999Ns   int64   `json:"p999_ns"`
	MaxNs    int64   `json:"max_ns"`
}

// SoakDisk is what the store took on disk, looked at once a second.
type SoakDisk struct {
	FirstHalfPeakBytes  uint64 `json:"first_half_peak_bytes"`
	SecondHalfPeakBytes uint64 `json:"second_half_peak_bytes"`
	AtKillBytes         uint64 `json:"at_kill_bytes"`
	LiveBytes           uint64 `json:"live_bytes"` // keys and values of the leases
}

// Throughput is that of During over that of Steady, 0 without either.
func (s *Soak) Throughput() float64 { return quotient(s.During.PerS, s.Steady.PerS) }

// P99 is the 99th percentile of During over that of Steady, 0 without either.
func (s *Soak) P99() float64 { return quotient(float64(s.During.P99Ns), float64(s.Steady.P99Ns)) }

// P999 is the 99.9th percentile of During over that of Steady, 0 without either.
func (s *Soak) P999() float64 { return quotient(float64(s.During.P999Ns), float64(s.Steady.P999Ns)) }

// Growth is the peak of the second half over that of the first, 0 without either.
func (d SoakDisk) Growth() float64 {
	return quotient(float64(d.SecondHalfPeakBytes), float64(d.FirstHalfPeakBytes))
}

func quotient(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}
