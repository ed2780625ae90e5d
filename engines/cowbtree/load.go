package cowbtree

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"orbitbench/engines"
)

// Loading. A store is opened with its roots alone: stubs that know their page. Whoever
// comes to a stub reads the page, makes a node of it, and leaves that in the
// stub for all; the writer puts it in the stub's place when it comes by.

// loader reads pages. Its locks keep two goroutines from reading the same page.
type loader struct {
	h       *heap
	pages   *pageFile
	maxKeys int
	limit   int64 // of memory; beyond it pages are refused with ErrFull
	locks   [16]sync.Mutex
	bufs    sync.Pool
	read    atomic.Uint64 // pages
}

// anyLevel is the level of a stub that may be any: a root's.
const anyLevel = 0xff

// born is the generation of what is loaded: every view could have seen it.
const bornLoaded = 1

// newStub makes a stub for a page.
func (l *loader) newStub(a pageAddr, level uint8) (ref, error) {
	r, err := l.h.allocShared(nodeHeadBytes)
	if err != nil {
		return 0, err
	}
	*l.h.node(r) = node{kind: kindStub, level: level, born: bornLoaded, page: a}
	return r, nil
}

// load reads the page of a stub unless that has been done. The caller holds a
// pin, a view or the writer's lock, so that the stub stays what it is.
func (l *loader) load(stub ref) error {
	s := l.h.node(stub)
	mu := &l.locks[s.page.block%uint32(len(l.locks))]
	mu.Lock()
	defer mu.Unlock()
	if s.loadedRef() != 0 {
		return nil
	}
	buf, _ := l.bufs.Get().(*[]byte)
	if buf == nil {
		buf = new([]byte)
	}
	defer l.bufs.Put(buf)
	if used := l.h.arena.UsedBytes() + 2*int64(s.page.bytes); used > l.limit {
		return fmt.Errorf("%w: a page of %d bytes does not fit in memory (%d of %d bytes in use)", engines.ErrFull, s.page.bytes, used, l.limit)
	}
	pg, grown, err := l.pages.read(s.page, *buf)
	*buf = grown
	if err != nil {
		return err
	}
	if pg.kind == kindMap || s.level != anyLevel && pg.level != s.level {
		return l.pages.damaged(s.page, "kind %d and level %d under a parent of level %d", pg.kind, pg.level, s.level+1)
	}
	b := builder{l: l, page: s.page}
	r, err := b.build(&pg)
	if err != nil {
		b.undo()
		return err
	}
	l.read.Add(1)
	atomic.StoreUint32(&s.word, uint32(r))
	return nil
}

// builder makes a node of a page.
type builder struct {
	l     *loader
	page  pageAddr
	made  []block
	ids   []ref
	seps  []ref
	bytes uint32
}

func (b *builder) alloc(n int) (ref, error) {
	r, err := b.l.h.allocShared(n)
	if err == nil {
		b.made = append(b.made, block{r, uint32(n)})
	}
	return r, err
}

func (b *builder) undo() {
	for _, m := range b.made {
		b.l.h.arena.Free(m.ref, int(m.size))
	}
}

func (b *builder) build(pg *page) (ref, error) {
	var err error
	if pg.kind == kindLeaf {
		err = pg.eachRecord(b.record)
	} else {
		err = pg.eachChild(func(a pageAddr, sep []byte) error { return b.child(pg.level-1, a, sep) })
	}
	if err != nil {
		if _, ok := err.(*engines.CorruptError); ok || isFull(err) {
			return 0, err
		}
		return 0, b.l.pages.damaged(b.page, "%v", err)
	}
	room := roomFor(len(b.ids), b.l.maxKeys)
	r, err := b.alloc(nodeBytes(pg.kind, room))
	if err != nil {
		return 0, err
	}
	n := b.l.h.node(r)
	*n = node{
		kind: pg.kind, level: pg.level, n: uint16(len(b.ids)), born: bornLoaded, page: b.page,
		payload: b.bytes, room: uint16(room),
	}
	copy(n.ids(), b.ids)
	if pg.kind == kindInner {
		copy(n.seps(), b.seps)
	}
	b.l.h.mem.finish(n)
	return r, nil
}

func (b *builder) record(version uint64, key, value []byte) error {
	if n := len(b.ids); n > 0 && bytes.Compare(b.l.h.record(b.ids[n-1]).key(), key) >= 0 {
		return fmt.Errorf("key %x is not above the one before it", key)
	}
	r, err := b.alloc(recordBytes(len(key), len(value)))
	if err != nil {
		return err
	}
	b.l.h.record(r).fill(engines.Version(version), bornLoaded, key, value)
	b.ids = append(b.ids, r)
	b.bytes += uint32(pageRecordHead + len(key) + len(value))
	return nil
}

func (b *builder) child(level uint8, a pageAddr, sep []byte) error {
	r, err := b.l.newStub(a, level)
	if err != nil {
		return err
	}
	b.made = append(b.made, block{r, nodeHeadBytes})
	b.ids = append(b.ids, r)
	if len(sep) == 0 {
		b.seps = append(b.seps, 0)
		return nil
	}
	if n := len(b.seps); n > 1 && bytes.Compare(b.l.h.separator(b.seps[n-1]).key(), sep) >= 0 {
		return fmt.Errorf("separator %x is not above the one before it", sep)
	}
	s, err := b.alloc(separatorHeadBytes + len(sep))
	if err != nil {
		return err
	}
	h := b.l.h.separator(s)
	h.h.born, h.h.keyLen = bornLoaded, uint16(len(sep))
	copy(h.key(), sep)
	b.seps = append(b.seps, s)
	return nil
}

func isFull(err error) bool { return errors.Is(err, engines.ErrFull) }

// finish computes prefix, heads and slope of a node whose ids are there.
func (m mem) finish(n *node) {
	first, last := 0, n.len()-1
	key := func(i int) []byte { return m.record(n.ids()[i]).key() }
	if n.kind == kindInner {
		first = 1
		key = func(i int) []byte { return m.separator(n.seps()[i]).key() }
		n.heads()[0] = 0
	}
	if first <= last {
		n.prefix = uint16(commonPrefix(key(first), key(last)))
	}
	for i := first; i <= last; i++ {
		n.heads()[i] = headOf(key(i), int(n.prefix))
	}
	n.setSlope()
}
