package workloads

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Beside its leases an engine holds other stores, each with a load of its own.
// Params.Store names which one a load is for; "" is the leases.
const (
	StoreNodes      = "nodes"      // cluster members and the leases that keep them (nodes.go)
	StoreQueryCache = "querycache" // query results that live for a while (querycache.go)
	StoreTimeSeries = "timeseries" // points in the order of time (timeseries.go)
)

// Stores returns the names of the stores beside the leases.
func Stores() []string { return []string{StoreNodes, StoreQueryCache, StoreTimeSeries} }

// Step is one drawn operation on a store.
type Step struct {
	Op   int // number of the operation, as in OpNamesOf
	Item int // node, query or series
}

// Stepper draws the steps of one worker. It is for one goroutine and allocates
// nothing.
type Stepper interface {
	// Next sets *s to the next step.
	Next(s *Step)
}

var storeOps = map[string][]string{
	"":              opNames[:],
	StoreNodes:      nodeOpNames[:],
	StoreQueryCache: queryOpNames[:],
	StoreTimeSeries: seriesOpNames[:],
}

// OpNamesOf returns the names of a store's operations by their number.
func OpNamesOf(store string) []string { return storeOps[store] }

// validateStore checks what the generators of a store need of p.
func (p *Params) validateStore() error {
	switch {
	case p.Actors < 1 || p.Actors > maxStoreItems:
		return fmt.Errorf("actors is %d, want 1 to %d", p.Actors, maxStoreItems)
	case p.Workers < 1:
		return fmt.Errorf("workers is %d, want 1 or more", p.Workers)
	case !(p.LeaseSeconds > 0 && p.LeaseSeconds <= maxLeaseSeconds):
		return fmt.Errorf("lease_seconds is %v, want more than 0 and at most %d", p.LeaseSeconds, maxLeaseSeconds)
	case !(p.Prefill >= 0 && p.Prefill <= 1):
		return fmt.Errorf("prefill is %v, want 0 to 1", p.Prefill)
	}
	var err error
	switch p.Store {
	case StoreNodes:
		err = p.validateNodes()
	case StoreQueryCache:
		err = p.validateQueries()
	case StoreTimeSeries:
		err = p.validateSeries()
	default:
		return fmt.Errorf("store is %q, want %s, or nothing for the leases", p.Store, strings.Join(Stores(), ", "))
	}
	if err != nil {
		return err
	}
	switch {
	case p.Distribution == Rounds:
		return fmt.Errorf("distribution is %q, which is for renewals of leases: want %s", Rounds, Uniform)
	case p.Distribution == Zipf && p.Store != StoreQueryCache:
		return fmt.Errorf("distribution is %q, and each worker of %s has items of its own: want %s", Zipf, p.Store, Uniform)
	}
	if err := p.validateDistribution(); err != nil {
		return err
	}
	_, err = sharesOf(p.Mix, storeOps[p.Store])
	return err
}

// maxStoreItems is far above what one of these stores holds anywhere.
const maxStoreItems = 100_000_000

// sharesOf returns a mix by operation.
func sharesOf(mix map[string]float64, ops []string) ([]float64, error) {
	shares := make([]float64, len(ops))
	sum := 0.0
	for name, share := range mix {
		op := slices.Index(ops, name)
		if op < 0 {
			return nil, fmt.Errorf("mix names operation %q, want %s or %s", name, strings.Join(ops[:len(ops)-1], ", "), ops[len(ops)-1])
		}
		if !(share >= 0) {
			return nil, fmt.Errorf("mix gives %s a share of %v, want 0 to 1", name, share)
		}
		shares[op] = share
		sum += share
	}
	if !(math.Abs(sum-1) <= mixTolerance) {
		return nil, fmt.Errorf("the shares of the mix sum to %.6g, want 1", sum)
	}
	return shares, nil
}

// cutsOf turns the shares of a valid mix into the upper bounds of 32-bit draws.
func cutsOf(mix map[string]float64, ops []string) []uint64 {
	shares, err := sharesOf(mix, ops)
	if err != nil {
		panic("workloads: " + err.Error()) // the caller has validated it
	}
	cuts := make([]uint64, len(ops))
	sum, last := 0.0, 0
	for op, share := range shares {
		sum += share
		cuts[op] = uint64(min(sum*(1<<32), 1<<32))
		if share > 0 {
			last = op
		}
	}
	for op := last; op < len(ops); op++ {
		cuts[op] = 1 << 32 // whatever the shares were rounded to
	}
	return cuts
}

// drawOp chooses an operation by 32 random bits.
func drawOp(cuts []uint64, x uint64) int {
	for op, cut := range cuts {
		if x < cut {
			return op
		}
	}
	return len(cuts) - 1
}

// fill appends n letters that follow from seed.
func fill(dst []byte, seed uint64, n int) []byte {
	const nibbles, letters = 0x0f0f0f0f0f0f0f0f, 0x6161616161616161 // 'a' to 'p'
	r := random(mix(seed))
	for ; n >= 8; n -= 8 {
		dst = binary.LittleEndian.AppendUint64(dst, r.next()&nibbles+letters)
	}
	for x := r.next()&nibbles + letters; n > 0; n-- {
		dst = append(dst, byte(x))
		x >>= 8
	}
	return dst
}
