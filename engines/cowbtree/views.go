package cowbtree

import "math"

// Views. A view is a table of roots that somebody keeps. Nothing is copied for
// it; but blocks that it can see outlive their leaving the tree:
//
//  1. Each block knows the generation in which it was made. Taking a view ends a
//     generation, so that a view of generation g sees the blocks born in g or before
//     that left the tree after it was taken.
//  2. A block that leaves the tree goes to the list of the newest view if that can
//     see it, and else to the epochs (heap.retire).
//  3. When a view is closed, each block of its list goes on to the next older view if
//     that can see it, and else to the epochs.
//
// So a view costs memory in proportion to what has changed since, whatever other views
// there are, and closing one looks only at what was kept for it.

// hold is what a view, a copy or a checkpoint keeps of the tree.
type hold struct {
	top  ref // table of roots
	gen  uint64
	dead pile // blocks that have left the tree since, and that no newer view can see
}

// hold takes a view of the current state. checkpoint says that it is the one that a
// checkpoint writes: it keeps the nodes as they are, and may find newer records in
// them (tree.fuzzy).
func (t *tree) hold(checkpoint bool) *hold {
	v := &hold{top: t.top, gen: t.gen}
	t.views = append(t.views, v)
	if checkpoint {
		t.checkpoint = v
	}
	t.newest()
	t.gen++
	return v
}

// newest notes the generations of the newest views.
func (t *tree) newest() {
	t.shared, t.sharedExactly = 0, 0
	for _, v := range t.views {
		t.shared = v.gen
		if v != t.checkpoint {
			t.sharedExactly = v.gen
		}
	}
}

// keeper returns the newest view of generation at most limit that can see d, or nil.
func (t *tree) keeper(d dropped, limit uint64) *hold {
	for i := len(t.views) - 1; i >= 0; i-- {
		v := t.views[i]
		if v.gen < d.born {
			return nil
		}
		if v.gen <= limit && !(d.fuzzy && v == t.checkpoint) {
			return v
		}
	}
	return nil
}

// give hands a block that has left the tree to the view that can see it, or to the epochs.
func (t *tree) give(d dropped, limit uint64) {
	if v := t.keeper(d, limit); v != nil {
		t.push(&v.dead, d)
	} else {
		t.retire(d.block)
	}
}

// flush finds a place for what the last change took out of the tree. It must have
// been published.
func (t *tree) flush() {
	for _, d := range t.dropped {
		t.give(d, math.MaxUint64)
	}
	t.dropped = t.dropped[:0]
}

// release takes a view off the list. What it kept is then given up by settle.
func (t *tree) release(v *hold) {
	for i, o := range t.views {
		if o == v {
			t.views = append(t.views[:i], t.views[i+1:]...)
			break
		}
	}
	if t.checkpoint == v {
		t.checkpoint = nil
	}
	t.newest()
}

// settle gives up some of the blocks that a released view kept, at most n, and reports
// whether any are left: writers wait while it is done.
func (t *tree) settle(v *hold, n int) bool {
	for range n {
		d, ok := t.pop(&v.dead)
		if !ok {
			return false
		}
		t.give(d, v.gen-1)
	}
	return v.dead.top != 0
}
