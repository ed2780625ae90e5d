package bench

import (
	"sync"

	"orbitbench/engines"
	"orbitbench/engines/lease"
)

// shardMap is the yardstick for what is bound by the processor: a plain Go map
// in shards, each under its mutex, that does the same renewal and keeps nothing.
type shardMap struct {
	shards [256]struct {
		mu      sync.Mutex
		records map[string]*mapRecord // guarded by mu
		_       [48]byte              // a cache line to itself
	}
}

type mapRecord struct {
	version engines.Version
	value   []byte
}

func newShardMap(a *actors) *shardMap {
	m := &shardMap{}
	for i := range m.shards {
		m.shards[i].records = make(map[string]*mapRecord, len(a.slots)/len(m.shards)+1)
	}
	record := a.record()
	for i := range a.slots {
		s := &a.slots[i]
		value := append([]byte(nil), record...)
		m.shards[s.key[0]].records[string(s.key[:])] = &mapRecord{version: 1, value: value}
		s.version.Store(1)
	}
	return m
}

// renew is LeaseRenewer.RenewLease. Ids are random, so that their first byte
// spreads them over the shards.
func (m *shardMap) renew(key []byte, held engines.Version, r lease.Renewal) (engines.Version, error) {
	shard := &m.shards[key[0]]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	record := shard.records[string(key)]
	if record == nil {
		return 0, engines.ErrNotFound
	}
	if record.version != held {
		return 0, &engines.ConflictError{Keyspace: engines.Leases, Want: held, Have: record.version}
	}
	if err := r.Patch(record.value); err != nil {
		return 0, err
	}
	record.version++
	return record.version, nil
}

// mapRenewer renews leases in a shardMap.
type mapRenewer struct {
	m      *shardMap
	actors *actors
	choose *chooser
	now    int64
}

func (w *mapRenewer) step() (bool, error) {
	s := &w.actors.slots[w.choose.draw()]
	w.now++
	v, err := w.m.renew(s.key[:], engines.Version(s.version.Load()), lease.Renewal{ExpiresAt: w.now + int64(leaseTime), Now: w.now})
	if err != nil {
		return false, raceOr(err)
	}
	s.version.Store(uint64(v))
	return true, nil
}
