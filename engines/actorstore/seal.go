package actorstore

import (
	"context"
	"sort"

	"orbitbench/engines"
	"orbitbench/engines/internal/index"
)

// Sealing moves the points of time series out of the index into blocks. It is
// the first thing that a checkpoint does: the ids of the points that have moved
// are used again only when the checkpoint is durable, so that no replay meets a
// point under an id that belongs to another record by then.

// sealPoints and sealBytes bound how much of one metric moves at a time.
const (
	sealPoints = 8192
	sealBytes  = 4 << 20
)

// run is points of one metric on their way into blocks, in order.
type run struct {
	metric string
	points []point // value is nil: it lies in bytes, from ends[i-1] to ends[i]
	bytes  []byte
	ends   []int
}

func (r *run) add(t uint64, v engines.Version, value []byte) {
	r.points = append(r.points, point{time: t, version: v})
	r.bytes = append(r.bytes, value...)
	r.ends = append(r.ends, len(r.bytes))
}

func (r *run) at(i int) point {
	begin := 0
	if i > 0 {
		begin = r.ends[i-1]
	}
	p := r.points[i]
	p.value = r.bytes[begin:r.ends[i]:r.ends[i]]
	return p
}

// seal seals every point of the index that readers can see. It stops early
// while a view is open, whose points must stay where they are.
func (e *engine) seal(ctx context.Context) error {
	before := e.index.Points()
	if before == e.sealed.Load() {
		return nil
	}
	var keys index.Keys
	var r run
	var from, value []byte
	after := false
	for {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if err := e.index.Keys(ctx, &keys, engines.TimeSeries, from, nil, after, lastBatch); err != nil {
			return err
		}
		for i := range keys.Len() {
			metric, t, ok := splitKey(keys.At(i))
			if !ok {
				continue // no point: it stays in the index
			}
			if string(metric) != r.metric || len(r.points) == sealPoints || len(r.bytes) >= sealBytes {
				if !e.sealRun(&r) {
					return nil
				}
				r = run{metric: string(metric), points: r.points[:0], bytes: r.bytes[:0], ends: r.ends[:0]}
			}
			var v engines.Version
			var err error
			if value, v, err = e.index.Get(ctx, engines.TimeSeries, keys.At(i), value[:0]); err == nil {
				r.add(t, v, value)
			}
		}
		if keys.Len() < lastBatch {
			break
		}
		from, after = append(from[:0], keys.At(keys.Len()-1)...), true
	}
	if e.sealRun(&r) {
		e.sealed.Store(before)
	}
	return nil
}

// sealRun merges a run into the blocks of its metric and takes its points out of
// the index. It reports false, having done nothing, if a view is open.
func (e *engine) sealRun(r *run) bool {
	if len(r.points) == 0 {
		return true
	}
	old := e.series.blocksOf([]byte(r.metric))
	first, last := r.points[0].time, r.points[len(r.points)-1].time
	lo := sort.Search(len(old), func(i int) bool { return old[i].last >= first })
	hi := sort.Search(len(old), func(i int) bool { return old[i].first > last })
	if lo > 0 && old[lo-1].n < blockPoints/2 {
		lo-- // fill up what the last time has left
	}
	added := make([]bool, len(r.points)) // and not replaced
	blocks := r.merge(old[lo:hi], added)
	return e.index.WithoutViews(func() {
		e.series.replace(r.metric, lo, hi, blocks)
		var key []byte
		for i, p := range r.points {
			key = appendPointKey(key[:0], r.metric, p.time)
			e.index.Retire(engines.TimeSeries, key, p.version, added[i])
		}
	})
}

// merge returns blocks with the points of old and of the run, which replace
// those of the same time, and notes which of the run replace none.
func (r *run) merge(old []*block, added []bool) (blocks []*block) {
	w := newBlockWriter()
	add := func(p point) {
		w.add(p)
		if w.full() {
			blocks = append(blocks, w.block())
		}
	}
	i := 0
	// upTo adds the points of the run before time t.
	upTo := func(t uint64) {
		for ; i < len(r.points) && r.points[i].time < t; i++ {
			added[i] = true
			add(r.at(i))
		}
	}
	var p point
	for _, b := range old {
		for reader := b.reader(); reader.mustNext(&p); {
			upTo(p.time)
			if i < len(r.points) && r.points[i].time == p.time {
				add(r.at(i))
				i++
				continue
			}
			add(p)
		}
	}
	for ; i < len(r.points); i++ {
		added[i] = true
		add(r.at(i))
	}
	if w.n > 0 {
		blocks = append(blocks, w.block())
	}
	return blocks
}
