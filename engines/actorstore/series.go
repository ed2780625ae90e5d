package actorstore

import (
	"bytes"
	"slices"
	"sort"
	"sync"
	"sync/atomic"

	"orbitbench/engines"
)

// timeBytes is the length of a timestamp in a key: a key of a series is its
// metric, a zero byte, and the timestamp, big endian (lease.AppendPointKey).
const timeBytes = 8

// splitKey returns metric and timestamp of a key that can belong to a series.
func splitKey(key []byte) (metric []byte, t uint64, ok bool) {
	n := len(key) - timeBytes - 1
	if n < 1 || key[n] != 0 || bytes.IndexByte(key[:n], 0) >= 0 {
		return nil, 0, false
	}
	return key[:n], be.Uint64(key[n+1:]), true
}

func appendPointKey(dst []byte, metric string, t uint64) []byte {
	return be.AppendUint64(append(append(dst, metric...), 0), t)
}

// seriesStore is the cold part of keyspace TimeSeries: the points that were
// sealed into blocks. What the index holds of the keyspace comes before it.
type seriesStore struct {
	mu     sync.RWMutex
	series map[string]*series
	names  []string // sorted; guarded by mu, like series

	epoch  atomic.Uint64 // grows when points move in
	points atomic.Uint64
	bytes  atomic.Int64 // of block data
}

// series is the blocks of one metric. They do not overlap, and are replaced as a whole.
type series struct{ blocks []*block }

// Len is index.Cold.
func (s *seriesStore) Len() uint64 { return s.points.Load() }

func newSeriesStore() *seriesStore { return &seriesStore{series: make(map[string]*series)} }

// blocksOf returns the blocks of a metric in order.
func (s *seriesStore) blocksOf(metric []byte) []*block {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if e := s.series[string(metric)]; e != nil {
		return e.blocks
	}
	return nil
}

// find returns the block that may hold time t, or nil.
func find(blocks []*block, t uint64) *block {
	i := sort.Search(len(blocks), func(i int) bool { return blocks[i].last >= t })
	if i == len(blocks) || blocks[i].first > t {
		return nil
	}
	return blocks[i]
}

// get appends the value of a sealed point to dst. Blocks in memory were checked
// when they were read or made, so decoding them cannot fail.
func (s *seriesStore) get(key, dst []byte) ([]byte, engines.Version, bool) {
	metric, t, ok := splitKey(key)
	if !ok {
		return dst, 0, false
	}
	b := find(s.blocksOf(metric), t)
	if b == nil {
		return dst, 0, false
	}
	var p point
	for r := b.reader(); r.mustNext(&p); {
		if p.time == t {
			return append(dst, p.value...), p.version, true
		}
		if p.time > t {
			break
		}
	}
	return dst, 0, false
}

// Version is index.Cold.
func (s *seriesStore) Version(key []byte) engines.Version {
	if s.points.Load() == 0 {
		return 0
	}
	_, v, _ := s.get(key, nil)
	return v
}

// reader reads a block that is known to be whole.
func (b *block) reader() blockReader {
	r, err := readBlock(b.data, b.n)
	if err != nil {
		panic("actorstore: " + err.Error())
	}
	return r
}

func (r *blockReader) mustNext(p *point) bool {
	ok, err := r.next(p)
	if err != nil {
		panic("actorstore: " + err.Error())
	}
	return ok
}

// replace puts blocks into the place of the blocks [from, to) of a metric.
func (s *seriesStore) replace(metric string, from, to int, blocks []*block) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.series[metric]
	if e == nil {
		e = &series{}
		s.series[metric] = e
		at, _ := slices.BinarySearch(s.names, metric)
		s.names = slices.Insert(s.names, at, metric)
	}
	for _, b := range e.blocks[from:to] {
		s.points.Add(-uint64(b.n))
		s.bytes.Add(-int64(len(b.data)))
	}
	for _, b := range blocks {
		s.points.Add(uint64(b.n))
		s.bytes.Add(int64(len(b.data)))
	}
	// Readers hold the old slice: it stays as it is.
	e.blocks = slices.Concat(e.blocks[:from], blocks, e.blocks[to:])
	s.epoch.Add(1)
}

// load adds a block of a checkpoint; they come in order.
func (s *seriesStore) load(metric string, b *block) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.series[metric]
	if e == nil {
		e = &series{}
		s.series[metric] = e
		s.names = append(s.names, metric)
	}
	e.blocks = append(e.blocks, b)
	s.points.Add(uint64(b.n))
	s.bytes.Add(int64(len(b.data)))
	return nil
}

// snapshot returns every metric with its blocks as they are now.
func (s *seriesStore) snapshot() (names []string, blocks [][]*block) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, name := range s.names {
		names = append(names, name)
		blocks = append(blocks, s.series[name].blocks)
	}
	return names, blocks
}

// coldKeys is a batch of sealed points in key order.
type coldKeys struct {
	bytes []byte
	items []coldItem
}

// coldItem is where key and value of a point lie in coldKeys.bytes.
type coldItem struct {
	key, value, end int
	version         engines.Version
}

func (c *coldKeys) key(i int) []byte { return c.bytes[c.items[i].key:c.items[i].value] }
func (c *coldKeys) value(i int) []byte {
	return c.bytes[c.items[i].value:c.items[i].end:c.items[i].end]
}

// collect sets dst to the first sealed points of [from, to), or, with after, of
// (from, to). There are fewer than limit only if there are no more.
func (s *seriesStore) collect(dst *coldKeys, from, to []byte, after bool, limit int) {
	dst.bytes, dst.items = dst.bytes[:0], dst.items[:0]
	// A metric that sorts below the part of from before its first zero byte has no key in the range.
	low := from
	if i := bytes.IndexByte(from, 0); i >= 0 {
		low = from[:i]
	}
	name, blocks, ok := s.following(string(low), true)
	for ok && (to == nil || bytes.Compare(append([]byte(name), 0), to) < 0) && dst.fromSeries(name, blocks, from, to, after, limit) {
		name, blocks, ok = s.following(name, false)
	}
}

// following returns the first metric above name, or, with equal, from name on.
func (s *seriesStore) following(name string, equal bool) (string, []*block, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	at, found := slices.BinarySearch(s.names, name)
	if found && !equal {
		at++
	}
	if at == len(s.names) {
		return "", nil, false
	}
	return s.names[at], s.series[s.names[at]].blocks, true
}

// fromSeries adds points of one metric and reports whether the range may go on behind it.
func (c *coldKeys) fromSeries(name string, blocks []*block, from, to []byte, after bool, limit int) bool {
	var key []byte
	begin := 0
	if metric, t, ok := splitKey(from); ok && string(metric) == name {
		begin = sort.Search(len(blocks), func(i int) bool { return blocks[i].last >= t })
	}
	var p point
	for _, b := range blocks[begin:] {
		for r := b.reader(); r.mustNext(&p); {
			key = appendPointKey(key[:0], name, p.time)
			switch d := bytes.Compare(key, from); {
			case d < 0 || d == 0 && after:
				continue
			case to != nil && bytes.Compare(key, to) >= 0:
				return false
			}
			it := coldItem{key: len(c.bytes), version: p.version}
			c.bytes = append(c.bytes, key...)
			it.value = len(c.bytes)
			c.bytes = append(c.bytes, p.value...)
			it.end = len(c.bytes)
			c.items = append(c.items, it)
			if len(c.items) == limit {
				return false
			}
		}
	}
	return true
}
