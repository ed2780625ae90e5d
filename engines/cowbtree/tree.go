package cowbtree

import (
	"sync/atomic"

	"orbitbench/engines"
)

// tree is six B+ trees, one for each keyspace, under one table of roots.
//
// A node is copied before it is changed, unless nobody holds on to it: it was
// made after the newest view, and then one entry may be replaced by one atomic store. A change
// copies the path from the leaf up to the first node that may be changed in
// place, and the store into that node publishes it; if there is none, the table of
// roots is replaced. A batch of several operations copies every node that is not
// of the batch itself, and its last store, of the table, publishes all of it at once.
//
// All methods are for the holder of the writer's lock; readers start at root.
type tree struct {
	*heap
	maxKeys  int // of a node
	maxBytes int // of a leaf on the device, unless it holds one record only

	root atomic.Uint32 // the published table of roots
	top  ref           // the writer's: another one than root within a batch only

	gen           uint64 // of blocks made now; rises with each view
	shared        uint64 // generation of the newest open view, 0 if there is none
	sharedExactly uint64 // generation of the newest open view that is no checkpoint
	batch         uint64 // number of the running batch, 0 outside of one
	batchSeq      uint64
	counts        [engines.NumKeyspaces]uint64 // records

	path       way        // of the last seek
	dropped    []dropped  // what the running change has taken out of the tree
	views      []*hold    // open ones, oldest first
	checkpoint *hold      // the view among them that is being written to the page file, or nil
	freed      []pageAddr // pages that the tree has stopped using since the last checkpoint began

	heads []head // scratch of structural changes
	ids   []ref
	seps  []ref
}

// dropped is a block that is no longer in the current tree.
type dropped struct {
	block
	born  uint64
	fuzzy bool // the running checkpoint cannot see it any more
}

func newTree(h *heap, maxKeys, maxBytes int) *tree {
	t := &tree{heap: h, maxKeys: maxKeys, maxBytes: maxBytes, gen: 1}
	t.top = t.alloc(rootsBytes)
	*t.roots(t.top) = roots{born: t.gen}
	t.root.Store(uint32(t.top))
	return t
}

// begin starts a batch: nothing of it is seen before commit.
func (t *tree) begin() {
	t.batchSeq++
	t.batch = t.batchSeq
}

// commit publishes a batch.
func (t *tree) commit() {
	t.batch = 0
	t.root.Store(uint32(t.top))
}

// mutable reports whether no view and, in a batch, no reader can see n.
func (t *tree) mutable(born, batch uint64) bool {
	if t.batch != 0 {
		return batch == t.batch
	}
	return born > t.shared
}

// seek walks to the leaf of key and leaves the way in t.path. It returns nil if the
// keyspace is empty, or the stub of a page that must be read first.
func (t *tree) seek(ks engines.Keyspace, key []byte) (leaf *node, stub ref) {
	p := &t.path
	p.depth = -1
	top := t.roots(t.top)
	r := top.get(ks)
	if r == 0 {
		return nil, 0
	}
	n := t.node(r)
	if n.kind == kindStub {
		l := n.loadedRef()
		if l == 0 {
			return nil, r
		}
		top.set(ks, l)
		t.dropNode(r)
		r, n = l, t.node(l)
	}
	d := 0
	p.refs[0] = r
	for n.kind == kindInner {
		i := t.child(n, key)
		p.at[d] = i
		if stub := t.patch(n, i); stub != 0 {
			return nil, stub
		}
		d++
		r = n.id(i)
		p.refs[d] = r
		n = t.node(r)
	}
	p.depth = d
	return n, 0
}

// patch puts the node that was read in the place of its stub, which is the same
// to every reader. It returns the stub if its page has not been read.
func (t *tree) patch(n *node, i int) (stub ref) {
	r := n.id(i)
	c := t.node(r)
	if c.kind != kindStub {
		return 0
	}
	l := c.loadedRef()
	if l == 0 {
		return r
	}
	n.setID(i, l)
	t.dropStub(r)
	return 0
}

// find returns the record of key in the leaf that seek returned.
func (t *tree) find(leaf *node, key []byte) (int, *record) {
	if leaf == nil {
		return 0, nil
	}
	return t.exact(leaf, key)
}

// put stores a new record, which belongs to the tree from now on. Its pages have been read.
func (t *tree) put(ks engines.Keyspace, r ref) {
	key := t.record(r).key()
	leaf, stub := t.seek(ks, key)
	t.loaded(stub)
	if leaf == nil {
		n := t.newNode(kindLeaf, 0, 1)
		n.node.ids()[0] = r
		t.finishLeaf(n.node, t.record(r).keyLen())
		t.setRoot(ks, n.ref)
		t.counts[ks]++
		return
	}
	if i, found := t.position(leaf, key); found {
		t.swap(ks, leaf, i, r)
	} else {
		t.insert(ks, leaf, i, r)
		t.counts[ks]++
	}
}

// loaded states that a page has been read, as the caller has made sure.
func (t *tree) loaded(stub ref) {
	if stub != 0 {
		panic("cowbtree: a page on the path of a change has not been read")
	}
}

// swap replaces entry i of the leaf at the end of the path.
func (t *tree) swap(ks engines.Keyspace, leaf *node, i int, r ref) {
	old := leaf.id(i)
	was, is := t.stored(old), t.stored(r)
	payload := leaf.payload - was + is
	d := t.path.depth
	switch {
	case is > was && leaf.n > 1 && int(payload) > t.maxBytes:
		t.gather(leaf)
		t.ids[i] = r
		t.dropRecord(old)
		t.split(ks, d, int(leaf.prefix), false)
		return
	case t.mutable(leaf.born, leaf.batch):
		t.dirty(d)
		t.store(leaf, i, r, payload)
	case t.fuzzy(leaf):
		t.touch(d)
		t.store(leaf, i, r, payload)
		t.dropped = append(t.dropped, dropped{block{old, uint32(t.record(old).size())}, t.record(old).born(), true})
		return
	default:
		c := t.copyNode(leaf, 0)
		c.node.ids()[i] = r
		c.node.payload = payload
		t.setChild(ks, d, c.ref)
	}
	t.dropRecord(old)
}

// store replaces entry i of a leaf in place. Who can see the leaf can see the record.
func (t *tree) store(leaf *node, i int, r ref, payload uint32) {
	t.record(r).setBorn(leaf.born)
	leaf.payload = payload
	leaf.setID(i, r)
}

// fuzzy reports whether an entry of a leaf may be replaced although the running checkpoint can see
// it. It may find the new record then, which the log has too (checkpoint.go).
// A leaf that is stored is left alone: it must not look changed to the checkpoint.
func (t *tree) fuzzy(leaf *node) bool {
	return t.checkpoint != nil && t.batch == 0 && leaf.born > t.sharedExactly && !leaf.page.some()
}

// touch counts a change of the nodes on the path down to depth d, so that the running
// checkpoint does not take what it has written of them for what they are.
func (t *tree) touch(d int) {
	for i := range d + 1 {
		atomic.AddUint32(&t.node(t.path.refs[i]).word, 1)
	}
}

// stored is the number of bytes that a record takes in a page.
func (t *tree) stored(r ref) uint32 {
	rec := t.record(r)
	return uint32(pageRecordHead) + uint32(rec.keyLen()+rec.valueLen())
}

// setChild puts a node in the place of the one at depth d of the path, which leaves the tree.
func (t *tree) setChild(ks engines.Keyspace, d int, to ref) {
	p := &t.path
	for ; ; d-- {
		t.dropNode(p.refs[d])
		p.refs[d] = to
		if d == 0 {
			t.setRoot(ks, to)
			return
		}
		n := t.node(p.refs[d-1])
		if t.mutable(n.born, n.batch) {
			t.dirty(d - 1)
			n.setID(p.at[d-1], to)
			return
		}
		c := t.copyNode(n, 0)
		c.node.ids()[p.at[d-1]] = to
		to = c.ref
	}
}

// setRoot makes a node the root of a keyspace; 0 makes it empty.
func (t *tree) setRoot(ks engines.Keyspace, to ref) {
	top := t.roots(t.top)
	if t.mutable(top.born, top.batch) {
		top.set(ks, to)
		return
	}
	r := t.alloc(rootsBytes)
	c := t.roots(r)
	*c = roots{born: t.gen, batch: t.batch}
	for i := range c.root {
		c.root[i] = uint32(top.get(engines.Keyspace(i)))
	}
	c.root[ks] = uint32(to)
	t.dropped = append(t.dropped, dropped{block{t.top, uint32(rootsBytes)}, top.born, false})
	t.top = r
	if t.batch == 0 {
		t.root.Store(uint32(r))
	}
}

// dirty says that the node at depth d of the path differs from its page from now on.
// Then those above it do too.
func (t *tree) dirty(d int) {
	for ; d >= 0; d-- {
		n := t.node(t.path.refs[d])
		if !n.page.some() {
			return
		}
		t.freed = append(t.freed, n.page)
		n.page = pageAddr{}
	}
}

// dropNode takes a node out of the tree; what it holds has gone elsewhere.
func (t *tree) dropNode(r ref) {
	n := t.node(r)
	if n.kind == kindStub {
		t.dropStub(r)
		return
	}
	n.retired = true
	if n.page.some() { // it stays as it is: a checkpoint may be reading it
		t.freed = append(t.freed, n.page)
	}
	if t.batch != 0 && n.batch == t.batch {
		t.free(block{r, n.size()})
		return
	}
	t.dropped = append(t.dropped, dropped{block{r, n.size()}, n.born, false})
}

// dropStub takes a stub out; its page is that of the node that was read.
func (t *tree) dropStub(r ref) {
	n := t.node(r)
	t.dropped = append(t.dropped, dropped{block{r, n.size()}, n.born, false})
}

func (t *tree) dropRecord(r ref) {
	rec := t.record(r)
	t.dropped = append(t.dropped, dropped{block{r, uint32(rec.size())}, rec.born(), false})
}

func (t *tree) dropSeparator(r ref) {
	s := t.separator(r)
	t.dropped = append(t.dropped, dropped{block{r, uint32(s.size())}, s.h.born, false})
}

// newRecord makes a record that is not in the tree yet.
func (t *tree) newRecord(v engines.Version, key, value []byte) ref {
	r := t.alloc(recordBytes(len(key), len(value)))
	t.record(r).fill(v, t.gen, key, value)
	return r
}

// discard frees a record that never came into the tree.
func (t *tree) discard(r ref) { t.free(block{r, uint32(t.record(r).size())}) }
