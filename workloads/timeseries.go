package workloads

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"time"

	"orbitbench/engines/lease"
)

// Operations on the time series.
const (
	SeriesAppend = iota // add the next point of a series
	SeriesRange         // read the last points of a series (SeriesPage)

	numSeriesOps = SeriesRange + 1
)

var seriesOpNames = [numSeriesOps]string{"append", "range"}

// SeriesPage is how many points a range read wants, the newest ones.
const SeriesPage = 100

// seriesPoints is how many points of each series a full Prefill stores.
const seriesPoints = 200

// Series is a population of Params.Actors time series. Each is written by one
// worker, in the order of time: point n of a series lies n seconds after its
// first. It is immutable and safe for concurrent use.
type Series struct {
	params Params
	seed   uint64
	bare   int // bytes of a point without padding
}

// The time of each series' first point, and from one point to the next, in ns.
const (
	seriesOrigin = 1_700_000_000 * int64(time.Second)
	seriesStep   = int64(time.Second)
)

func (p *Params) validateSeries() error {
	if p.Workers > p.Actors {
		return fmt.Errorf("workers is %d, want at most one for each of %d series", p.Workers, p.Actors)
	}
	if s := newSeries(*p, 0); p.ValueBytes < s.bare {
		return fmt.Errorf("value_bytes is %d, a point of this workload takes at least %d", p.ValueBytes, s.bare)
	}
	return nil
}

// NewSeries returns the series of p under seed.
func NewSeries(p Params, seed uint64) (*Series, error) {
	if p.Store != StoreTimeSeries {
		return nil, fmt.Errorf("store is %q, want %s", p.Store, StoreTimeSeries)
	}
	if err := p.Validate(); err != nil {
		return nil, err
	}
	return newSeries(p, seed), nil
}

func newSeries(p Params, seed uint64) *Series {
	s := &Series{params: p, seed: mix(seed ^ golden)}
	var point lease.Point
	s.fillBare(&point, 0, 0)
	s.bare = len(encoded(point.AppendBinary(nil)))
	return s
}

// Size is the number of series.
func (s *Series) Size() int { return s.params.Actors }

// Prefilled is how many points each series has before the load.
func (s *Series) Prefilled() int { return int(math.Round(s.params.Prefill * seriesPoints)) }

const metricPrefix = "orbit.actor.load."

func (s *Series) metric(series int) string { return fmt.Sprintf("%s%06d", metricPrefix, series) }

// AppendKey appends the key of point n of a series to dst.
func (s *Series) AppendKey(dst []byte, series int, n uint64) []byte {
	return lease.AppendPointKey(dst, s.metric(series), seriesOrigin+int64(n)*seriesStep)
}

// KeyBytes is the length of the longest key.
func (s *Series) KeyBytes() int { return len(s.AppendKey(nil, s.Size()-1, 0)) }

// PointOf returns the series of a key and the number of its point, or false if
// the key is of no point of this workload.
func (s *Series) PointOf(key []byte) (series int, n uint64, ok bool) {
	const tail = 9 // a zero byte and the timestamp
	if len(key) < tail {
		return 0, 0, false
	}
	number, prefixed := bytes.CutPrefix(key[:len(key)-tail], []byte(metricPrefix))
	if !prefixed {
		return 0, 0, false
	}
	series, err := strconv.Atoi(string(number))
	since := int64(binary.BigEndian.Uint64(key[len(key)-8:])) - seriesOrigin
	if err != nil || series < 0 || series >= s.Size() || since < 0 || since%seriesStep != 0 {
		return 0, 0, false
	}
	n = uint64(since / seriesStep)
	return series, n, bytes.Equal(s.AppendKey(nil, series, n), key)
}

// Fill sets *p to point n of a series, Params.ValueBytes long.
func (s *Series) Fill(p *lease.Point, series int, n uint64) {
	s.fillBare(p, series, n)
	p.Labels[1].Value = string(fill(nil, s.seed+uint64(series), s.params.ValueBytes-s.bare))
}

func (s *Series) fillBare(p *lease.Point, series int, n uint64) {
	*p = lease.Point{
		Value:  float64(mix(s.seed+uint64(series)*golden^n)>>11) / (1 << 53),
		Labels: []lease.Tag{{Name: "node", Value: nodeName(series % 1000)}, {Name: "labels"}},
	}
}

// SeriesSteps draws the steps of one worker, on series of its own.
type SeriesSteps struct {
	rng     random
	cuts    []uint64
	worker  int
	workers int
	own     uint64
}

var _ Stepper = (*SeriesSteps)(nil)

// Steps returns the steps of each worker.
func (s *Series) Steps(seed uint64) []*SeriesSteps {
	cuts := cutsOf(s.params.Mix, seriesOpNames[:])
	all := make([]*SeriesSteps, s.params.Workers)
	for w := range all {
		own := (s.params.Actors - w + s.params.Workers - 1) / s.params.Workers
		all[w] = &SeriesSteps{rng: newRandom(seed, w), cuts: cuts, worker: w, workers: s.params.Workers, own: uint64(own)}
	}
	return all
}

// Next implements Stepper.
func (g *SeriesSteps) Next(s *Step) {
	x := g.rng.next()
	s.Op = drawOp(g.cuts, x&(1<<32-1))
	s.Item = int(x>>32*g.own>>32)*g.workers + g.worker
}
