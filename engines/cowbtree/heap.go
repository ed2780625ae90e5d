package cowbtree

import (
	"fmt"
	"unsafe"

	"orbitbench/engines"
	"orbitbench/engines/internal/arena"
)

// heap allocates blocks for the writer and frees them when no reader is left.
// All of it but its arena and epochs belongs to the holder of the tree's lock.
type heap struct {
	mem
	arena  *arena.Arena
	epochs epochs

	spare  [spareClasses][]ref // freed blocks by size, so that the common case needs no other lock
	limbo  [3][]block          // blocks that left the tree, by their epoch modulo 3
	recent int                 // blocks put into limbo since the epoch was last raised, or tried to be
	held   int                 // blocks in limbo
}

// block is a block with its size in bytes.
type block struct {
	ref  ref
	size uint32
}

const (
	spareLimit   = 1024 // size of the largest blocks kept in heap.spare
	spareClasses = spareLimit/refUnit + 1
	spareBlocks  = 256 // kept of each size
	advanceEvery = 128 // blocks in limbo before the epoch is raised
)

func newHeap() (*heap, error) {
	a, err := arena.New(0)
	if err != nil {
		return nil, err
	}
	h := &heap{arena: a}
	h.base = unsafe.Pointer(&a.From(0)[0])
	h.epochs.now.Store(2)
	return h, nil
}

// alloc returns a block of at least n bytes with undefined content. The engine has made
// sure before the commit that there is memory for it (engine.room): in the middle of a
// change there would be no way back.
func (h *heap) alloc(n int) ref {
	if n <= spareLimit {
		list := &h.spare[(n+refUnit-1)/refUnit]
		if k := len(*list); k > 0 {
			r := (*list)[k-1]
			*list = (*list)[:k-1]
			return r
		}
	}
	r, err := h.arena.Alloc(n)
	if err != nil {
		panic(fmt.Sprintf("cowbtree: no memory for %d bytes although it was reserved: %v", n, err))
	}
	return r
}

// allocShared is alloc for those who do not hold the lock.
func (h *heap) allocShared(n int) (ref, error) {
	r, err := h.arena.Alloc(n)
	if err != nil {
		return 0, fmt.Errorf("%w: %v", engines.ErrFull, err)
	}
	return r, nil
}

// free takes back a block that nobody can see.
func (h *heap) free(b block) {
	if b.size <= spareLimit {
		list := &h.spare[(b.size+refUnit-1)/refUnit]
		if len(*list) < spareBlocks {
			*list = append(*list, b.ref)
			return
		}
	}
	h.arena.Free(b.ref, int(b.size))
}

// trim gives the spare blocks back to the arena.
func (h *heap) trim() {
	for i := range h.spare {
		for _, r := range h.spare[i] {
			h.arena.Free(r, max(i, 1)*refUnit)
		}
		h.spare[i] = h.spare[i][:0]
	}
}

// retire frees a block that has left the tree once no reader can see it.
func (h *heap) retire(b block) {
	i := h.epochs.now.Load() % 3
	h.limbo[i] = append(h.limbo[i], b)
	h.held++
	if h.recent++; h.recent >= advanceEvery {
		h.recent = 0
		h.collect()
	}
}

// collect raises the epoch if it can and frees what that sets free.
func (h *heap) collect() {
	if !h.epochs.advance() {
		return
	}
	// The list of two epochs ago is that of the next one.
	list := &h.limbo[(h.epochs.now.Load()+1)%3]
	for _, b := range *list {
		h.free(b)
	}
	h.held -= len(*list)
	if cap(*list) > 1<<16 {
		*list = nil
	}
	*list = (*list)[:0]
}

func (h *heap) close() error { return h.arena.Close() }
