package cell

import (
	"sync/atomic"

	"orbitbench/harness/offheap"
)

// lapsed marks a version whose lease ran out: it must be acquired anew.
const lapsed = 1 << 63

// longestLease is how far ahead the expiry table sees (34 days); a lease that runs longer
// counts as one that runs so long, which no cell outlives.
const longestLease = 1 << (31 + expiryShift)

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

// isHeld reports whether a version of the table is that of a lease in force.
func isHeld(version uint64) bool { return version-1 < lapsed-1 }

// load returns the version of an actor.
func (t *table) load(actor int) uint64 {
	if t.shared {
		return atomic.LoadUint64(&t.version[actor])
	}
	return t.version[actor]
}

// acknowledge notes that the actor's lease now has version. One that is not
// higher is late news and changes nothing.
func (t *table) acknowledge(actor int, version uint64) {
	if !t.shared {
		t.version[actor] = version
		return
	}
	for {
		old := atomic.LoadUint64(&t.version[actor])
		if old&^lapsed >= version || atomic.CompareAndSwapUint64(&t.version[actor], old, version) {
			return
		}
	}
}

// extend notes that the actor's lease runs out at until, and reports whether it
// had run out before now. Times are on the clock, in ns, and good to a millisecond.
func (t *table) extend(actor int, until, now int64) (late bool) {
	old := &t.expiry[actor]
	to, at := uint32(until>>expiryShift), uint32(now>>expiryShift)
	if !t.shared {
		late = at > *old
		*old = to
		return late
	}
	late = at > atomic.LoadUint32(old)
	atomic.StoreUint32(old, to)
	return late
}

// lapse notes that the lease with this version has run out.
func (t *table) lapse(actor int, version uint64) {
	atomic.CompareAndSwapUint64(&t.version[actor], version, version|lapsed)
}

// release notes that the actor holds no lease.
func (t *table) release(actor int) { atomic.StoreUint64(&t.version[actor], 0) }
