package workloads

import (
	"fmt"
	"math"

	"orbitbench/engines/lease"
)

// Params is a workload in full. Its fields are those of result.Params, so that
// one converts to the other.
type Params struct {
	Preset        string
	Store         string // one of Stores; "" is the leases
	Actors        int    // actors of the population, holding a lease or not; nodes, queries or series of a store
	ActorTypes    int
	Nodes         int
	LeaseSeconds  float64
	RenewSeconds  float64
	ValueBytes    int     // of the lease record, without its key
	Prefill       float64 // share of Actors that hold a lease before warm-up
	Mix           map[string]float64
	Distribution  string // Uniform, Zipf or Rounds
	ZipfS         float64
	Loop          string // Open or Closed
	RatePerS      float64
	Workers       int
	WarmupSeconds float64
	Seconds       float64
	MemoryBytes   int64
}

// The distributions of Params.
const (
	Uniform = "uniform" // every lease equally often, drawn independently
	Zipf    = "zipf"    // lease of rank k in proportion to k^-s
	Rounds  = "rounds"  // every lease in its turn, round after round: at a rate of leases/interval each is renewed once an interval
)

// The loops of Params.
const (
	Open   = "open"   // operations fall due at a rate, whether or not earlier ones are done
	Closed = "closed" // each worker starts its next operation when the last one is done
)

// DefaultZipfS is the exponent that YCSB uses, which most published figures share.
const DefaultZipfS = 0.99

// Op is an operation of the workload.
type Op uint8

// The operations.
const (
	Renew   Op = iota // extend a lease that is held
	Acquire           // take a lease for an actor that holds none
	Get               // read one lease
	List              // read one page of the leases of a node (ListPage)
	Release           // give a lease up

	NumOps = int(Release) + 1
)

// ListPage is how many leases one List reads at most: a directory is paged
// through, never read in one call.
const ListPage = 100

var opNames = [NumOps]string{"renew", "acquire", "get", "list", "release"}

// String returns the name used in a mix and in results.
func (o Op) String() string {
	if int(o) >= NumOps {
		return fmt.Sprintf("op(%d)", uint8(o))
	}
	return opNames[o]
}

// OpNames returns the names of the operations by their number.
func OpNames() []string { return opNames[:] }

// DefaultMix is the mix where nothing else is known of the load.
func DefaultMix() map[string]float64 {
	return map[string]float64{"renew": 0.90, "get": 0.05, "acquire": 0.04, "list": 0.01}
}

// mixTolerance is how far from 1 the shares may sum.
const mixTolerance = 1e-6

// Validate checks what a Space and a generator need of p, and says what would be right.
func (p *Params) Validate() error {
	if p.Store != "" {
		return p.validateStore()
	}
	switch {
	case p.Actors < 1 || p.Actors > MaxActors:
		return fmt.Errorf("actors is %d, want 1 to %d", p.Actors, MaxActors)
	case p.ActorTypes < 1:
		return fmt.Errorf("actor_types is %d, want 1 or more", p.ActorTypes)
	case p.Nodes < 1:
		return fmt.Errorf("nodes is %d, want 1 or more", p.Nodes)
	case p.Workers < 1:
		return fmt.Errorf("workers is %d, want 1 or more", p.Workers)
	case !(p.LeaseSeconds > 0 && p.LeaseSeconds <= maxLeaseSeconds):
		return fmt.Errorf("lease_seconds is %v, want more than 0 and at most %d", p.LeaseSeconds, maxLeaseSeconds)
	case !(p.Prefill >= 0 && p.Prefill <= 1):
		return fmt.Errorf("prefill is %v, want 0 to 1", p.Prefill)
	}
	if least := lease.HeadBytes + len(nodeName(p.Nodes-1)); p.ValueBytes < least {
		return fmt.Errorf("value_bytes is %d, a lease of this workload takes at least %d", p.ValueBytes, least)
	}
	if err := p.validateDistribution(); err != nil {
		return err
	}
	_, err := sharesOf(p.Mix, opNames[:])
	return err
}

// Residents is how many records are stored before the load.
func (p *Params) Residents() int {
	n := p.Prefill * float64(p.Actors)
	if p.Store == StoreTimeSeries {
		n *= seriesPoints
	}
	return int(math.Round(n))
}

func (p *Params) validateDistribution() error {
	switch p.Distribution {
	case Uniform, Rounds:
	case Zipf:
		if !(p.ZipfS > 0 && p.ZipfS <= maxZipfS) {
			return fmt.Errorf("zipf_s is %v, want more than 0 and at most %d (%v is usual)", p.ZipfS, maxZipfS, DefaultZipfS)
		}
	default:
		return fmt.Errorf("distribution is %q, want %s, %s or %s", p.Distribution, Uniform, Zipf, Rounds)
	}
	return nil
}

const (
	maxLeaseSeconds = 1 << 30
	maxZipfS        = 10
)
