package cowbtree

import (
	"orbitbench/engines"
	"orbitbench/engines/internal/arena"
	"orbitbench/engines/internal/wal"
)

// Under class sync a commit is pending from its append to the log until the log
// is durable: readers do not see it, and writers of the same records wait for the outcome.
// Whoever comes first after that publishes every commit that is durable, in the order of
// the log.

// plan is what one operation of a commit will do to the tree.
type plan struct {
	kind uint8
	ks   engines.Keyspace
	rec  ref    // opPut, opRenew: the new record; opDelete: the record that goes, 0 if there is none
	hash uint64 // of the key, class sync
}

// queue holds the commits that are not durable yet, in the order of the log.
type queue struct {
	commits []queued
	first   int                // of commits
	plans   []plan             // of all of them
	used    int                // of plans
	keys    map[uint64]wal.LSN // by hash of keyspace and key
}

type queued struct {
	lsn   wal.LSN
	plans int
}

func (e *engine) hash(ks engines.Keyspace, key []byte) uint64 {
	return arena.Hash(e.seed+uint64(ks)*0x9e3779b97f4a7c15, key)
}

// waitFor returns the number of the commit on a record that is not durable yet,
// or 0. Two records with one hash wait for each other, which does no harm.
func (e *engine) waitFor(hash uint64) wal.LSN {
	lsn, ok := e.queue.keys[hash]
	if !ok {
		return 0
	}
	if durable := e.log.Durable(); durable >= lsn {
		e.publish(durable)
		return 0
	}
	return lsn
}

// push adds a commit; its plans are copied.
func (q *queue) push(lsn wal.LSN, plans ...plan) {
	if q.first > 64 && q.first*2 > len(q.commits) {
		q.commits = append(q.commits[:0], q.commits[q.first:]...)
		q.plans = append(q.plans[:0], q.plans[q.used:]...)
		q.first, q.used = 0, 0
	}
	q.commits = append(q.commits, queued{lsn, len(plans)})
	q.plans = append(q.plans, plans...)
	for i := range plans {
		q.keys[plans[i].hash] = lsn
	}
}

// publish makes the commits up to lsn visible. The caller holds mu.
func (e *engine) publish(lsn wal.LSN) {
	q := &e.queue
	for q.first < len(q.commits) && q.commits[q.first].lsn <= lsn {
		c := q.commits[q.first]
		q.first++
		plans := q.plans[q.used : q.used+c.plans]
		q.used += c.plans
		for i := range plans {
			if q.keys[plans[i].hash] == c.lsn {
				delete(q.keys, plans[i].hash)
			}
		}
		e.apply(c.lsn, plans)
	}
	if q.first == len(q.commits) {
		q.commits, q.plans, q.first, q.used = q.commits[:0], q.plans[:0], 0, 0
	}
}

// apply changes the tree as one commit wants it, and lets readers see it at once.
func (e *engine) apply(lsn wal.LSN, plans []plan) {
	t := e.tree
	if len(plans) == 1 {
		e.applyOne(&plans[0])
	} else {
		t.begin()
		for i := range plans {
			e.applyOne(&plans[i])
		}
		t.commit()
	}
	t.flush()
	e.applied = lsn
	e.published.Store(uint64(lsn))
	e.commits++
}

func (e *engine) applyOne(p *plan) {
	switch {
	case p.rec == 0:
	case p.kind == opDelete:
		e.tree.remove(p.ks, e.tree.record(p.rec).key())
	default:
		e.tree.put(p.ks, p.rec)
	}
}
