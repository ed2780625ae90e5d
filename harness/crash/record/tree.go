package record

import (
	"encoding/binary"
	"iter"
	"maps"
	"slices"
	"syscall"

	"github.com/cespare/xxhash/v2"
)

// unit is the size in which content is kept, lost and compared, in bytes.
const unit = 4096

// sector is what a disk writes whole, in bytes.
const sector = 512

// rootIno is the top directory of every tree.
const rootIno = 1

type page [unit]byte

// node is a file, a directory or a symbolic link. Pages are never changed, only
// replaced, so that trees share them.
type node struct {
	mode    uint32 // with the type, as in stat
	nlink   int
	size    int64
	pages   map[int64]*page // by unit, absent for zeros
	sum     uint64          // of the pages' hashes
	entries map[string]uint64
	target  string
}

func newNode(mode uint32) *node {
	n := &node{mode: mode, nlink: 1}
	switch mode & syscall.S_IFMT {
	case syscall.S_IFDIR:
		n.entries = map[string]uint64{}
	case syscall.S_IFREG:
		n.pages = map[int64]*page{}
	}
	return n
}

func (n *node) dir() bool { return n.mode&syscall.S_IFMT == syscall.S_IFDIR }

func (n *node) clone() *node {
	c := *n
	c.pages, c.entries = maps.Clone(n.pages), maps.Clone(n.entries)
	return &c
}

func pageHash(u int64, p *page) uint64 {
	if p == nil {
		return 0
	}
	return mix(xxhash.Sum64(p[:]) + uint64(u)*0x9e3779b97f4a7c15)
}

// mix is the finaliser of splitmix64: sums of what it returns tell sets apart.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

var zeroPage page

// set puts a page in place, and forgets those of zeros.
func (n *node) set(u int64, p *page) {
	if p != nil && *p == zeroPage {
		p = nil
	}
	n.sum += pageHash(u, p) - pageHash(u, n.pages[u])
	if p == nil {
		delete(n.pages, u)
		return
	}
	n.pages[u] = p
}

// write puts bytes into one unit, zeros if data is nil.
func (n *node) write(off int64, data []byte, length int64) {
	u := off / unit
	p := new(page)
	if old := n.pages[u]; old != nil && length < unit {
		*p = *old
	}
	at := p[off%unit:][:length]
	if data == nil {
		clear(at)
	} else {
		copy(at, data)
	}
	n.set(u, p)
	n.size = max(n.size, off+length)
}

// zero clears a range of any length, without changing the size.
func (n *node) zero(off, length int64) {
	end := off + length
	for _, u := range slices.Collect(maps.Keys(n.pages)) {
		from, to := max(off, u*unit), min(end, (u+1)*unit)
		switch {
		case from >= to:
		case to-from == unit:
			n.set(u, nil)
		default:
			p := *n.pages[u]
			clear(p[from-u*unit : to-u*unit])
			n.set(u, &p)
		}
	}
}

func (n *node) truncate(size int64) {
	if size < n.size {
		n.zero(size, (n.size+unit-1)/unit*unit-size)
	}
	n.size = size
}

// read copies the content from off on, and returns how many bytes there were.
func (n *node) read(b []byte, off int64) int {
	b = b[:max(0, min(int64(len(b)), n.size-off))]
	for done := 0; done < len(b); {
		at := off + int64(done)
		part := b[done:min(len(b), done+int(unit-at%unit))]
		if p := n.pages[at/unit]; p != nil {
			copy(part, p[at%unit:])
		} else {
			clear(part)
		}
		done += len(part)
	}
	return len(b)
}

func (n *node) hash() uint64 {
	var b [24]byte
	binary.LittleEndian.PutUint64(b[:], n.sum)
	binary.LittleEndian.PutUint64(b[8:], uint64(n.size))
	binary.LittleEndian.PutUint64(b[16:], uint64(n.mode))
	return xxhash.Sum64(append(b[:], n.target...))
}

// tree is a file system in memory. A clone shares its nodes until either changes them.
type tree struct {
	nodes map[uint64]*node
	own   map[uint64]bool // nodes that no clone shares
}

func newTree() *tree {
	t := &tree{nodes: map[uint64]*node{}, own: map[uint64]bool{}}
	t.ensure(rootIno, syscall.S_IFDIR|0o755)
	return t
}

func (t *tree) clone() *tree {
	if len(t.own) > 0 { // a tree that does not change any more is cloned by several at a time
		t.own = map[uint64]bool{}
	}
	return &tree{nodes: maps.Clone(t.nodes), own: map[uint64]bool{}}
}

// change returns a node to be changed, or nil.
func (t *tree) change(ino uint64) *node {
	n := t.nodes[ino]
	if n != nil && !t.own[ino] {
		n = n.clone()
		t.nodes[ino], t.own[ino] = n, true
	}
	return n
}

// ensure is change of a node that may be missing, because its creation was lost.
func (t *tree) ensure(ino uint64, mode uint32) *node {
	if t.nodes[ino] == nil {
		t.nodes[ino], t.own[ino] = newNode(mode), true
	}
	return t.change(ino)
}

func (t *tree) enter(dir uint64, name string, ino uint64) {
	if d := t.ensure(dir, syscall.S_IFDIR|0o755); d.entries != nil {
		d.entries[name] = ino
	}
}

func (t *tree) leave(dir uint64, name string) {
	if d := t.ensure(dir, syscall.S_IFDIR|0o755); d.entries != nil {
		delete(d.entries, name)
	}
}

// apply carries an operation out; what it rests on may be missing. A keep that is not
// negative tears a write.
func (t *tree) apply(o *Op, keep int) {
	const regular = syscall.S_IFREG | 0o644
	switch o.Kind {
	case Write:
		n := t.ensure(o.Ino, regular)
		if n.pages == nil {
			return
		}
		switch {
		case keep < 0:
			n.write(o.Off, o.Data, o.Len)
		case keep > 0 && int64(keep) < o.Len:
			data := o.Data
			if data != nil {
				data = data[:keep]
			}
			n.write(o.Off, data, int64(keep))
		case keep == 0:
			n.size = max(n.size, o.Off+o.Len)
		}
	case Truncate:
		if n := t.ensure(o.Ino, regular); n.pages != nil {
			n.truncate(o.Off)
		}
	case Allocate:
		n := t.ensure(o.Ino, regular)
		if n.pages == nil {
			return
		}
		if o.Zero {
			n.zero(o.Off, o.Len)
		}
		if o.Grow {
			n.size = max(n.size, o.Off+o.Len)
		}
	case Chmod:
		n := t.ensure(o.Ino, o.Mode)
		n.mode = n.mode&syscall.S_IFMT | o.Mode&0o7777
	case Create, Mkdir, Symlink:
		n := t.ensure(o.Ino, o.Mode)
		n.mode, n.target = o.Mode, o.Target
		t.enter(o.Dir, o.Name, o.Ino)
	case Link:
		t.ensure(o.Ino, o.Mode).nlink++
		t.enter(o.Dir, o.Name, o.Ino)
	case Unlink, Rmdir:
		t.ensure(o.Ino, o.Mode).nlink--
		t.leave(o.Dir, o.Name)
	case Rename:
		t.ensure(o.Ino, o.Mode)
		if o.Replaces != 0 {
			t.ensure(o.Replaces, regular).nlink--
		}
		t.leave(o.Dir, o.Name)
		t.enter(o.NewDir, o.NewName, o.Ino)
	}
}

// reached yields all that can be reached from the top, by path, directories before
// what they hold. The path of the top is "", others begin with a slash.
func (t *tree) reached() iter.Seq2[string, uint64] {
	return func(yield func(string, uint64) bool) {
		seen := map[uint64]bool{}
		var down func(string, uint64) bool
		down = func(at string, ino uint64) bool {
			n := t.nodes[ino]
			if n == nil || n.dir() && seen[ino] {
				return true
			}
			seen[ino] = true
			if !yield(at, ino) {
				return false
			}
			for _, name := range slices.Sorted(maps.Keys(n.entries)) {
				if !down(at+"/"+name, n.entries[name]) {
					return false
				}
			}
			return true
		}
		down("", rootIno)
	}
}

// hash tells the reachable content of trees apart.
func (t *tree) hash() uint64 {
	var sum uint64
	for path, ino := range t.reached() {
		sum += mix(xxhash.Sum64String(path) + 31*t.nodes[ino].hash())
	}
	return sum
}
