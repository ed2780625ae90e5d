package cowbtree

import (
	"runtime"
	"sync/atomic"
	"unsafe"
)

// Epochs keep a block that has left the tree from being used again while a
// reader may still look at it.
//
//  1. A reader pins: it counts itself in the slot of its stack under the current epoch,
//     and looks again whether that is still the current one.
//  2. The writer takes a block out of the tree and remembers it with the current epoch e.
//  3. The writer raises the epoch from e to e+1 when nobody is counted under e-1.
//  4. At epoch e+2 nobody is left who pinned at e or before: the block is free.
//
// Readers write to their own slot only, so that they do not slow each other down.

// pinSlots is the number of slots; a power of two. Two readers that meet in one
// slot share a cache line, and nothing worse.
const pinSlots = 64

type pinSlot struct {
	count [2]atomic.Int64 // readers by parity of their epoch
	_     [112]byte       // neighbours do not share a cache line, nor the prefetched one
}

type epochs struct {
	now   atomic.Uint64
	_     [120]byte
	slots [pinSlots]pinSlot
}

// pin is what a reader holds; unpin gives it back.
type pin struct{ count *atomic.Int64 }

// pin holds back the reuse of every block that can be reached from now on. It
// must be given back soon.
func (e *epochs) pin() pin {
	var here byte
	// Stacks of goroutines lie at least 2 KiB apart.
	h := uint64(uintptr(unsafe.Pointer(&here))>>11) * 0x9e3779b97f4a7c15
	s := &e.slots[h>>58]
	for {
		now := e.now.Load()
		c := &s.count[now&1]
		c.Add(1)
		if e.now.Load() == now {
			return pin{c}
		}
		c.Add(-1)
	}
}

func (p pin) unpin() { p.count.Add(-1) }

// advance raises the epoch if nobody is left in the one before it. For the writer only.
func (e *epochs) advance() bool {
	now := e.now.Load()
	before := (now + 1) & 1
	for i := range e.slots {
		if e.slots[i].count[before].Load() != 0 {
			return false
		}
	}
	e.now.Store(now + 1)
	return true
}

// drain waits until no reader is pinned. New ones must be turned away by other means.
func (e *epochs) drain() {
	for i := range e.slots {
		for _, c := range [...]*atomic.Int64{&e.slots[i].count[0], &e.slots[i].count[1]} {
			for c.Load() != 0 {
				runtime.Gosched()
			}
		}
	}
}
