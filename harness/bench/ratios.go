package bench

import (
	"fmt"
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

// peer returns the sample of another engine at the same point. A read does not
// depend on the class, which may differ there.
func (r round) peer(p point, name string) (sample, error) {
	p.engine = name
	if s, ok := r[p]; ok {
		return s, nil
	}
	for q, s := range r {
		p.dur = q.dur
		if p.kind == getKind && q == p {
			return s, nil
		}
	}
	return sample{}, missing(name)
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

// deviceWritesByFlush is how many requests to write the block device was given
// for each wait of the engine for it. On a device with a volatile cache a durable
// write is two: the data, and the flush of the cache.
func deviceWritesByFlush(r round, p point) (float64, error) {
	s := r[p]
	if s.device.why != "" {
		return 0, fmt.Errorf("%s", s.device.why)
	}
	if s.flushes == 0 {
		return 0, fmt.Errorf("the engine counted no flush")
	}
	return s.device.writes / s.flushes, nil
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

// The three of a checkpoint compare the slice in which checkpoints ran with the
// one in which none did.

func checkpointThroughput(r round, p point) (float64, error) {
	return r[p].steady.nsPerOp / r[p].nsPerOp, nil
}

func checkpointP99(r round, p point) (float64, error) { return r[p].p99 / r[p].steady.p99, nil }

func checkpointP999(r round, p point) (float64, error) { return r[p].p999 / r[p].steady.p999, nil }

// recoveryOverMap is the time to the first read by lease over that of a renewal
// in the sharded map.
func recoveryOverMap(r round, p point) (float64, error) {
	m, ok := r[mapPoint(p.actors)]
	if !ok {
		return 0, missing("the sharded map")
	}
	return r[p].recovery.FirstNs / float64(p.actors) / m.nsPerOp, nil
}

func recoveryOver(name string) func(round, point) (float64, error) {
	return func(r round, p point) (float64, error) {
		other, err := r.peer(p, name)
		if err != nil {
			return 0, err
		}
		return r[p].recovery.FirstNs / other.recovery.FirstNs, nil
	}
}

// checksum is the time that reading and checksumming the same files took. They
// are those of a store right after a checkpoint.
func (r round) checksum(p point) (float64, error) {
	if p.state != atSnapshot {
		return 0, missing("the files of this store")
	}
	s, ok := r[point{kind: checksumKind, engine: p.engine, dur: p.dur, actors: p.actors, cache: p.cache}]
	if !ok {
		return 0, missing("reading and checksumming the files")
	}
	return s.nsPerOp, nil
}

func firstOverChecksum(r round, p point) (float64, error) {
	floor, err := r.checksum(p)
	return r[p].recovery.FirstNs / floor, err
}

func readyOverChecksum(r round, p point) (float64, error) {
	floor, err := r.checksum(p)
	return r[p].recovery.ReadyNs / floor, err
}

func firstReadMs(r round, p point) (float64, error) { return r[p].recovery.FirstNs / 1e6, nil }

// replayRate is how many million renewals a second opening takes in beyond what
// the same leases take to open without any.
func replayRate(r round, p point) (float64, error) {
	q := p
	q.state = atSnapshot
	without, ok := r[q]
	if !ok {
		return 0, missing("the same store without renewals in its log")
	}
	replayed := r[p].recovery.Replayed - without.recovery.Replayed
	took := r[p].recovery.ReadyNs - without.recovery.ReadyNs
	if replayed <= 0 || took <= 0 {
		return 0, fmt.Errorf("opening with %.0f more log records took %.0f ns more", replayed, took)
	}
	return replayed / took * 1e3, nil
}

func collectorPercent(r round, p point) (float64, error) { return 100 * r[p].collector.Share, nil }

func collectorPause(r round, p point) (float64, error) { return r[p].collector.PauseNs / 1e3, nil }

// memoryByMillion is in MB by million leases.
func memoryByMillion(r round, p point) (float64, error) {
	return r[p].memory.Anonymous / float64(p.actors), nil
}
