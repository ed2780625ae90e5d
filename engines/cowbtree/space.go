package cowbtree

import "math/bits"

// space knows which blocks of the page file are used: by the last durable
// checkpoint, or by the one that is being written.
type space struct {
	used   []uint64 // one bit for each block
	blocks uint32
	next   uint32 // where the search for room goes on
	inUse  uint32
}

// Growth of the file: an eighth, but so many blocks at least and at most.
const (
	growMin = 64       // 256 KiB
	growMax = 256 << 8 // 256 MiB
)

func newSpace(blocks uint32) *space {
	s := &space{next: firstPageBlock}
	s.extend(blocks)
	s.mark(0, firstPageBlock)
	return s
}

func (s *space) extend(blocks uint32) {
	s.blocks = blocks
	for uint32(len(s.used))*64 < blocks {
		s.used = append(s.used, 0)
	}
}

func (s *space) has(block uint32) bool { return s.used[block/64]&(1<<(block%64)) != 0 }

func (s *space) mark(block, n uint32) {
	for b := block; b < block+n; b++ {
		if !s.has(b) {
			s.used[b/64] |= 1 << (b % 64)
			s.inUse++
		}
	}
}

func (s *space) clear(block, n uint32) {
	for b := block; b < block+n; b++ {
		if s.has(b) {
			s.used[b/64] &^= 1 << (b % 64)
			s.inUse--
		}
	}
}

// run returns the first run of n free blocks in [from, to), or 0.
func (s *space) run(from, to, n uint32) uint32 {
	start, length := from, uint32(0)
	for b := from; b < to; {
		w := s.used[b/64] >> (b % 64)
		if w == 0 { // the rest of the word is free
			step := min(64-b%64, to-b)
			length += step
			b += step
		} else if free := uint32(bits.TrailingZeros64(w)); free > 0 {
			step := min(free, to-b)
			length += step
			b += step
		} else {
			b += uint32(bits.TrailingZeros64(^w))
			start, length = b, 0
			continue
		}
		if length >= n {
			return start
		}
	}
	return 0
}

// take returns n free blocks in a row and marks them used. The file may have to become
// longer for it.
func (s *space) take(n uint32) (block uint32) {
	block = s.run(s.next, s.blocks, n)
	if block == 0 {
		block = s.run(firstPageBlock, min(s.blocks, s.next+n), n)
	}
	if block == 0 {
		block = s.blocks
		for block > firstPageBlock && !s.has(block-1) {
			block--
		}
		s.extend(max(block+n, s.blocks+max(growMin, min(s.blocks/8, growMax))))
	}
	s.mark(block, n)
	s.next = block + n
	return block
}
