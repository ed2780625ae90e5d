package cell

import (
	"bytes"
	"context"
	"fmt"

	"orbitbench/engines"
	"orbitbench/engines/lease"
	"orbitbench/harness/offheap"
	"orbitbench/harness/record"
	"orbitbench/workloads"
)

// seriesStore is the store of time series. Each series is written by one worker.
type seriesStore struct {
	params workloads.Params
	space  *workloads.Series
	points []uint64 // of each series, acknowledged
}

func newSeriesStore(p workloads.Params, seed uint64, m *offheap.Arena) (*seriesStore, error) {
	space, err := workloads.NewSeries(p, seed)
	if err != nil {
		return nil, err
	}
	return &seriesStore{params: p, space: space, points: offheap.Take[uint64](m, space.Size())}, nil
}

// appendPoint appends the value of point n of a series to dst.
func (s *seriesStore) appendPoint(dst []byte, series int, n uint64) ([]byte, error) {
	var p lease.Point
	s.space.Fill(&p, series, n)
	return p.AppendBinary(dst)
}

// fill stores the first points of all series, in the order of time.
func (s *seriesStore) fill(ctx context.Context, e engines.Engine, progress func(done, total int)) (records int, bytes int64, err error) {
	total := s.space.Prefilled() * s.space.Size()
	f := &filler{ctx: ctx, engine: e, keyspace: engines.TimeSeries, total: total, told: progress,
		assigned: func(i int, _ uint64) { s.points[i%s.space.Size()]++ }}
	for n := range uint64(s.space.Prefilled()) {
		for series := range s.space.Size() {
			value, err := s.appendPoint(nil, series, n)
			if err == nil {
				err = f.put(s.space.AppendKey(nil, series, n), value)
			}
			if err != nil {
				return 0, 0, err
			}
		}
	}
	return total, f.bytes, f.flush()
}

func (s *seriesStore) performers(e engines.Engine, seed uint64) (all []performer) {
	for _, next := range s.space.Steps(seed) {
		all = append(all, &seriesPerformer{seriesStore: s, ctx: context.Background(), engine: e, next: next})
	}
	return all
}

func (s *seriesStore) liveBytes() (n uint64) {
	for _, points := range s.points {
		n += points * uint64(s.space.KeyBytes()+s.params.ValueBytes)
	}
	return n
}

func (s *seriesStore) writtenBytes(op int) uint64 {
	if op == workloads.SeriesAppend {
		return uint64(s.space.KeyBytes() + s.params.ValueBytes)
	}
	return 0
}

// check demands of every series all the points that were acknowledged and no other.
func (s *seriesStore) check(ctx context.Context, e engines.Engine) (*checked, error) {
	c := &checked{what: "points"}
	seen := make([]uint64, s.space.Size())
	var want []byte
	err := e.Scan(ctx, engines.TimeSeries, nil, nil, func(key, value []byte, _ engines.Version) (err error) {
		series, n, ok := s.space.PointOf(key)
		switch {
		case !ok:
			c.fault(&c.Phantom, "key %x is of no point", key)
			return nil
		case n >= s.points[series]:
			c.fault(&c.Phantom, "series %d has a point %d, acknowledged were %d", series, n, s.points[series])
			return nil
		}
		seen[series]++
		c.Records++
		if want, err = s.appendPoint(want[:0], series, n); err != nil {
			return err
		}
		if !bytes.Equal(want, value) {
			c.fault(&c.Lost, "point %d of series %d differs from what was written", n, series)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("scan of the time series: %w", err)
	}
	for series, points := range s.points {
		for range points - min(points, seen[series]) {
			c.gone("a point of series %d, of which %d were acknowledged", series, points)
		}
	}
	return c, nil
}

// seriesPerformer carries out the operations of one worker on the series.
type seriesPerformer struct {
	*seriesStore
	ctx    context.Context
	engine engines.Engine
	next   workloads.Stepper
	step   workloads.Step

	key, to, value []byte
	err            error // of prepare
	batch          engines.Batch
}

// prepare lays out the point that is appended, or the range that is read.
func (p *seriesPerformer) prepare() {
	p.next.Next(&p.step)
	n := p.points[p.step.Item]
	if p.step.Op == workloads.SeriesAppend {
		p.key = p.space.AppendKey(p.key[:0], p.step.Item, n)
		p.value, p.err = p.appendPoint(p.value[:0], p.step.Item, n)
		return
	}
	p.key = p.space.AppendKey(p.key[:0], p.step.Item, n-min(n, workloads.SeriesPage))
	p.to = p.space.AppendKey(p.to[:0], p.step.Item, n)
}

func (p *seriesPerformer) do(int64) (op int, outcome record.Outcome, err error) {
	if p.step.Op == workloads.SeriesAppend {
		err = p.append()
	} else {
		err = p.read()
	}
	return p.step.Op, outcomeOf(err), err
}

func (p *seriesPerformer) append() error {
	if p.err != nil {
		return p.err
	}
	p.batch.Reset()
	p.batch.Put(engines.TimeSeries, p.key, p.value)
	if err := p.engine.Apply(p.ctx, &p.batch); err != nil {
		return err
	}
	p.points[p.step.Item]++
	return nil
}

func (p *seriesPerformer) read() error {
	got := uint64(0)
	err := p.engine.Scan(p.ctx, engines.TimeSeries, p.key, p.to, func(_, value []byte, _ engines.Version) error {
		if len(value) != p.params.ValueBytes {
			return fmt.Errorf("a point of %d bytes, want %d", len(value), p.params.ValueBytes)
		}
		got++
		return nil
	})
	if want := min(p.points[p.step.Item], workloads.SeriesPage); err == nil && got != want {
		err = fmt.Errorf("%w: series %d: read %d of its last %d points", errLost, p.step.Item, got, want)
	}
	return err
}
