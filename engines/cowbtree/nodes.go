package cowbtree

import "orbitbench/engines"

// Making nodes. Structural changes gather the entries of a node in slices,
// change those, and build one or two nodes from them.

// fresh is a node that is not in the tree yet.
type fresh struct {
	ref  ref
	node *node
}

func (t *tree) newNode(kind, level uint8, n int) fresh {
	room := roomFor(n, t.maxKeys)
	r := t.alloc(nodeBytes(kind, room))
	p := t.node(r)
	*p = node{kind: kind, level: level, n: uint16(n), born: t.gen, batch: t.batch, room: uint16(room)}
	return fresh{r, p}
}

// copyNode copies a node to change it; the copy has room for more entries.
func (t *tree) copyNode(n *node, more int) fresh {
	room := roomFor(n.len()+more, t.maxKeys)
	r := t.alloc(nodeBytes(n.kind, room))
	c := t.node(r)
	*c = node{
		kind: n.kind, level: n.level, n: n.n, prefix: n.prefix, born: t.gen, batch: t.batch,
		first: n.first, slope: n.slope, payload: n.payload, room: uint16(room),
	}
	copy(c.heads(), n.heads())
	copy(c.ids(), n.ids())
	if n.kind == kindInner {
		copy(c.seps(), n.seps())
	}
	return fresh{r, c}
}

// gather copies the entries of n to the scratch slices.
func (t *tree) gather(n *node) {
	t.heads = append(t.heads[:0], n.heads()...)
	t.ids = append(t.ids[:0], n.ids()...)
	t.seps = t.seps[:0]
	if n.kind == kindInner {
		t.seps = append(t.seps, n.seps()...)
	}
}

// insertAt puts an entry in front of entry i of the scratch slices.
func (t *tree) insertAt(i int, h head, id, sep ref) {
	t.heads = append(t.heads, 0)
	copy(t.heads[i+1:], t.heads[i:])
	t.heads[i] = h
	t.ids = append(t.ids, 0)
	copy(t.ids[i+1:], t.ids[i:])
	t.ids[i] = id
	if len(t.seps) > 0 {
		t.seps = append(t.seps, 0)
		copy(t.seps[i+1:], t.seps[i:])
		t.seps[i] = sep
	}
}

// removeAt takes entry i out of the scratch slices.
func (t *tree) removeAt(i int) {
	t.heads = append(t.heads[:i], t.heads[i+1:]...)
	t.ids = append(t.ids[:i], t.ids[i+1:]...)
	if len(t.seps) > 0 {
		t.seps = append(t.seps[:i], t.seps[i+1:]...)
	}
}

// insert puts a record in front of entry i of the leaf at the end of the path.
func (t *tree) insert(ks engines.Keyspace, leaf *node, i int, r ref) {
	key := t.record(r).key()
	p := int(leaf.prefix)
	if q := commonPrefix(key, t.record(leaf.id(0)).key()); q < p {
		p = q
	}
	payload := leaf.payload + t.stored(r)
	if leaf.len() < t.maxKeys && int(payload) <= t.maxBytes {
		if t.private(leaf) && leaf.n < leaf.room {
			t.insertInto(leaf, i, r, p)
			return
		}
		c := t.copyNode(leaf, 1)
		t.insertInto(c.node, i, r, p)
		t.setChild(ks, t.path.depth, c.ref)
		return
	}
	t.gather(leaf)
	t.insertAt(i, headOf(key, p), r, 0)
	if p != int(leaf.prefix) {
		for j, id := range t.ids {
			t.heads[j] = headOf(t.record(id).key(), p)
		}
	}
	t.split(ks, t.path.depth, p, i == leaf.len())
}

// private reports whether n is of the running batch, so that no reader has seen it.
func (t *tree) private(n *node) bool { return t.batch != 0 && n.batch == t.batch }

// insertInto puts a record in front of entry i of a leaf that nobody else sees and that has room. p
// is the prefix that its keys then have.
func (t *tree) insertInto(n *node, i int, r ref, p int) {
	n.n++
	heads, ids := n.heads(), n.ids()
	copy(heads[i+1:], heads[i:])
	copy(ids[i+1:], ids[i:])
	heads[i], ids[i] = headOf(t.record(r).key(), p), r
	if p != int(n.prefix) {
		n.prefix = uint16(p)
		t.fillHeads(n, p)
	}
	n.payload += t.stored(r)
	n.setSlope()
}

// fillHeads computes the heads of a leaf for a prefix.
func (t *tree) fillHeads(n *node, p int) {
	heads := n.heads()
	for i, id := range n.ids() {
		heads[i] = headOf(t.record(id).key(), p)
	}
}

// finishLeaf computes everything of a leaf that follows from its records.
func (t *tree) finishLeaf(n *node, p int) {
	n.prefix = uint16(p)
	n.payload = 0
	for _, id := range n.ids() {
		n.payload += t.stored(id)
	}
	t.fillHeads(n, p)
	n.setSlope()
}

// leafOf builds a leaf from scratch entries a to b, whose heads are for prefix p.
func (t *tree) leafOf(a, b, p int) fresh {
	c := t.newNode(kindLeaf, 0, b-a)
	copy(c.node.ids(), t.ids[a:b])
	copy(c.node.heads(), t.heads[a:b])
	for _, id := range t.ids[a:b] {
		c.node.payload += t.stored(id)
	}
	q := commonPrefix(t.record(t.ids[a]).key(), t.record(t.ids[b-1]).key())
	if q > p {
		t.fillHeads(c.node, q)
		p = q
	}
	c.node.prefix = uint16(p)
	c.node.setSlope()
	return c
}

// innerOf builds an inner node from scratch entries a to b, whose heads are for
// prefix p if p is not below 0. The separator of entry a is not taken along.
func (t *tree) innerOf(level uint8, a, b, p int) fresh {
	c := t.newNode(kindInner, level, b-a)
	copy(c.node.ids(), t.ids[a:b])
	copy(c.node.heads(), t.heads[a:b])
	copy(c.node.seps(), t.seps[a:b])
	c.node.heads()[0], c.node.seps()[0] = 0, 0
	if b-a > 1 {
		q := commonPrefix(t.separator(t.seps[a+1]).key(), t.separator(t.seps[b-1]).key())
		if q != p {
			p = q
			for i := 1; i < b-a; i++ {
				c.node.heads()[i] = headOf(t.separator(c.node.seps()[i]).key(), p)
			}
		}
	}
	c.node.prefix = uint16(max(p, 0))
	c.node.setSlope()
	return c
}

// splitPoint says how many of the scratch records go to the left leaf: half of them,
// or half of their bytes where those are what is too many; nearly all if the new one is the last,
// since then more will follow.
func (t *tree) splitPoint(appended bool) int {
	n := len(t.ids)
	if n > t.maxKeys {
		if appended {
			return n - 1 - n/16
		}
		return n / 2
	}
	if appended {
		return n - 1
	}
	var total, left uint32
	for _, id := range t.ids {
		total += t.stored(id)
	}
	for i, id := range t.ids[:n-1] {
		s := t.stored(id)
		if left+s/2 >= total/2 && i > 0 {
			return i
		}
		left += s
	}
	return n - 1
}

// split replaces the leaf at depth d of the path by two with the scratch entries.
func (t *tree) split(ks engines.Keyspace, d, p int, appended bool) {
	m := t.splitPoint(appended)
	left, right := t.leafOf(0, m, p), t.leafOf(m, len(t.ids), p)
	sep := t.newSeparator(t.record(t.ids[m-1]).key(), t.record(t.ids[m]).key())
	t.grow(ks, d, left.ref, right.ref, sep)
}

// newSeparator makes the shortest key above below and not above from.
func (t *tree) newSeparator(below, from []byte) ref {
	return t.separatorOf(from[:commonPrefix(below, from)+1])
}

func (t *tree) separatorOf(key []byte) ref {
	r := t.alloc(separatorHeadBytes + len(key))
	s := t.separator(r)
	s.h.born, s.h.keyLen = t.gen, uint16(len(key))
	copy(s.key(), key)
	return r
}

// grow puts two nodes in the place of the one at depth d of the path.
func (t *tree) grow(ks engines.Keyspace, d int, left, right, sep ref) {
	p := &t.path
	for ; ; d-- {
		t.dropNode(p.refs[d])
		if d == 0 {
			t.heads = append(t.heads[:0], 0, 0)
			t.ids = append(t.ids[:0], left, right)
			t.seps = append(t.seps[:0], 0, sep)
			t.setRoot(ks, t.innerOf(t.node(left).level+1, 0, 2, -1).ref)
			return
		}
		n, i := t.node(p.refs[d-1]), p.at[d-1]
		t.gather(n)
		t.ids[i] = left
		t.insertAt(i+1, headOf(t.separator(sep).key(), int(n.prefix)), right, sep)
		prefix := int(n.prefix)
		if n.n == 1 {
			prefix = -1
		}
		if len(t.ids) <= t.maxKeys {
			t.setChild(ks, d-1, t.innerOf(n.level, 0, len(t.ids), prefix).ref)
			return
		}
		m := len(t.ids) / 2
		if i+2 == len(t.ids) {
			m = len(t.ids) - 1 - len(t.ids)/16
		}
		m = min(m, len(t.ids)-1)
		sep = t.seps[m]
		l, r := t.innerOf(n.level, 0, m, prefix), t.innerOf(n.level, m, len(t.ids), prefix)
		left, right = l.ref, r.ref
	}
}
