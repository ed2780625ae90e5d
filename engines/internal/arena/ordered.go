package arena

import (
	"bytes"
	"encoding/binary"
	"slices"
	"sort"
)

// Keys tells an Ordered the key of a ref. The bytes must not change while the ref is in a set.
type Keys interface{ Key(Ref) []byte }

// leafRefs fills a leaf to a size class of the Go allocator (3056 of 3072 bytes).
const leafRefs = 254

// Ordered is a set of refs in the order of their keys: a flat root over leaves
// without pointers. An insertion moves at most one leaf; a split moves the
// root, which at 10 million keys is some 50,000 entries once in 127
// insertions. Leaves that run empty are removed, half-empty ones are not
// merged. It is not safe for concurrent use. A nil root is an empty set.
type Ordered struct {
	keys   Keys
	leaves []*leaf
	first  []uint64 // head of the first key of each leaf
	n      int
}

// leaf keeps the first eight bytes of each key beside its ref, so that most
// comparisons do not touch the key.
type leaf struct {
	n     int
	heads [leafRefs]uint64
	refs  [leafRefs]Ref
}

// NewOrdered returns an empty set.
func NewOrdered(keys Keys) *Ordered { return &Ordered{keys: keys} }

// Len returns the number of refs.
func (o *Ordered) Len() int { return o.n }

// head returns the first eight bytes of key as a number that orders like them;
// a shorter key is filled with zeros, so equal heads decide nothing.
func head(key []byte) uint64 {
	if len(key) >= 8 {
		return binary.BigEndian.Uint64(key)
	}
	var b [8]byte
	copy(b[:], key)
	return binary.BigEndian.Uint64(b[:])
}

// less reports whether the entry (h, r) sorts before key, whose head is kh.
func (o *Ordered) less(h uint64, r Ref, kh uint64, key []byte) bool {
	if h != kh {
		return h < kh
	}
	return bytes.Compare(o.keys.Key(r), key) < 0
}

// locate returns the leaf in which key is or would be inserted, and its place there.
func (o *Ordered) locate(key []byte) (li, pos int) {
	kh := head(key)
	// The last leaf whose first key is <= key: the first that is greater, less one.
	li = sort.Search(len(o.leaves), func(i int) bool {
		if o.first[i] != kh {
			return o.first[i] > kh
		}
		return bytes.Compare(o.keys.Key(o.leaves[i].refs[0]), key) > 0
	})
	if li > 0 {
		li--
	}
	if li == len(o.leaves) {
		return li, 0
	}
	l := o.leaves[li]
	pos = sort.Search(l.n, func(i int) bool { return !o.less(l.heads[i], l.refs[i], kh, key) })
	return li, pos
}

func (o *Ordered) holds(li, pos int, key []byte) bool {
	return li < len(o.leaves) && pos < o.leaves[li].n && bytes.Equal(o.keys.Key(o.leaves[li].refs[pos]), key)
}

// Put adds r under key, or replaces the ref that has this key.
func (o *Ordered) Put(key []byte, r Ref) {
	li, pos := o.locate(key)
	if o.holds(li, pos, key) {
		o.leaves[li].refs[pos] = r
		return
	}
	o.n++
	if len(o.leaves) == 0 {
		o.leaves = append(o.leaves, &leaf{})
		o.first = append(o.first, 0)
	}
	l := o.leaves[li]
	if l.n == leafRefs {
		li, pos = o.split(li, pos)
		l = o.leaves[li]
	}
	copy(l.heads[pos+1:l.n+1], l.heads[pos:l.n])
	copy(l.refs[pos+1:l.n+1], l.refs[pos:l.n])
	l.heads[pos], l.refs[pos] = head(key), r
	l.n++
	o.first[li] = l.heads[0]
}

// split makes room in leaf li for an insertion at pos and returns the new
// place. Keys that only grow leave full leaves behind them instead of half-full ones.
func (o *Ordered) split(li, pos int) (int, int) {
	l, right := o.leaves[li], &leaf{}
	cut := leafRefs / 2
	if li == len(o.leaves)-1 && pos == l.n {
		cut = l.n
	}
	right.n = copy(right.refs[:], l.refs[cut:l.n])
	copy(right.heads[:], l.heads[cut:l.n])
	l.n = cut
	o.leaves = slices.Insert(o.leaves, li+1, right)
	o.first = slices.Insert(o.first, li+1, right.heads[0])
	if pos < cut || pos == cut && right.n > 0 {
		return li, pos
	}
	return li + 1, pos - cut
}

// Delete removes the ref with this key and reports whether there was one.
func (o *Ordered) Delete(key []byte) bool {
	li, pos := o.locate(key)
	if !o.holds(li, pos, key) {
		return false
	}
	l := o.leaves[li]
	copy(l.heads[pos:l.n-1], l.heads[pos+1:l.n])
	copy(l.refs[pos:l.n-1], l.refs[pos+1:l.n])
	l.n--
	o.n--
	if l.n == 0 {
		o.leaves = slices.Delete(o.leaves, li, li+1)
		o.first = slices.Delete(o.first, li, li+1)
		return true
	}
	o.first[li] = l.heads[0]
	return true
}

// Collect appends to dst up to limit refs in key order, from the first key >=
// from, or > from if after is set, and below to (nil: no end).
func (o *Ordered) Collect(dst []Ref, from, to []byte, after bool, limit int) []Ref {
	li, pos := o.locate(from)
	if after && o.holds(li, pos, from) {
		pos++
	}
	var th uint64
	if to != nil {
		th = head(to)
	}
	for ; li < len(o.leaves); li, pos = li+1, 0 {
		for l := o.leaves[li]; pos < l.n; pos++ {
			if limit == 0 || to != nil && !o.less(l.heads[pos], l.refs[pos], th, to) {
				return dst
			}
			dst = append(dst, l.refs[pos])
			limit--
		}
	}
	return dst
}

// Build returns the set of refs, whose keys are all different. It reorders refs.
func Build(keys Keys, refs []Ref) *Ordered {
	o := &Ordered{keys: keys, n: len(refs)}
	items := make([]sortItem, len(refs))
	for i, r := range refs {
		items[i] = sortItem{head(keys.Key(r)), r}
	}
	sortItems(keys, items, 0)
	const fill = leafRefs * 7 / 8 // room for later insertions
	for len(items) > 0 {
		l := &leaf{n: min(fill, len(items))}
		for i, it := range items[:l.n] {
			// After the sort an item's head may be of a deeper part of the key.
			l.heads[i], l.refs[i] = head(keys.Key(it.ref)), it.ref
		}
		o.leaves = append(o.leaves, l)
		o.first = append(o.first, l.heads[0])
		items = items[l.n:]
	}
	return o
}

// sortItem is a ref with eight bytes of its key, taken at the depth of the sort.
type sortItem struct {
	head uint64
	ref  Ref
}

// sortItems sorts by the eight bytes at depth, then each run of equal ones by
// the next eight. Comparing whole keys would fetch two records per comparison;
// this fetches each record once per eight bytes that it shares with another.
func sortItems(keys Keys, items []sortItem, depth int) {
	const few = 8
	if len(items) <= few {
		slices.SortFunc(items, func(x, y sortItem) int { return bytes.Compare(keys.Key(x.ref), keys.Key(y.ref)) })
		return
	}
	slices.SortFunc(items, func(x, y sortItem) int {
		switch {
		case x.head < y.head:
			return -1
		case x.head > y.head:
			return 1
		}
		return 0
	})
	for begin := 0; begin < len(items); {
		end := begin + 1
		for end < len(items) && items[end].head == items[begin].head {
			end++
		}
		if run := items[begin:end]; len(run) > 1 {
			sortRun(keys, run, depth+8)
		}
		begin = end
	}
}

// sortRun sorts items that agree on their first depth bytes as far as heads
// can tell: a key that ends before depth agrees with its continuation by zeros.
func sortRun(keys Keys, run []sortItem, depth int) {
	ended := 0
	for i := range run {
		key := keys.Key(run[i].ref)
		if len(key) <= depth {
			run[i], run[ended] = run[ended], run[i]
			ended++
			continue
		}
		run[i].head = head(key[depth:])
	}
	// Keys that end within the shared bytes are prefixes of all the others, up
	// to zeros: shorter ones come first, and all of them before the rest.
	slices.SortFunc(run[:ended], func(x, y sortItem) int { return bytes.Compare(keys.Key(x.ref), keys.Key(y.ref)) })
	sortItems(keys, run[ended:], depth)
}
