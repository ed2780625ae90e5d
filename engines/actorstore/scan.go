package actorstore

import (
	"bytes"
	"context"
	"errors"
	"sync"

	"orbitbench/engines"
	"orbitbench/engines/internal/index"
)

// Batches of a scan grow, so that a short one reads few keys too many and a
// long one seeks seldom.
const (
	firstBatch = 32
	lastBatch  = 512
)

// merge is a scan over keyspace TimeSeries: the keys of the index and the sealed
// points, in order. A key that both have is read as Get reads it. Points move
// from the index into blocks only, so whatever the batch of keys has missed
// because it moved is in blocks that are collected later.
type merge struct {
	keys  index.Keys
	ki    int
	kFull bool // there may be more keys behind the batch

	cold  coldKeys
	ci    int
	cFull bool
	epoch uint64 // of the blocks when cold was collected

	from  []byte // everything up to here was yielded
	after bool
	value []byte
}

var merges = sync.Pool{New: func() any { return new(merge) }}

// scanSeries yields what get says of the points in [from, to), in key order.
func (e *engine) scanSeries(ctx context.Context, from, to []byte, get index.GetFunc, yield func(key, value []byte, v engines.Version) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if to != nil && bytes.Compare(from, to) >= 0 {
		return e.open()
	}
	m := merges.Get().(*merge)
	defer merges.Put(m)
	m.from, m.after = append(m.from[:0], from...), false
	m.ci = len(m.cold.items) // what an earlier scan has left is not ours
	for size := firstBatch; ; size = min(2*size, lastBatch) {
		more, err := m.fill(ctx, e, to, size)
		if err != nil || !more {
			return err
		}
		if err := m.drain(ctx, get, yield); err != nil {
			if errors.Is(err, engines.ErrStopScan) {
				return nil
			}
			return err
		}
	}
}

// fill collects the next keys of the index and, after them, the next sealed
// points. It reports whether there are any.
func (m *merge) fill(ctx context.Context, e *engine, to []byte, size int) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	if err := e.index.Keys(ctx, &m.keys, engines.TimeSeries, m.from, to, m.after, size); err != nil {
		return false, err
	}
	m.ki, m.kFull = 0, m.keys.Len() == size
	if epoch := e.series.epoch.Load(); m.ci >= len(m.cold.items) || epoch != m.epoch {
		m.epoch = epoch
		e.series.collect(&m.cold, m.from, to, m.after, size)
		m.ci, m.cFull = 0, len(m.cold.items) == size
	}
	return m.keys.Len() > 0 || len(m.cold.items) > m.ci, nil
}

// drain yields what is in both batches, up to where one of them ends and may go on.
func (m *merge) drain(ctx context.Context, get index.GetFunc, yield func(key, value []byte, v engines.Version) error) error {
	for {
		hasKey, hasCold := m.ki < m.keys.Len(), m.ci < len(m.cold.items)
		if !hasKey && (m.kFull || !hasCold) || !hasCold && m.cFull {
			return nil
		}
		side := 0 // which one is first; 0: both
		switch {
		case !hasCold:
			side = -1
		case !hasKey:
			side = 1
		default:
			side = bytes.Compare(m.keys.At(m.ki), m.cold.key(m.ci))
		}
		if err := m.step(ctx, side, get, yield); err != nil {
			return err
		}
	}
}

func (m *merge) step(ctx context.Context, side int, get index.GetFunc, yield func(key, value []byte, v engines.Version) error) error {
	if side > 0 {
		i := m.ci
		m.ci++
		m.passed(m.cold.key(i))
		return yield(m.cold.key(i), m.cold.value(i), m.cold.items[i].version)
	}
	key := m.keys.At(m.ki)
	m.ki++
	if side == 0 {
		m.ci++
	}
	m.passed(key)
	value, v, err := get(ctx, engines.TimeSeries, key, m.value[:0])
	m.value = value
	if errors.Is(err, engines.ErrNotFound) {
		return nil // not there in this view
	}
	if err != nil {
		return err
	}
	return yield(key, value, v)
}

func (m *merge) passed(key []byte) { m.from, m.after = append(m.from[:0], key...), true }
