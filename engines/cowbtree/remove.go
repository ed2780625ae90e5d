package cowbtree

import "orbitbench/engines"

// remove takes the record of key out of the tree, and reports whether there was
// one. The pages on its path have been read.
func (t *tree) remove(ks engines.Keyspace, key []byte) bool {
	leaf, stub := t.seek(ks, key)
	t.loaded(stub)
	i, rec := t.find(leaf, key)
	if rec == nil {
		return false
	}
	t.counts[ks]--
	t.dropRecord(leaf.id(i))
	if leaf.n == 1 {
		t.vanish(ks)
		return true
	}
	t.gather(leaf)
	t.removeAt(i)
	t.shrink(ks, t.path.depth, t.leafOf(0, len(t.ids), int(leaf.prefix)))
	return true
}

// vanish takes the leaf at the end of the path out, and those above that it leaves empty.
func (t *tree) vanish(ks engines.Keyspace) {
	p := &t.path
	for d := p.depth; ; d-- {
		if d == 0 {
			t.dropNode(p.refs[0])
			t.setRoot(ks, 0)
			return
		}
		t.dropNode(p.refs[d])
		n, i := t.node(p.refs[d-1]), p.at[d-1]
		if n.n == 1 {
			continue
		}
		t.gather(n)
		t.dropSeparator(t.seps[max(i, 1)])
		t.removeAt(i)
		t.shrink(ks, d-1, t.innerOf(n.level, 0, len(t.ids), int(n.prefix)))
		return
	}
}

// shrink puts c, which has lost an entry, in the place of the node at depth d,
// joined with a neighbour if it has become small.
func (t *tree) shrink(ks engines.Keyspace, d int, c fresh) {
	for {
		if d == 0 {
			t.shrinkRoot(ks, c)
			return
		}
		left, right, ok := t.neighbours(d, c)
		if !ok {
			t.setChild(ks, d, c.ref)
			return
		}
		n := t.node(t.path.refs[d-1])
		i := t.path.at[d-1]
		joined := t.join(left.node, right.node, n.seps()[max(i, 1)])
		other := left
		if left.ref == c.ref {
			other = right
		}
		t.dropNode(t.path.refs[d])
		t.dropNode(other.ref)
		t.free(block{c.ref, c.node.size()})
		if i == 0 {
			i = 1
		}
		t.gather(n)
		t.removeAt(i)
		t.ids[i-1] = joined.ref
		c = t.innerOf(n.level, 0, len(t.ids), int(n.prefix))
		d--
	}
}

// shrinkRoot makes c the root, or its only child.
func (t *tree) shrinkRoot(ks engines.Keyspace, c fresh) {
	t.dropNode(t.path.refs[0])
	if c.node.kind == kindInner && c.node.n == 1 {
		child := c.node.ids()[0]
		t.free(block{c.ref, c.node.size()})
		t.setRoot(ks, child)
		return
	}
	t.setRoot(ks, c.ref)
}

// neighbours returns c and the node beside it at depth d, in order, if the two
// should be one: the one to its left, or for the first child the one to its right. A
// neighbour that has not been read is left alone.
func (t *tree) neighbours(d int, c fresh) (left, right fresh, ok bool) {
	n, i := t.node(t.path.refs[d-1]), t.path.at[d-1]
	if c.node.len() >= max(2, t.maxKeys/4) || n.n == 1 {
		return left, right, false
	}
	j := i - 1
	if i == 0 {
		j = 1
	}
	if t.patch(n, j) != 0 {
		return left, right, false
	}
	o := fresh{n.id(j), t.node(n.id(j))}
	if o.node.len()+c.node.len() > t.maxKeys*3/4 || int(o.node.payload)+int(c.node.payload) > t.maxBytes*3/4 {
		return left, right, false
	}
	if j < i {
		return o, c, true
	}
	return c, o, true
}

// join makes one node of two neighbours which sep divides.
func (t *tree) join(a, b *node, sep ref) fresh {
	t.gather(a)
	if a.kind == kindLeaf {
		t.dropSeparator(sep)
		t.ids = append(t.ids, b.ids()...)
		p := commonPrefix(t.record(t.ids[0]).key(), t.record(t.ids[len(t.ids)-1]).key())
		c := t.newNode(kindLeaf, 0, len(t.ids))
		copy(c.node.ids(), t.ids)
		t.finishLeaf(c.node, p)
		return c
	}
	at := len(t.ids)
	t.heads = append(t.heads, b.heads()...)
	t.ids = append(t.ids, b.ids()...)
	t.seps = append(t.seps, b.seps()...)
	t.seps[at] = sep
	return t.innerOf(a.level, 0, len(t.ids), -1)
}
