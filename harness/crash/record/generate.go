package record

import (
	"iter"
	"math/rand/v2"
	"slices"
)

// exhaustive is up to how many pending operations every subset is a state.
const exhaustive = 6

// sampled is how many states are drawn at a crash point with more.
const sampled = 12

// point is a place for a crash.
type point struct {
	at      uint64
	special bool // next to an operation that is looked at more often
}

// points lists the crash points of a journal: after each operation, at the last
// stamp before the next one begins, so that all that was acknowledged counts; and
// within those that are durable when they end.
func points(ops []Op, end uint64, o Options) []point {
	var list []point
	for i := range ops {
		after := end
		if i+1 < len(ops) {
			after = ops[i+1].Begin
		}
		special := ops[i].special() || i+1 < len(ops) && ops[i+1].special()
		if ops[i].Durable {
			list = append(list, point{ops[i].Begin + 1, true})
		}
		// The parts of one write share their stamps.
		if after > ops[i].Begin && (len(list) == 0 || list[len(list)-1].at < after) {
			list = append(list, point{after, special})
		}
	}
	return slices.DeleteFunc(list, func(p point) bool {
		return p.at <= o.From || o.To != 0 && p.at > o.To
	})
}

// choose draws crash points for a number of states, half of them special where
// there are enough, in order.
func choose(list []point, n int, rng *rand.Rand) []point {
	if n >= len(list) {
		return list
	}
	var special, rest []point
	for _, p := range list {
		if p.special {
			special = append(special, p)
		} else {
			rest = append(rest, p)
		}
	}
	s := min(len(special), max(n/2, n-len(rest)))
	chosen := append(spread(special, s, rng), spread(rest, n-s, rng)...)
	slices.SortFunc(chosen, func(a, b point) int {
		if a.at < b.at {
			return -1
		}
		return 1
	})
	return chosen
}

// spread draws one point from each of n stretches of equal length.
func spread(list []point, n int, rng *rand.Rand) []point {
	chosen := make([]point, 0, n)
	for i := range n {
		from, to := i*len(list)/n, (i+1)*len(list)/n
		chosen = append(chosen, list[from+rng.IntN(to-from)])
	}
	return chosen
}

// cut is what a crash takes away, by index of operation.
type cut struct {
	lost map[int]bool
	torn map[int]int
}

// cuts lists what may be taken away of the pending operations: with few of them every
// subset (up to most states), else samples; then torn writes.
func cuts(ops []Op, pending []int, most int, rng *rand.Rand) []cut {
	var list []cut
	add := func(lost func(k int) bool) {
		c := cut{lost: map[int]bool{}}
		for k, i := range pending {
			if lost(k) {
				c.lost[i] = true
			}
		}
		list = append(list, c)
	}
	n := len(pending)
	if n <= exhaustive && 1<<n <= most {
		for set := range 1 << n {
			add(func(k int) bool { return set>>k&1 == 1 })
		}
	} else {
		recent := func() int { return n - 1 - rng.IntN(min(n, 16)) }
		add(func(int) bool { return true })
		add(func(int) bool { return false })
		last, only, from := recent(), recent(), rng.IntN(n)
		add(func(k int) bool { return k == last })
		add(func(k int) bool { return k != only })
		add(func(k int) bool { return k >= from })
		for len(list) < sampled-4 {
			odds := []float64{0.1, 0.5, 0.9}[rng.IntN(3)]
			add(func(int) bool { return rng.Float64() < odds })
		}
		for len(list) < sampled-2 { // the most recent ones only
			first := n - min(n, 8)
			add(func(k int) bool { return k >= first && rng.IntN(2) == 0 })
		}
	}
	return append(list, tears(ops, pending, rng)...)
}

// tears lists states in which one of the latest pending writes is torn at a sector, or
// has the size without the bytes, and others are kept, or lost from there on.
func tears(ops []Op, pending []int, rng *rand.Rand) []cut {
	var list []cut
	for k := len(pending) - 1; k >= 0 && len(list) < 4; k-- {
		o := &ops[pending[k]]
		if o.Kind != Write {
			continue
		}
		keep := 0
		if sectors := (o.Off+o.Len-1)/sector - o.Off/sector; sectors > 0 && rng.IntN(4) > 0 {
			keep = int((o.Off/sector+1+rng.Int64N(sectors))*sector - o.Off)
		}
		c := cut{lost: map[int]bool{}, torn: map[int]int{pending[k]: keep}}
		if rng.IntN(2) == 0 {
			for _, later := range pending[k+1:] {
				c.lost[later] = true
			}
		}
		list = append(list, c)
	}
	return list
}

// allow makes a cut one that the model knows: under ext4 metadata is lost from some
// operation on, and a rename that put a file in place of another brings its data with it.
func allow(model string, ops []Op, pending []int, c cut) cut {
	if model != Ext4Model {
		return c
	}
	gone := false
	var flushed = map[uint64]int{} // by inode: the last kept rename in place of another file
	for _, i := range pending {
		if ops[i].Kind == Write {
			continue
		}
		if gone = gone || c.lost[i]; gone {
			c.lost[i] = true
		} else if ops[i].Kind == Rename && ops[i].Replaces != 0 {
			flushed[ops[i].Ino] = i
		}
	}
	for _, i := range pending {
		if last, ok := flushed[ops[i].Ino]; ok && ops[i].Kind == Write && i < last {
			delete(c.lost, i)
			delete(c.torn, i)
		}
	}
	return c
}

// States implements Recording.
func (r *recording) States(o Options) iter.Seq[State] {
	if o.States <= 0 {
		o.States = 1000
	}
	if o.Mark == nil {
		o.Mark = r.marksBefore
	}
	return func(yield func(State) bool) {
		list := points(r.ops, r.end, o)
		type key struct {
			content uint64
			marks   int
		}
		seen := map[key]bool{}
		most := max(8, min(1<<exhaustive, o.States/32))
		left := o.States
		for round, idle := uint64(0), 0; left > 0 && len(list) > 0 && idle < 2; round++ {
			rng := rand.New(rand.NewPCG(o.Seed, round))
			found := 0
			w := newWalker(r.base, r.ops, r.from)
			for _, p := range choose(list, max(1, (left+4)/5), rng) {
				w.advance(p.at)
				pending := w.pending()
				for _, c := range cuts(r.ops, pending, most, rng) {
					s := r.state(w, pending, allow(r.model, r.ops, pending, c))
					k := key{s.Content, o.Mark(s.At)}
					if seen[k] {
						continue
					}
					seen[k] = true
					found++
					if !yield(s) {
						return
					}
					if left--; left == 0 {
						return
					}
				}
			}
			if idle++; found > 0 {
				idle = 0
			}
		}
	}
}

// state is a cut at the walker's stamp.
func (r *recording) state(w *walker, pending []int, c cut) State {
	s := State{At: w.at, Model: r.model}
	for _, i := range pending {
		if keep, ok := c.torn[i]; ok && !c.lost[i] {
			s.Torn = append(s.Torn, Tear{r.ops[i].ID, keep})
		}
		if c.lost[i] {
			s.Lost = append(s.Lost, r.ops[i].ID)
		}
	}
	s.tree = w.tree(c.lost, c.torn)
	s.tree.own = nil // it changes no more
	s.Content = s.tree.hash()
	return s
}
