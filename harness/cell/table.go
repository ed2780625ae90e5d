package cell

import (
	"math"
	"sync/atomic"

	"orbitbench/harness/offheap"
)

// lapsed marks a version whose lease ran out: it must be acquired anew.
const lapsed = 1 << 63

// expiryShift turns nanoseconds into the unit of the expiry table, about a millisecond.
const expiryShift = 20

// table holds, for each actor, the version last acknowledged (0: it holds no
// lease) and when that lease runs out: 12 bytes an actor.
//
// Where workers share residents every access is atomic and the highest version
// stays. Where each worker has its own actors accesses are plain, which saves
// two locked instructions a renewal; the blocks of workers are apart, so they
// do not share cache lines either.
type table struct {
	version []uint64
	expiry  []uint32 // since the clock's start, in units of 2^expiryShift ns
	shared  bool
}

func newTable(m *offheap.Arena, size int, shared bool) *table {
	t := &table{version: offheap.Take[uint64](m, size), expiry: offheap.Take[uint32](m, size), shared: shared}
	clear(t.version) // touches the pages: they are the harness' own, from the start
	clear(t.expiry)
	return t
}

// load returns the version of an actor and when its lease runs out.
func (t *table) load(actor int) (version uint64, expiry uint32) {
	if t.shared {
		return atomic.LoadUint64(&t.version[actor]), atomic.LoadUint32(&t.expiry[actor])
	}
	return t.version[actor], t.expiry[actor]
}

// acknowledge notes that the actor's lease now has version and runs out at ns
// on the clock. A version that is not higher is late news and changes nothing.
func (t *table) acknowledge(actor int, version uint64, ns int64) {
	expiry := toExpiry(ns)
	if !t.shared {
		t.version[actor], t.expiry[actor] = version, expiry
		return
	}
	for {
		old := atomic.LoadUint64(&t.version[actor])
		if old&^lapsed >= version {
			return
		}
		if atomic.CompareAndSwapUint64(&t.version[actor], old, version) {
			atomic.StoreUint32(&t.expiry[actor], expiry)
			return
		}
	}
}

// lapse notes that the lease with this version has run out.
func (t *table) lapse(actor int, version uint64) {
	atomic.CompareAndSwapUint64(&t.version[actor], version, version|lapsed)
}

// release notes that the actor holds no lease.
func (t *table) release(actor int) { atomic.StoreUint64(&t.version[actor], 0) }

func toExpiry(ns int64) uint32 { return uint32(min(ns>>expiryShift, math.MaxUint32)) }
