package actorstore

import (
	"context"
	"errors"

	"orbitbench/engines"
	"orbitbench/engines/lease"
)

// The query cache is a keyspace of the index whose entries vanish: when their
// TTL is over, and when it is larger than its bound. An entry that has run out is
// absent for readers and conditions from that moment on, and is deleted later.
// Evictions are deletes like any other, in batches, so that they do not come back.

// evictBatch is how many entries are removed with one record of the log.
const evictBatch = 64

// expired says whether an entry had outlived its TTL at time now. Values that are no
// lease.QueryEntry have no age and never do.
func (e *engine) expired(value []byte, now int64) bool {
	created, ttl, ok := lease.QueryTimes(value)
	if !ok {
		return false
	}
	seconds := int64(ttl)
	if seconds == 0 {
		seconds = e.config.QueryCacheTTLSeconds
	}
	return seconds != 0 && now-created >= seconds*1e9
}

// createdAt is the age by which eviction begins after a reopen; values without one are oldest.
func createdAt(value []byte) int64 {
	created, _, _ := lease.QueryTimes(value)
	return created
}

// makeRoom evicts until more bytes fit into the bound of the query cache, or
// nothing is left to evict.
func (e *engine) makeRoom(ctx context.Context, more int64) error {
	limit := e.config.QueryCacheBytes
	if err := e.index.LoadAll(ctx); err != nil { // how much there is shows when all is in memory
		return err
	}
	if e.cache.Bytes()+more <= limit {
		return nil
	}
	e.evicting.Lock()
	defer e.evicting.Unlock()
	for e.cache.Bytes()+more > limit && e.cache.Len() > 0 {
		excess := e.cache.Bytes() + more - limit
		var v victims
		e.cache.Victims(evictBatch, createdAt, func(key, value []byte, version engines.Version) {
			if v.bytes < excess {
				v.add(key, value, version)
			}
		})
		if len(v.versions) == 0 {
			return nil // all of them are being put right now
		}
		if err := e.remove(ctx, &v); err != nil {
			return err
		}
	}
	return nil
}

// sweepCache deletes entries that have run out.
func (e *engine) sweepCache(ctx context.Context) error {
	if e.index.Away() > 0 {
		return nil // what has run out will be found when it is in memory
	}
	e.evicting.Lock()
	defer e.evicting.Unlock()
	const step = 1024
	now := e.now()
	for begin := 0; ; {
		var v victims
		n := e.cache.Each(begin, step, func(key, value []byte, version engines.Version) {
			if e.expired(value, now) && len(v.versions) < engines.MaxBatchOps {
				v.add(key, value, version)
			}
		})
		if err := e.remove(ctx, &v); err != nil {
			return err
		}
		if n < step {
			return nil
		}
		begin += n - len(v.versions)
	}
}

// victims are entries to delete if they still have these versions.
type victims struct {
	keys     []byte
	ends     []int
	versions []engines.Version
	bytes    int64
}

func (v *victims) add(key, value []byte, version engines.Version) {
	v.keys = append(v.keys, key...)
	v.ends = append(v.ends, len(v.keys))
	v.versions = append(v.versions, version)
	v.bytes += int64(len(key) + len(value))
}

func (v *victims) key(i int) []byte {
	begin := 0
	if i > 0 {
		begin = v.ends[i-1]
	}
	return v.keys[begin:v.ends[i]]
}

// remove deletes the victims; those that somebody else has changed stay.
func (e *engine) remove(ctx context.Context, v *victims) error {
	var b engines.Batch
	for i, version := range v.versions {
		b.Require(engines.QueryCache, v.key(i), version)
		b.Delete(engines.QueryCache, v.key(i))
	}
	if len(b.Ops) == 0 {
		return nil
	}
	err := e.index.Remove(ctx, &b)
	if err == nil {
		e.evicted.Add(1)
		return nil
	}
	if !errors.Is(err, engines.ErrConflict) || len(b.Ops) == 1 {
		return ignoreConflict(err)
	}
	for i, version := range v.versions {
		b.Reset()
		b.Require(engines.QueryCache, v.key(i), version)
		b.Delete(engines.QueryCache, v.key(i))
		if err := e.index.Remove(ctx, &b); err == nil {
			e.evicted.Add(1)
		} else if err := ignoreConflict(err); err != nil {
			return err
		}
	}
	return nil
}

func ignoreConflict(err error) error {
	if errors.Is(err, engines.ErrConflict) {
		return nil
	}
	return err
}
