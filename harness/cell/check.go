package cell

import (
	"cmp"
	"context"
	"fmt"

	"orbitbench/engines"
	"orbitbench/engines/lease"
	"orbitbench/harness/crash"
	"orbitbench/harness/result"
	"orbitbench/workloads"
)

// verdictOK is Check.Verdict where nothing was found.
const verdictOK = "ok"

// bounds are the versions that the lease of each actor may have in a store.
type bounds struct {
	least []uint64 // last acknowledged and bound to survive; 0: it need not be there
	most  []uint64 // last acknowledged at all; 0: it holds no lease
	extra uint64   // versions above most that may have been issued: 1 where a writer was killed before its acknowledgement
}

// checked is what a scan of the leases gave.
type checked struct {
	result.Check
	what    string // the records are; "" for leases
	missing int
	first   string // the first fault, with its record and the invariant that it breaks
}

// checkStore compares every lease of e with what was acknowledged, by the oracle of
// the crash suite. A lease that is missing, older, or damaged is lost; one that nobody
// issued is a phantom.
func checkStore(ctx context.Context, e engines.Engine, space *workloads.Space, b bounds) (*checked, error) {
	c := new(checked)
	seen := make([]uint64, (space.Size()+63)/64)
	var scratch lease.Lease
	err := e.Scan(ctx, engines.Leases, nil, nil, func(key, value []byte, v engines.Version) error {
		actor, ok := space.ActorOf(key)
		if !ok {
			c.fault(&c.Phantom, "key %x is of no actor", key)
			return nil
		}
		if seen[actor/64]&(1<<(actor%64)) != 0 {
			c.fault(&c.Phantom, "actor %d has two leases", actor)
			return nil
		}
		seen[actor/64] |= 1 << (actor % 64)
		c.compare(space, actor, value, uint64(v), b, &scratch)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("scan of the leases: %w", err)
	}
	for actor, v := range b.least {
		if v == 0 || seen[actor/64]&(1<<(actor%64)) != 0 {
			continue
		}
		c.Records++
		c.missing++
		if broken, yes := (crash.Bounds{Least: v &^ lapsed}).Missing(); yes {
			c.breaks(&c.Lost, broken, "the lease of actor %d, ", actor)
		}
	}
	return c, nil
}

func (c *checked) compare(space *workloads.Space, actor int, value []byte, v uint64, b bounds, scratch *lease.Lease) {
	least, most := b.least[actor]&^lapsed, b.most[actor]&^lapsed
	if least != 0 {
		c.Records++
	}
	contents := space.CheckLease(actor, value, scratch)
	broken, yes := crash.Bounds{Least: least, Issued: most + b.extra}.Judge(v, contents)
	if !yes {
		return
	}
	count := &c.Phantom
	if v >= least && v <= most+b.extra && contents != nil || broken.Invariant == "durability" {
		count = &c.Lost // what was acknowledged is not there, whatever is
	}
	c.breaks(count, broken, "the lease of actor %d is ", actor)
}

// breaks counts a violation of an invariant of package crash.
func (c *checked) breaks(count *int, v crash.Violation, format string, actor int) {
	c.fault(count, "%s: "+format+"%s", v.Invariant, actor, v.Detail)
}

// version compares the version of a record in a store other than the leases,
// which after a clean close is the one that was acknowledged. It reports whether
// it is.
func (c *checked) version(name string, got, acknowledged uint64) bool {
	switch {
	case acknowledged == 0:
		c.fault(&c.Phantom, "%s is there at version %d, and was removed or never acknowledged", name, got)
		return false
	case got > acknowledged:
		c.Records++
		c.fault(&c.Phantom, "%s is at version %d, acknowledged was %d", name, got, acknowledged)
		return false
	case got < acknowledged:
		c.Records++
		c.fault(&c.Lost, "%s is at version %d, acknowledged was %d", name, got, acknowledged)
		return false
	}
	c.Records++
	return true
}

// gone notes a record that was acknowledged and is missing.
func (c *checked) gone(format string, args ...any) {
	c.Records++
	c.missing++
	c.fault(&c.Lost, format+", is missing", args...)
}

func (c *checked) fault(count *int, format string, args ...any) {
	*count++
	if c.first == "" {
		c.first = fmt.Sprintf(format, args...)
	}
}

// conclude sums up for a class. Class none promises nothing after close, so
// that there only what is found is judged, and Records counts that.
func (c *checked) conclude(class engines.Class) *result.Check {
	check := c.Check
	if class == engines.None {
		check.Lost -= c.missing
		check.Records -= c.missing
	}
	check.Verdict = verdictOK
	if check.Lost > 0 || check.Phantom > 0 {
		check.Verdict = fmt.Sprintf("%d lost and %d phantom of %d %s: %s", check.Lost, check.Phantom, check.Records, cmp.Or(c.what, "leases"), c.first)
	}
	return &check
}
