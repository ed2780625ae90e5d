package bench

import (
	"strings"
)

// round is what every point did in one round.
type round map[point]sample

// p50OverFloor is the median latency over the device's.
func p50OverFloor(r round, p point) (float64, error) {
	floor, ok := r[floorPoint]
	if !ok {
		return 0, missing("the floor")
	}
	return r[p].p50 / floor.p50, nil
}

func p99OverFloor(r round, p point) (float64, error) {
	floor, ok := r[floorPoint]
	if !ok {
		return 0, missing("the floor")
	}
	return r[p].p99 / floor.p99, nil
}

// shareOfIdeal is the throughput over that of the ideal group commit.
func shareOfIdeal(r round, p point) (float64, error) {
	ideal, ok := r[idealPoint(p.workers)]
	if !ok {
		return 0, missing("the ideal group commit")
	}
	return ideal.nsPerOp / r[p].nsPerOp, nil
}

// peer returns the sample of another engine at the same point.
func (r round) peer(p point, name string) (sample, error) {
	p.engine = name
	s, ok := r[p]
	if !ok {
		return s, missing(name)
	}
	return s, nil
}

// speedOver is the throughput over another engine's.
func speedOver(name string) func(round, point) (float64, error) {
	return func(r round, p point) (float64, error) {
		other, err := r.peer(p, name)
		return other.nsPerOp / r[p].nsPerOp, err
	}
}

// p99Over is the 99th percentile over another engine's.
func p99Over(name string) func(round, point) (float64, error) {
	return func(r round, p point) (float64, error) {
		other, err := r.peer(p, name)
		return r[p].p99 / other.p99, err
	}
}

// speedOverBestPeer is the throughput over that of the fastest of the engines
// that bring several commits to the device in one write: the named batchers, and
// RocksDB and Pebble, which do so by themselves.
func speedOverBestPeer(r round, p point) (float64, error) {
	best := 0.0
	batched := false
	for q, s := range r {
		name := q.engine
		q.engine = p.engine
		isBatch := strings.HasSuffix(name, "+batch")
		if q != p || !isBatch && name != "pebble" && name != "rocksdb" {
			continue
		}
		batched = batched || isBatch
		if best == 0 || s.nsPerOp < best {
			best = s.nsPerOp
		}
	}
	if !batched {
		return 0, missing("any peer with a batcher")
	}
	return best / r[p].nsPerOp, nil
}

// flushesTimesWriters is 1 when every flush carries one commit of each writer.
func flushesTimesWriters(r round, p point) (float64, error) {
	return r[p].flushes * float64(p.workers), nil
}

func allocations(r round, p point) (float64, error) { return r[p].allocs, nil }

// timeOverMap is the time of an operation in its thread over that of a renewal
// in the sharded map.
func timeOverMap(r round, p point) (float64, error) {
	actors := p.actors
	if p.kind == harnessKind {
		actors = smallStore
	}
	m, ok := r[mapPoint(actors)]
	if !ok {
		return 0, missing("the sharded map")
	}
	return r[p].nsPerOp * float64(p.workers) / m.nsPerOp, nil
}

// speedOfTwo is the throughput of two threads over one's.
func speedOfTwo(r round, p point) (float64, error) {
	one := p
	one.workers = 1
	s, ok := r[one]
	if !ok {
		return 0, missing("one thread")
	}
	return s.nsPerOp / r[p].nsPerOp, nil
}
