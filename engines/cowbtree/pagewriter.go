package cowbtree

import (
	"context"
	"errors"
	"time"

	"github.com/klauspost/compress/s2"
	"golang.org/x/sys/unix"

	"orbitbench/engines"
	"orbitbench/engines/internal/vfs"
)

// pageWriter writes the nodes of one view that are not stored yet to free
// blocks of a page file, children before parents, in large direct writes.
//
//  1. A node that is as it was when it was last stored is left where it is, with all below it.
//  2. The others get pages, and their addresses go into the page of the parent.
//  3. finish writes the map of used blocks, makes all that durable, and then writes
//     the meta block which makes it the checkpoint, and makes that durable.
//
// Until the meta block is there nothing that the last checkpoint uses has been touched.
type pageWriter struct {
	mem
	ctx      context.Context
	fs       vfs.FS
	loader   *loader
	from     *pageFile // pages of nodes that have not been read
	to       *pageFile // may be another file: a copy, for which every node is written
	copying  bool
	compress bool
	share    float64 // part of the time that the writer may be busy
	number   uint64

	buf     []byte // aligned; pages that follow each other in the file
	at      uint32 // first block of buf
	begun   time.Time
	plain   []byte // payload being made
	raw     []byte // page of a node that has not been read
	placed  []placed
	taken   []pageAddr // blocks taken, to be given back when it fails
	bytes   int64
	onWrite func(n int)
}

// placed is a node that was written.
type placed struct {
	ref     ref
	page    pageAddr
	changes uint32 // node.changes before it was read
}

// writeBytes is the size of the writes, where the pages lie side by side. A commit that
// waits for the device may have to wait for one of them.
const writeBytes = 256 << 10

func newPageWriter(ctx context.Context, fsys vfs.FS, l *loader, to *pageFile, number uint64) *pageWriter {
	return &pageWriter{
		mem: l.h.mem, loader: l, fs: fsys, ctx: ctx, from: l.pages, to: to, copying: l.pages != to, share: 1, number: number,
		buf: vfs.AlignedBuffer(writeBytes)[:0], begun: time.Now(), onWrite: func(int) {},
	}
}

// all writes every keyspace and puts the addresses of the roots into m.
func (w *pageWriter) all(top ref, m *pagesMeta) error {
	for i := range m.roots {
		m.roots[i] = pageAddr{}
		r := w.roots(top).get(engines.Keyspace(i))
		if r == 0 {
			continue
		}
		var err error
		if m.roots[i], err = w.tree(r); err != nil {
			return err
		}
	}
	return nil
}

// tree writes what is below r as far as it must, and returns the address of r.
func (w *pageWriter) tree(r ref) (pageAddr, error) {
	r, n := w.resolve(r)
	switch {
	case n.kind == kindStub && w.copying && n.level == 0:
		return w.unread(r, n)
	case n.kind == kindStub && w.copying:
		if err := w.loader.load(r); err != nil {
			return pageAddr{}, err
		}
		return w.tree(r)
	case n.kind == kindStub || !w.copying && n.page.some():
		return n.page, nil
	case n.kind == kindLeaf:
		return w.leaf(r, n)
	}
	return w.inner(r, n)
}

func (w *pageWriter) leaf(r ref, n *node) (pageAddr, error) {
	changes := n.changes()
	b := w.plain[:0]
	// A record that a writer replaces meanwhile in a leaf of a checkpoint is kept by the epoch alone.
	pin := w.loader.h.epochs.pin()
	for i := range n.len() {
		rec := w.record(n.id(i))
		b = appendRecord(b, uint64(rec.version()), rec.key(), rec.value())
	}
	pin.unpin()
	w.plain = b
	a, err := w.put(page{kind: kindLeaf, count: n.len()}, b)
	if err == nil && !w.copying {
		w.placed = append(w.placed, placed{r, a, changes})
	}
	return a, err
}

func (w *pageWriter) inner(r ref, n *node) (pageAddr, error) {
	changes := n.changes()
	addrs := make([]pageAddr, n.len())
	var err error
	for i := range addrs {
		if addrs[i], err = w.tree(n.id(i)); err != nil {
			return pageAddr{}, err
		}
	}
	b := w.plain[:0]
	for i, a := range addrs {
		var sep []byte
		if i > 0 {
			sep = w.separator(n.seps()[i]).key()
		}
		b = appendChild(b, a, sep)
	}
	w.plain = b
	a, err := w.put(page{kind: kindInner, level: n.level, count: n.len()}, b)
	if err == nil && !w.copying {
		w.placed = append(w.placed, placed{r, a, changes})
	}
	return a, err
}

// unread copies the page of a leaf that has not been read. Should it be read and changed
// meanwhile, and its page be used again, what was read is still there for the view.
func (w *pageWriter) unread(stub ref, n *node) (pageAddr, error) {
	pg, buf, err := w.from.read(n.page, w.raw)
	w.raw = buf
	if err != nil {
		if l := n.loadedRef(); l != 0 {
			return w.tree(stub)
		}
		return pageAddr{}, err
	}
	return w.put(page{kind: pg.kind, count: pg.count}, pg.payload)
}

// put gives a page a place and puts it into the buffer.
func (w *pageWriter) put(p page, payload []byte) (pageAddr, error) {
	p.checkpoint = w.number
	size := pageHeadBytes + len(payload)
	if w.compress && p.kind != kindMap {
		size = pageHeadBytes + s2.MaxEncodedLen(len(payload))
	}
	b := w.room(size)
	if w.compress && p.kind != kindMap {
		if enc := s2.Encode(b[pageHeadBytes:], payload); len(enc) < len(payload)-len(payload)/16 {
			p.plain = uint32(len(payload))
			size = pageHeadBytes + len(enc)
		} else {
			size = pageHeadBytes + len(payload)
		}
	}
	if p.plain == 0 {
		copy(b[pageHeadBytes:size], payload)
	}
	blocks := uint32(size+blockBytes-1) / blockBytes
	block := w.to.space.take(blocks)
	w.taken = append(w.taken, pageAddr{block: block, bytes: uint32(size)})
	held := len(w.buf)
	if held > 0 && block != w.at+uint32(held/blockBytes) {
		// It does not follow what is in the buffer: that goes out first.
		if err := w.flush(); err != nil {
			return pageAddr{}, err
		}
		copy(w.buf[:size], b[:size])
		held = 0
	}
	if held == 0 {
		w.at = block
	}
	if err := w.to.lengthen(); err != nil {
		return pageAddr{}, err
	}
	w.buf = w.buf[:held+int(blocks)*blockBytes]
	clear(w.buf[held+size:])
	a := p.seal(w.buf[held:held+size], block)
	if len(w.buf) >= writeBytes {
		return a, w.flush()
	}
	return a, nil
}

// room returns size bytes behind what is in the buffer, which grows for it; the
// rest of the last block is there too.
func (w *pageWriter) room(size int) []byte {
	need := len(w.buf) + (size+blockBytes-1)/blockBytes*blockBytes
	if need > cap(w.buf) {
		grown := vfs.AlignedBuffer(max(need, 2*cap(w.buf)))
		copy(grown, w.buf)
		w.buf = grown[:len(w.buf)]
	}
	return w.buf[len(w.buf):need]
}

// flush writes the buffer, rests, and looks whether it should go on.
func (w *pageWriter) flush() error {
	if len(w.buf) > 0 {
		if err := w.write(w.buf, int64(w.at)*blockBytes); err != nil {
			return err
		}
		w.buf = w.buf[:0]
	}
	if s := w.share; s > 0 && s < 1 {
		time.Sleep(time.Duration(float64(time.Since(w.begun)) * (1/s - 1)))
	}
	w.begun = time.Now()
	return context.Cause(w.ctx)
}

func (w *pageWriter) write(b []byte, off int64) error {
	_, err := w.to.writer.WriteAt(b, off)
	if errors.Is(err, unix.EINVAL) && w.to.direct { // some file systems refuse it only here
		if err = w.to.buffered(w.fs); err == nil {
			_, err = w.to.writer.WriteAt(b, off)
		}
	}
	if err != nil {
		return err
	}
	w.bytes += int64(len(b))
	w.onWrite(len(b))
	return nil
}

// finish makes the pages of m durable and then m itself. freed are pages that m no longer uses.
// touched says whether the meta block may be on the device when there is an error.
func (w *pageWriter) finish(m *pagesMeta, freed []pageAddr) (touched bool, err error) {
	if err := w.writeMap(m, freed); err != nil {
		return false, err
	}
	if err := w.flush(); err != nil {
		return false, err
	}
	if err := w.to.writer.Sync(); err != nil {
		return false, err
	}
	b := vfs.AlignedBuffer(blockBytes)
	m.encode(b)
	if err := w.write(b, int64(m.checkpoint%2)*blockBytes); err != nil {
		return true, err
	}
	return true, w.to.writer.Sync()
}

// writeMap gives the map a page and writes it as it will be when the checkpoint is there.
func (w *pageWriter) writeMap(m *pagesMeta, freed []pageAddr) error {
	s := w.to.space
	// The map's own page may make the file longer, which makes the map longer.
	blocks := uint32(0)
	for fits := false; !fits; {
		size := pageHeadBytes + len(s.used)*8
		blocks = uint32(size+blockBytes-1) / blockBytes
		block := s.take(blocks)
		s.clear(block, blocks)
		s.next = block // put will take it again
		fits = size == pageHeadBytes+len(s.used)*8
	}
	after := space{used: append([]uint64(nil), s.used...), blocks: s.blocks}
	for _, a := range freed {
		after.clear(a.block, a.blocks())
	}
	if old := w.to.meta.mapPage; old.some() {
		after.clear(old.block, old.blocks())
	}
	after.mark(s.next, blocks)
	b := w.plain[:0]
	for _, u := range after.used {
		b = le.AppendUint64(b, u)
	}
	w.plain = b
	a, err := w.put(page{kind: kindMap}, b)
	m.mapPage, m.blocks = a, s.blocks
	return err
}

// abandon gives the blocks that were taken back.
func (w *pageWriter) abandon() {
	for _, a := range w.taken {
		w.to.space.clear(a.block, a.blocks())
	}
}
