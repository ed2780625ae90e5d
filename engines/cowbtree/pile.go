package cowbtree

import "unsafe"

// pile is a stack of blocks that have left the tree. It lies in the arena, in chunks: a view that is
// kept while millions of records are replaced keeps them all, and a slice of so many would be copied by the
// writer when it grows, and counted by the garbage collector.
// The zero value is empty; it belongs to the holder of the tree's lock.
type pile struct {
	top ref // chunk with the last entries, 0 if there is none
	n   int // entries of it in use, at least 1
}

// pileChunk is a chunk; all but the top one are full.
type pileChunk struct {
	below   ref
	entries [pileEntries]dropped
}

const (
	pileChunkBytes = 4096
	pileEntries    = (pileChunkBytes - int(unsafe.Alignof(dropped{}))) / int(unsafe.Sizeof(dropped{}))
)

func (h *heap) chunk(r ref) *pileChunk { return (*pileChunk)(h.at(r)) }

// push puts d on the pile.
func (h *heap) push(p *pile, d dropped) {
	if p.top == 0 || p.n == pileEntries {
		r := h.alloc(pileChunkBytes)
		h.chunk(r).below = p.top
		p.top, p.n = r, 0
	}
	h.chunk(p.top).entries[p.n] = d
	p.n++
}

// pop takes the last entry off the pile; ok is false if there is none.
func (h *heap) pop(p *pile) (d dropped, ok bool) {
	if p.top == 0 {
		return d, false
	}
	c := h.chunk(p.top)
	p.n--
	d = c.entries[p.n]
	if p.n == 0 {
		empty := p.top
		if p.top = c.below; p.top != 0 {
			p.n = pileEntries
		}
		h.free(block{empty, pileChunkBytes})
	}
	return d, true
}
