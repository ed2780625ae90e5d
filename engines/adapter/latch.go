package adapter

import (
	"hash/maphash"
	"slices"
	"sync"

	"orbitbench/engines"
)

// stripes is the number of latches. Two unrelated keys share one with
// probability 1/1024, and locking all of them for the largest batch takes
// some 20 us.
const stripes = 1024

// Latches keep the keys of a store from changing between a read and the write
// that depends on it. They are striped: a key belongs to one of 1024 mutexes.
type Latches struct {
	seed    maphash.Seed
	stripes [stripes]struct {
		sync.Mutex
		_ [56]byte // a cache line each, so that neighbours do not slow each other
	}
}

// NewLatches returns a set of free latches.
func NewLatches() *Latches { return &Latches{seed: maphash.MakeSeed()} }

// Lock takes the latch of one key and returns its number for Unlock.
func (l *Latches) Lock(ks engines.Keyspace, key []byte) uint32 {
	i := l.of(ks, key)
	l.stripes[i].Lock()
	return i
}

// Unlock frees the latch that Lock returned.
func (l *Latches) Unlock(i uint32) { l.stripes[i].Unlock() }

// LockBatch takes the latches of every key that b names in an operation or a
// condition. held is scratch memory; the result is what UnlockAll wants.
// The order is ascending for every caller, so that no two wait for each other.
func (l *Latches) LockBatch(b *engines.Batch, held []uint32) []uint32 {
	held = held[:0]
	for i := range b.Ops {
		held = append(held, l.of(b.Ops[i].Keyspace, b.Ops[i].Key))
	}
	for i := range b.Conditions {
		held = append(held, l.of(b.Conditions[i].Keyspace, b.Conditions[i].Key))
	}
	slices.Sort(held)
	held = slices.Compact(held)
	for _, i := range held {
		l.stripes[i].Lock()
	}
	return held
}

// UnlockAll frees what LockBatch took.
func (l *Latches) UnlockAll(held []uint32) {
	for _, i := range held {
		l.stripes[i].Unlock()
	}
}

func (l *Latches) of(ks engines.Keyspace, key []byte) uint32 {
	h := maphash.Bytes(l.seed, key) + uint64(ks)*0x9e3779b97f4a7c15
	return uint32(h % stripes)
}
