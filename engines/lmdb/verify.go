package lmdb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"orbitbench/engines"
	"orbitbench/engines/adapter"
)

// Verify reads every page of a closed store that is in use, without the
// library, which would trust them. It checks that the trees hang together
// (numbers, kinds, bounds, order of keys, counts), that no page is used twice
// or both used and free, and that every record decodes. Pages have no
// checksums: damage within a key or a value that breaks none of this is not found.
func (Driver) Verify(ctx context.Context, dir string, progress func(done, total int64)) (engines.VerifyReport, error) {
	path := filepath.Join(dir, dataName)
	f, err := os.Open(path)
	if err != nil {
		return engines.VerifyReport{}, fmt.Errorf("lmdb: %w", err)
	}
	defer f.Close() // of a file that was only read
	info, err := f.Stat()
	if err != nil {
		return engines.VerifyReport{}, fmt.Errorf("lmdb: %w", err)
	}
	v := &verifier{ctx: ctx, file: f, path: path, size: info.Size(), progress: progress}
	err = v.run()
	return engines.VerifyReport{Files: 1, Bytes: info.Size(), Records: v.records}, err
}

// verifier walks the trees of one file.
type verifier struct {
	ctx      context.Context
	file     io.ReaderAt
	path     string
	size     int64
	progress func(done, total int64)

	meta    meta
	used    []uint64 // a bit for each page that was reached or is free
	seen    uint64   // pages reached
	records uint64
}

// walk is the walk of one tree: what it visits, and what was counted.
type walk struct {
	name   string
	tree   tree
	counts tree
	leaf   func(w *walk, at int64, key, value []byte, flags uint16) error
	order  func(a, b []byte) int
	last   []byte // the key before; nil at the beginning
}

func (v *verifier) corrupt(at int64, format string, args ...any) error {
	return &engines.CorruptError{File: v.path, Offset: at, Reason: fmt.Sprintf(format, args...)}
}

func (v *verifier) run() (err error) {
	if v.meta, err = readMeta(v.file, v.path); err != nil {
		return err
	}
	if v.size < v.meta.bytes() {
		return v.corrupt(v.size, "the file ends here, its meta page speaks of %d bytes", v.meta.bytes())
	}
	v.used = make([]uint64, v.meta.last/64+1)
	v.used[0] = 3 // the meta pages
	found := map[string]bool{}
	err = v.walk(&walk{name: "main", tree: v.meta.main, order: bytes.Compare, leaf: func(w *walk, at int64, key, value []byte, flags uint16) error {
		if flags&nodeTree == 0 || len(value) != treeSize {
			return v.corrupt(at, "the main tree holds %q, which is no tree", key)
		}
		found[string(key)] = true
		return v.walk(&walk{name: string(key), tree: parseTree(value), order: bytes.Compare, leaf: v.record})
	}})
	if err != nil {
		return err
	}
	for _, name := range databases() {
		if !found[name] {
			return v.corrupt(-1, "database %s is missing", name)
		}
	}
	if err := v.walk(&walk{name: "free", tree: v.meta.free, order: compareNumbers, leaf: v.freed}); err != nil {
		return err
	}
	if v.progress != nil {
		v.progress(v.size, v.size)
	}
	return nil
}

// record checks one record of a keyspace, or the version state.
func (v *verifier) record(w *walk, at int64, key, value []byte, flags uint16) error {
	if flags&nodeTree != 0 {
		return v.corrupt(at, "%s: key %x holds a tree", w.name, key)
	}
	var err error
	if w.name == databases()[stateIndex] {
		var s adapter.VersionState
		err = s.UnmarshalBinary(value)
	} else {
		_, _, err = adapter.DecodeRecord(value)
		v.records++
	}
	if err != nil {
		return v.corrupt(at, "%s: key %x: %v", w.name, key, err)
	}
	return nil
}

const stateIndex = engines.NumKeyspaces

// freed takes in a list of free pages: its length and the page numbers, falling.
func (v *verifier) freed(w *walk, at int64, key, value []byte, _ uint16) error {
	if len(key) != 8 || len(value) < 8 || le.Uint64(value) > uint64(len(value)/8-1) {
		return v.corrupt(at, "free: a list of %d bytes under a key of %d", len(value), len(key))
	}
	for i := range le.Uint64(value) {
		if err := v.claim(at, le.Uint64(value[8+8*i:]), 1); err != nil {
			return err
		}
	}
	return nil
}

func compareNumbers(a, b []byte) int {
	if len(a) != 8 || len(b) != 8 {
		return len(a) - len(b)
	}
	x, y := le.Uint64(a), le.Uint64(b)
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

// claim notes that n pages from number on belong to something, and to nothing else.
func (v *verifier) claim(at int64, number, n uint64) error {
	if n == 0 || number > v.meta.last || n > v.meta.last-number+1 {
		return v.corrupt(at, "speaks of %d pages from %d, the last page is %d", n, number, v.meta.last)
	}
	for p := number; p < number+n; p++ {
		if v.used[p/64]&(1<<(p%64)) != 0 {
			return v.corrupt(at, "speaks of page %d, which something else has too", p)
		}
		v.used[p/64] |= 1 << (p % 64)
	}
	return nil
}

// page reads a page that at speaks of, and checks its number.
func (v *verifier) page(at int64, number uint64) (raw []byte, err error) {
	if err := v.claim(at, number, 1); err != nil {
		return nil, err
	}
	raw = make([]byte, v.meta.pageSize)
	here := int64(number) * v.meta.pageSize
	if _, err := v.file.ReadAt(raw, here); err != nil {
		return nil, err
	}
	if have := le.Uint64(raw); have != number {
		return nil, v.corrupt(here, "page %d says that it is %d", number, have)
	}
	if v.seen++; v.seen%256 == 0 {
		if err := v.ctx.Err(); err != nil {
			return nil, err
		}
		if v.progress != nil {
			v.progress(min(int64(v.seen)*v.meta.pageSize, v.size), v.size)
		}
	}
	return raw, nil
}

// walk visits a tree and compares what it holds with what its head says.
func (v *verifier) walk(w *walk) error {
	if w.tree.root == noPage {
		if w.tree.entries != 0 {
			return v.corrupt(-1, "tree %s has %d entries and no root", w.name, w.tree.entries)
		}
		return nil
	}
	if w.tree.depth == 0 || w.tree.depth > 32 {
		return v.corrupt(-1, "tree %s is %d deep", w.name, w.tree.depth)
	}
	if err := v.visit(w, -1, w.tree.root, int(w.tree.depth)); err != nil {
		return err
	}
	c, t := w.counts, w.tree
	if c.branches != t.branches || c.leaves != t.leaves || c.overflow != t.overflow || c.entries != t.entries {
		return v.corrupt(int64(t.root)*v.meta.pageSize, "tree %s has %d branches, %d leaves, %d overflow pages and %d entries; its head says %d, %d, %d and %d",
			w.name, c.branches, c.leaves, c.overflow, c.entries, t.branches, t.leaves, t.overflow, t.entries)
	}
	return nil
}

// visit reads the page that from speaks of, level pages above the leaves' ends.
func (v *verifier) visit(w *walk, from int64, number uint64, level int) error {
	raw, err := v.page(from, number)
	if err != nil {
		return err
	}
	at := int64(number) * v.meta.pageSize
	kind, want := le.Uint16(raw[10:])&(flagBranch|flagLeaf|flagOverflow|flagMeta), uint16(flagLeaf)
	if level > 1 {
		want = flagBranch
	}
	lower, upper := int(le.Uint16(raw[12:])), int(le.Uint16(raw[14:]))
	if kind != want || lower < pageHead || lower > upper || upper > len(raw) || lower%2 != 0 {
		return v.corrupt(at, "tree %s, page of kind %#x (want %#x) with bounds %d and %d", w.name, kind, want, lower, upper)
	}
	if kind == flagBranch {
		w.counts.branches++
	} else {
		w.counts.leaves++
	}
	for i := pageHead; i < lower; i += 2 {
		offset := int(le.Uint16(raw[i:]))
		if offset < upper || offset+nodeHead > len(raw) {
			return v.corrupt(at+int64(i), "tree %s, node at %d of a page whose nodes begin at %d", w.name, offset, upper)
		}
		node := raw[offset:]
		if kind == flagBranch {
			err = v.branch(w, at+int64(offset), node, i == pageHead, level)
		} else {
			err = v.entry(w, at+int64(offset), node)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// branch visits the child of a node. Keys of the child are not below the node's,
// except in the first one, which has none.
func (v *verifier) branch(w *walk, at int64, node []byte, first bool, level int) error {
	size := int(le.Uint16(node[6:]))
	if nodeHead+size > len(node) {
		return v.corrupt(at, "tree %s, a key of %d bytes reaches beyond its page", w.name, size)
	}
	if key := node[nodeHead : nodeHead+size]; !first {
		if w.last != nil && w.order(key, w.last) <= 0 {
			return v.corrupt(at, "tree %s, branch key %x follows %x", w.name, key, w.last)
		}
		// The child's first key may equal it, but not the key before.
	}
	child := uint64(le.Uint16(node)) | uint64(le.Uint16(node[2:]))<<16 | uint64(le.Uint16(node[4:]))<<32
	return v.visit(w, at, child, level-1)
}

// entry checks one entry of a leaf.
func (v *verifier) entry(w *walk, at int64, node []byte) error {
	size, flags := uint64(le.Uint16(node))|uint64(le.Uint16(node[2:]))<<16, le.Uint16(node[4:])
	keyEnd := nodeHead + int(le.Uint16(node[6:]))
	inline := size
	if flags&nodeBig != 0 {
		inline = 8
	}
	if keyEnd > len(node) || inline > uint64(len(node)-keyEnd) {
		return v.corrupt(at, "tree %s, an entry with a key of %d and a value of %d bytes reaches beyond its page", w.name, keyEnd-nodeHead, size)
	}
	key, value := node[nodeHead:keyEnd], node[keyEnd:keyEnd+int(inline)]
	if w.last != nil && w.order(key, w.last) <= 0 {
		return v.corrupt(at, "tree %s, key %x follows %x", w.name, key, w.last)
	}
	w.last = append(w.last[:0], key...)
	if w.last == nil {
		w.last = []byte{}
	}
	if flags&nodeBig != 0 {
		var err error
		if value, err = v.overflow(w, at, le.Uint64(value), size); err != nil {
			return err
		}
	}
	w.counts.entries++
	return w.leaf(w, at, key, value, flags)
}

// overflow reads a value that has pages of its own.
func (v *verifier) overflow(w *walk, at int64, number, size uint64) ([]byte, error) {
	head, err := v.page(at, number)
	if err != nil {
		return nil, err
	}
	here, n := int64(number)*v.meta.pageSize, uint64(le.Uint32(head[12:]))
	if le.Uint16(head[10:])&flagOverflow == 0 || n == 0 || size > n*uint64(v.meta.pageSize)-pageHead {
		return nil, v.corrupt(here, "tree %s, %d overflow pages for a value of %d bytes", w.name, n, size)
	}
	w.counts.overflow += n
	if n > 1 {
		if err := v.claim(here, number+1, n-1); err != nil {
			return nil, err
		}
	}
	value := make([]byte, size)
	if _, err := v.file.ReadAt(value, here+pageHead); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return value, nil
}
