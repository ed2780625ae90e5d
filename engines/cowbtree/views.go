package cowbtree

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
	dead []dropped // blocks that have left the tree since, and that no newer view can see
}

// hold takes a view of the current state.
func (t *tree) hold() *hold {
	v := &hold{top: t.top, gen: t.gen}
	t.views = append(t.views, v)
	t.shared = v.gen
	t.gen++
	return v
}

// flush finds a place for what the last change took out of the tree. It must have
// been published.
func (t *tree) flush() {
	var newest *hold
	if n := len(t.views); n > 0 {
		newest = t.views[n-1]
	}
	for _, d := range t.dropped {
		if newest != nil && d.born <= newest.gen {
			newest.dead = append(newest.dead, d)
		} else {
			t.retire(d.block)
		}
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
	t.shared = 0
	if n := len(t.views); n > 0 {
		t.shared = t.views[n-1].gen
	}
}

// settle gives up some of the blocks that a released view kept, at most n, and reports
// whether any are left: writers wait while it is done.
func (t *tree) settle(v *hold, n int) bool {
	var older *hold
	for _, o := range t.views {
		if o.gen < v.gen {
			older = o
		}
	}
	from := max(0, len(v.dead)-n)
	for _, d := range v.dead[from:] {
		if older != nil && d.born <= older.gen {
			older.dead = append(older.dead, d)
		} else {
			t.retire(d.block)
		}
	}
	v.dead = v.dead[:from]
	return from > 0
}
