package index

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"

	"orbitbench/engines"
)

// Cache keeps account of keyspace QueryCache, so that the engine can bound it:
// the size of its records, and the order in which they should be evicted. The
// oldest comes first, but one that was read since it was last looked at goes to
// the end once more, and so does one that is replaced.
type Cache struct {
	ix    *Index
	bytes atomic.Int64 // keys and values of the records

	mu     sync.Mutex // after the lock of a stripe; guards all below
	places map[uint32]uint32
	nodes  []cacheNode // a ring: nodes[0] is before the oldest and behind the newest
	free   []uint32
	loaded bool // replay has added records, in no order
}

// cacheNode is a place in the ring: a record, and its neighbours.
type cacheNode struct{ id, prev, next uint32 }

// NewCache makes the index keep account of the query cache. It is called before replay.
func (ix *Index) NewCache() *Cache {
	ix.cache = &Cache{ix: ix, places: make(map[uint32]uint32), nodes: make([]cacheNode, 1), loaded: true}
	return ix.cache
}

// Bytes returns the length of all keys and values in the query cache.
func (c *Cache) Bytes() int64 { return c.bytes.Load() }

// Len returns the number of records in the query cache.
func (c *Cache) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.places)
}

func (c *Cache) linkLocked(place uint32) {
	last := c.nodes[0].prev
	c.nodes[place].prev, c.nodes[place].next = last, 0
	c.nodes[last].next, c.nodes[0].prev = place, place
}

func (c *Cache) unlinkLocked(place uint32) {
	n := c.nodes[place]
	c.nodes[n.prev].next, c.nodes[n.next].prev = n.next, n.prev
}

// put is called when a record has got a value. grown is by how much it is
// longer than the one before, if it had one.
func (c *Cache) put(id uint32, grown int) {
	c.bytes.Add(int64(grown))
	c.mu.Lock()
	defer c.mu.Unlock()
	place, ok := c.places[id]
	switch n := len(c.free); {
	case ok:
		c.unlinkLocked(place)
	case n > 0:
		place, c.free = c.free[n-1], c.free[:n-1]
	default:
		place = uint32(len(c.nodes))
		c.nodes = append(c.nodes, cacheNode{})
	}
	c.places[id], c.nodes[place].id = place, id
	c.linkLocked(place)
}

// removed is called when a record of size bytes is gone.
func (c *Cache) removed(id uint32, size int) {
	c.bytes.Add(-int64(size))
	c.mu.Lock()
	defer c.mu.Unlock()
	if place, ok := c.places[id]; ok {
		c.unlinkLocked(place)
		delete(c.places, id)
		c.free = append(c.free, place)
	}
}

// oldest returns up to n ids in order.
func (c *Cache) oldest(dst []uint32, n int) []uint32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	for place := c.nodes[0].next; place != 0 && n > 0; place = c.nodes[place].next {
		dst = append(dst, c.nodes[place].id)
		n--
	}
	return dst
}

// again puts a record to the end.
func (c *Cache) again(id uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if place, ok := c.places[id]; ok {
		c.unlinkLocked(place)
		c.linkLocked(place)
	}
}

// Victims calls visit with up to n records that should be evicted next, under
// the lock of their stripes; visit must not keep what it gets. Records that were
// read since they were looked at last are passed over. After a reopen the order
// begins with that of created, which is given the value of each record.
func (c *Cache) Victims(n int, created func(value []byte) int64, visit func(key, value []byte, v engines.Version)) {
	c.order(created)
	found := 0
	// Records that were read go to the end: the second round meets them unread.
	for range 2 {
		for _, id := range c.oldest(nil, n) {
			read := false
			c.ix.look(id, func(r record) {
				if read = r.wasRead(); read {
					r.setRead(false)
					return
				}
				visit(r.key(), r.value(), r.version())
				found++
			})
			if read {
				c.again(id)
			}
		}
		if found > 0 {
			return
		}
	}
}

// Each calls visit with the records in order of eviction, n at most from the
// begin-th on, and returns how many there were.
func (c *Cache) Each(begin, n int, visit func(key, value []byte, v engines.Version)) int {
	ids := c.oldest(nil, begin+n)
	ids = ids[min(begin, len(ids)):]
	for _, id := range ids {
		c.ix.look(id, func(r record) { visit(r.key(), r.value(), r.version()) })
	}
	return len(ids)
}

// look calls f with a visible record of the query cache, under its stripe's lock.
func (ix *Index) look(id uint32, f func(r record)) {
	s := &ix.stripes[StripeOf(id)]
	s.mu.Lock()
	defer s.mu.Unlock()
	if local := localOf(id); s.gate == 0 && local < uint32(len(s.handles)) && s.handles[local] != 0 {
		if r := ix.rec(s.handles[local]); r.keyspace() == engines.QueryCache && r.version() != 0 {
			f(r)
		}
	}
}

// order sorts the ring if replay has filled it.
func (c *Cache) order(created func(value []byte) int64) {
	c.mu.Lock()
	loaded := c.loaded
	c.loaded = false
	c.mu.Unlock()
	if !loaded {
		return
	}
	type aged struct {
		id uint32
		at int64
	}
	var all []aged
	for _, id := range c.oldest(nil, c.Len()) {
		c.ix.look(id, func(r record) { all = append(all, aged{id, created(r.value())}) })
	}
	slices.SortStableFunc(all, func(a, b aged) int { return cmp.Compare(a.at, b.at) })
	for _, a := range all {
		c.again(a.id)
	}
}
