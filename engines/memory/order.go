package memory

import (
	"slices"
	"sort"
	"sync"
)

// maxBlock is the number of keys at which a block is split. 512 strings are
// 8 KiB of headers: a memmove of less than a microsecond.
const maxBlock = 512

// keyOrder is a sorted set of keys in blocks of at most maxBlock, each block
// sorted and below the next. Finding is two binary searches; inserting moves
// half a block. It beats a tree here because only creation and removal change it.
type keyOrder struct {
	mu     sync.RWMutex
	blocks [][]string // guarded by mu; none is empty
}

// block returns the index of the block in which key stands or would stand.
func (o *keyOrder) block(key string) int {
	i := sort.Search(len(o.blocks), func(i int) bool { return o.blocks[i][0] > key })
	return max(i-1, 0)
}

// insert adds key; a key that is there already is left alone.
func (o *keyOrder) insert(key string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.blocks) == 0 {
		o.blocks = append(o.blocks, append(make([]string, 0, maxBlock), key))
		return
	}
	b := o.block(key)
	at, found := slices.BinarySearch(o.blocks[b], key)
	if found {
		return
	}
	o.blocks[b] = slices.Insert(o.blocks[b], at, key)
	if len(o.blocks[b]) < maxBlock {
		return
	}
	// Keys that arrive in order leave full blocks behind instead of halves.
	half := maxBlock / 2
	if b == len(o.blocks)-1 && at == maxBlock-1 {
		half = maxBlock - 1
	}
	tail := append(make([]string, 0, maxBlock), o.blocks[b][half:]...)
	clear(o.blocks[b][half:])
	o.blocks[b] = o.blocks[b][:half]
	o.blocks = slices.Insert(o.blocks, b+1, tail)
}

// remove takes key out if it is there.
func (o *keyOrder) remove(key string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.blocks) == 0 {
		return
	}
	b := o.block(key)
	at, found := slices.BinarySearch(o.blocks[b], key)
	if !found {
		return
	}
	o.blocks[b] = slices.Delete(o.blocks[b], at, at+1)
	if len(o.blocks[b]) == 0 {
		o.blocks = slices.Delete(o.blocks, b, b+1)
	}
}

// collect appends to dst up to limit keys of [from, to) in order; a nil to is the end.
func (o *keyOrder) collect(dst []string, from, to []byte, limit int) []string {
	o.mu.RLock()
	defer o.mu.RUnlock()
	if len(o.blocks) == 0 {
		return dst
	}
	b := sort.Search(len(o.blocks), func(i int) bool { return o.blocks[i][0] > string(from) })
	b = max(b-1, 0)
	at := sort.Search(len(o.blocks[b]), func(i int) bool { return o.blocks[b][i] >= string(from) })
	for ; b < len(o.blocks); b, at = b+1, 0 {
		for _, key := range o.blocks[b][at:] {
			if limit <= 0 || (to != nil && key >= string(to)) {
				return dst
			}
			dst = append(dst, key)
			limit--
		}
	}
	return dst
}
