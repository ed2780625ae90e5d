package record

import "slices"

// walker follows a journal and holds what is settled at a stamp: the tree of
// all operations that are durable then and follow on no pending one of the same object,
// and beside it the rest, in order.
type walker struct {
	ops  []Op
	from []uint64 // durableFrom
	at   uint64
	next int // the first operation that has not begun
	base *tree
	open map[uint64][]int // by inode for data, 0 for entries: unsettled operations, the first of each pending
}

func newWalker(base *tree, ops []Op, from []uint64) *walker {
	return &walker{ops: ops, from: from, base: base.clone(), open: map[uint64][]int{}}
}

// advance moves on to a later stamp.
func (w *walker) advance(at uint64) {
	w.at = at
	for ; w.next < len(w.ops) && w.ops[w.next].Begin < at; w.next++ {
		o := &w.ops[w.next]
		if o.sync() {
			continue
		}
		key := uint64(0)
		if o.data() {
			key = o.Ino
		}
		w.open[key] = append(w.open[key], w.next)
	}
	for key, queue := range w.open {
		n := 0
		for n < len(queue) && w.from[queue[n]] <= at {
			w.base.apply(&w.ops[queue[n]], -1)
			n++
		}
		if queue = queue[n:]; len(queue) == 0 {
			delete(w.open, key)
		} else {
			w.open[key] = queue
		}
	}
}

// pending returns the indices of what may be lost, in order.
func (w *walker) pending() []int {
	var list []int
	for _, i := range w.unsettled() {
		if w.from[i] > w.at {
			list = append(list, i)
		}
	}
	return list
}

// tree is the file system of a state at the walker's stamp.
func (w *walker) tree(lost map[int]bool, torn map[int]int) *tree {
	t := w.base.clone()
	for _, i := range w.unsettled() {
		if lost[i] {
			continue
		}
		keep, ok := torn[i]
		if !ok {
			keep = -1
		}
		t.apply(&w.ops[i], keep)
	}
	return t
}

// unsettled returns the indices of all that is not in base, in order.
func (w *walker) unsettled() []int {
	var list []int
	for _, queue := range w.open {
		list = append(list, queue...)
	}
	slices.Sort(list)
	return list
}
