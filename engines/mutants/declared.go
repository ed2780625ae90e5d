package mutants

import (
	"fmt"

	"orbitbench/engines"
)

// CacheBytes is the bound of the query cache that mutants claim.
const CacheBytes = 4096

// cached is the size of the query cache.
func (e *engine) cached() int {
	size := 0
	for k, r := range e.state.live[engines.QueryCache] {
		size += len(k) + len(r.value)
	}
	return size
}

// drops says whether a change is acknowledged and forgotten.
func (e *engine) drops(c change) bool {
	switch {
	case e.is(CacheDropsNewest) && c.Keyspace == engines.QueryCache:
		return e.cached()+len(c.Key)+len(c.Value) > CacheBytes
	case e.is(LosesLatePoints) && c.Keyspace == engines.TimeSeries:
		for k := range e.state.live[engines.TimeSeries] {
			if k > c.Key {
				return true
			}
		}
	}
	return false
}

// evict removes query results, the lowest key first, until the rest fits.
func (e *engine) evict() {
	for e.cached() > CacheBytes {
		e.state.install(change{Keyspace: engines.QueryCache, Key: e.state.between(engines.QueryCache, nil, nil, false)[0].key})
	}
}

// refuseDeletes refuses a batch that deletes a point, but applies the rest of it.
func (e *engine) refuseDeletes(b *engines.Batch) error {
	for i := range b.Ops {
		if b.Ops[i].Kind != engines.OpDelete || b.Ops[i].Keyspace != engines.TimeSeries {
			continue
		}
		for j := range b.Ops {
			if j == i {
				continue
			}
			c, err := e.plan(&b.Ops[j], false)
			if err != nil {
				return err
			}
			e.state.install(c)
		}
		return fmt.Errorf("%w: delete in %s", engines.ErrUnsupported, engines.TimeSeries)
	}
	return nil
}
