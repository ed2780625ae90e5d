package cowbtree

import (
	"bytes"

	"orbitbench/engines"
)

// Searching. A node keeps four bytes of each key beside each other, so that a
// search touches two or three cache lines of it and, in a leaf, the one record that it
// finds. The position is guessed by interpolation, which is off by about
// the square root of the number of keys when they are uniform, and then corrected in
// growing steps, so that any distribution costs a logarithm at most.

// maxHeight bounds the path from a root to a leaf: a node but the root has two
// entries at least, and there are fewer than 2^32 records.
const maxHeight = 34

// way leads from a root to a leaf: nodes and the entries taken in them.
type way struct {
	depth int // of the leaf; 0: the root is a leaf; -1: there is no root
	refs  [maxHeight]ref
	at    [maxHeight]int
}

// lower returns the first entry from on whose head is not below h.
func (n *node) lower(h head, from int) int {
	count := int(n.n)
	if from >= count || h <= n.first {
		return from
	}
	g := from + int(float64(h-n.first)*n.slope)
	if g >= count || g < from {
		g = count - 1
	}
	lo, hi := from, count
	if n.head(g) < h {
		lo = g + 1
		for step := 4; lo+step < count; step *= 2 {
			if n.head(lo+step-1) >= h {
				hi = lo + step
				break
			}
			lo += step
		}
	} else {
		hi = g
		for step := 4; hi-step > from; step *= 2 {
			if n.head(hi-step) < h {
				lo = hi - step
				break
			}
			hi -= step
		}
	}
	for hi-lo > 4 {
		mid := int(uint(lo+hi) >> 1)
		if n.head(mid) < h {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	for lo < hi && n.head(lo) < h {
		lo++
	}
	return lo
}

// setSlope prepares the guess of lower.
func (n *node) setSlope() {
	from := 0
	if n.kind == kindInner {
		from = 1
	}
	n.first, n.slope = 0, 0
	last := int(n.n) - 1
	if last <= from {
		if last == from {
			n.first = n.head(from)
		}
		return
	}
	n.first = n.head(from)
	if span := n.head(last) - n.first; span > 0 {
		n.slope = float64(last-from) / float64(span)
	}
}

// child returns the entry of an inner node that holds key.
func (m mem) child(n *node, key []byte) int {
	count := int(n.n)
	if count == 1 {
		return 0
	}
	seps := n.seps()
	if p := int(n.prefix); p > 0 {
		switch comparePrefix(key, m.separator(seps[1]).key(), p) {
		case -1:
			return 0
		case 1:
			return count - 1
		}
	}
	h := headOf(key, int(n.prefix))
	i := n.lower(h, 1)
	if i == count || n.head(i) != h {
		return i - 1
	}
	// Entries with the same head are told apart by the whole separator.
	lo, hi := i, i+1
	for hi < count && n.head(hi) == h {
		hi++
	}
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if bytes.Compare(m.separator(seps[mid]).key(), key) <= 0 {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo - 1
}

// exact returns the entry of key in a leaf, and its record, or nil.
func (m mem) exact(n *node, key []byte) (int, *record) {
	p := int(n.prefix)
	if len(key) < p {
		return 0, nil
	}
	h := headOf(key, p)
	i := n.lower(h, 0)
	if i == int(n.n) || n.head(i) != h {
		return i, nil
	}
	if r := m.record(n.id(i)); bytes.Equal(r.key(), key) {
		return i, r
	}
	if i+1 == int(n.n) || n.head(i+1) != h {
		return i, nil
	}
	i, r := m.among(n, i, h, key)
	return i, r
}

// among searches the entries from i on that have head h.
func (m mem) among(n *node, i int, h head, key []byte) (int, *record) {
	lo, hi := i, i+1
	for hi < int(n.n) && n.head(hi) == h {
		hi++
	}
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		r := m.record(n.id(mid))
		switch bytes.Compare(r.key(), key) {
		case 0:
			return mid, r
		case -1:
			lo = mid + 1
		default:
			hi = mid
		}
	}
	return lo, nil
}

// position returns the first entry of a leaf whose key is not below key, and
// whether it is key.
func (m mem) position(n *node, key []byte) (int, bool) {
	if n.n == 0 {
		return 0, false
	}
	p := int(n.prefix)
	if p > 0 {
		switch comparePrefix(key, m.record(n.id(0)).key(), p) {
		case -1:
			return 0, false
		case 1:
			return int(n.n), false
		}
	}
	h := headOf(key, p)
	i := n.lower(h, 0)
	if i == int(n.n) || n.head(i) != h {
		return i, false
	}
	i, r := m.among(n, i, h, key)
	return i, r != nil
}

// resolve follows a stub to the node that was read from its page. It returns
// the stub itself if that has not happened yet.
func (m mem) resolve(r ref) (ref, *node) {
	n := m.node(r)
	if n.kind == kindStub {
		if l := n.loadedRef(); l != 0 {
			return l, m.node(l)
		}
	}
	return r, n
}

// lookup finds a record from a table of roots. stub is the page that must be read
// first, or 0.
func (m mem) lookup(top ref, ks engines.Keyspace, key []byte) (rec *record, stub ref) {
	r := m.roots(top).get(ks)
	if r == 0 {
		return nil, 0
	}
	r, n := m.resolve(r)
	for n.kind == kindInner {
		r, n = m.resolve(n.id(m.child(n, key)))
	}
	if n.kind == kindStub {
		return nil, r
	}
	_, rec = m.exact(n, key)
	return rec, 0
}
