package vfs

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
)

// Loss is how a crash state treats what was pending.
type Loss uint8

// The losses.
const (
	LoseAll    Loss = iota // nothing that was pending is there
	LoseNone               // everything is there
	LosePrefix             // the pending operations up to some point are there
	LoseSome               // each pending operation is there or not
	LoseTorn               // each 512-byte sector of each pending operation is there or not

	numLosses
)

// Losses returns every kind of loss.
func Losses() []Loss {
	all := make([]Loss, numLosses)
	for i := range all {
		all[i] = Loss(i)
	}
	return all
}

// String returns the name of l.
func (l Loss) String() string {
	names := [...]string{"all", "none", "prefix", "some", "torn"}
	if int(l) >= len(names) {
		return fmt.Sprintf("loss(%d)", uint8(l))
	}
	return "lose-" + names[l]
}

// Crash returns the file system as a power cut at this moment may leave it, with
// everything in it durable. rng decides what LosePrefix, LoseSome and LoseTorn
// take; m is not changed. Stores through a mapping count as pending operations, one for
// each page.
func (m *Mem) Crash(rng *rand.Rand, loss Loss) *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	after := NewMem()
	maps.Copy(after.dirs, m.dirs)
	entries := maps.Clone(m.durable)
	keep := keeper(rng, loss, len(m.moves))
	for i, v := range m.moves {
		if keep(i) {
			v.apply(entries)
		}
	}
	for name, n := range entries {
		data := n.crash(rng, loss)
		c := &inode{data: data, durable: slices.Clone(data)}
		after.names[name], after.durable[name] = c, c
	}
	return after
}

// Kill returns the file system as the death of the process leaves it: all that
// was written or stored is there, what was pending still is, and a later Crash may lose it.
func (m *Mem) Kill() *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	after := NewMem()
	maps.Copy(after.dirs, m.dirs)
	nodes := map[*inode]*inode{}
	clone := func(n *inode) *inode {
		if n == nil || nodes[n] != nil {
			return nodes[n]
		}
		c := &inode{data: make([]byte, len(n.data)), durable: slices.Clone(n.durable), clean: slices.Clone(n.clean)}
		copyShared(c.data, n.data)
		c.pending = append(slices.Clone(n.pending), n.stores(c.data)...)
		nodes[n] = c
		return c
	}
	for name, n := range m.names {
		after.names[name] = clone(n)
	}
	for name, n := range m.durable {
		after.durable[name] = clone(n)
	}
	for _, v := range m.moves {
		v.node = clone(v.node)
		after.moves = append(after.moves, v)
	}
	return after
}

// keeper decides which of n pending operations are kept.
func keeper(rng *rand.Rand, loss Loss, n int) func(i int) bool {
	switch loss {
	case LoseAll:
		return func(int) bool { return false }
	case LoseNone:
		return func(int) bool { return true }
	case LosePrefix:
		upTo := rng.IntN(n + 1)
		return func(i int) bool { return i < upTo }
	default:
		return func(int) bool { return rng.IntN(2) == 0 }
	}
}

// stores returns what mappings stored beyond the pending writes, page by page.
func (n *inode) stores(now []byte) []patch {
	if n.mapped == 0 {
		return nil
	}
	known := slices.Clone(n.durable)
	if n.clean != nil {
		known = slices.Clone(n.clean)
	}
	for _, p := range n.pending {
		known = p.apply(known)
	}
	known = resized(known, int64(len(now)))
	var list []patch
	for off := 0; off < len(now); off += BlockBytes {
		end := min(off+BlockBytes, len(now))
		if !bytes.Equal(known[off:end], now[off:end]) {
			list = append(list, patch{int64(off), now[off:end]})
		}
	}
	return list
}

func (p patch) apply(b []byte) []byte {
	if p.data == nil {
		return resized(b, p.off)
	}
	if end := p.off + int64(len(p.data)); end > int64(len(b)) {
		b = resized(b, end)
	}
	copy(b[p.off:], p.data)
	return b
}

// crash returns what the device may hold of n.
func (n *inode) crash(rng *rand.Rand, loss Loss) []byte {
	pending := n.pending
	if n.mapped > 0 {
		now := make([]byte, len(n.data))
		copyShared(now, n.data)
		pending = append(slices.Clone(pending), n.stores(now)...)
	}
	b := slices.Clone(n.durable)
	keep := keeper(rng, loss, len(pending))
	for i, p := range pending {
		if loss != LoseTorn || p.data == nil {
			if keep(i) {
				b = p.apply(b)
			}
			continue
		}
		for at := 0; at < len(p.data); {
			end := min(len(p.data), at+SectorBytes-int(p.off+int64(at))%SectorBytes)
			if keep(i) {
				b = patch{p.off + int64(at), p.data[at:end]}.apply(b)
			}
			at = end
		}
	}
	return b
}
