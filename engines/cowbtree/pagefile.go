package cowbtree

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"orbitbench/engines"
	"orbitbench/engines/internal/vfs"
)

// pagesName is the page file in the store's directory.
const pagesName = "pages"

// pageFile is the open page file. Reading is for everybody; the rest belongs to
// the one checkpoint that may run.
type pageFile struct {
	name   string
	reader vfs.File
	writer vfs.File // direct IO where the file system takes it
	direct bool
	length uint32    // blocks that the file is known to have
	meta   pagesMeta // of the last durable checkpoint
	space  *space
}

// createPages makes a page file that says m and has no pages, durable when it
// returns. It comes into being as a whole.
func createPages(fsys vfs.FS, name string, m pagesMeta) error {
	b := make([]byte, firstPageBlock*blockBytes)
	m.encode(b)
	return vfs.WriteFileAtomic(fsys, name, b)
}

// openPages opens the page file of a store and reads its last checkpoint's meta block
// and map. forWriting is false for those who only look.
func openPages(fsys vfs.FS, name string, seed uint64, forWriting bool) (p *pageFile, err error) {
	p = &pageFile{name: name}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	if p.reader, err = fsys.OpenFile(name, vfs.ReadOnly); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = &engines.CorruptError{File: name, Offset: -1, Reason: "the page file is missing"}
		}
		return p, err
	}
	if p.meta, err = readPagesMeta(p.reader, name); err != nil {
		return p, err
	}
	p.length = p.meta.blocks
	if p.meta.seed != seed {
		return p, &engines.CorruptError{File: name, Offset: int64(p.meta.checkpoint%2)*blockBytes + 24, Reason: fmt.Sprintf("hash seed %016x, META says %016x", p.meta.seed, seed)}
	}
	if err = p.readMap(); err != nil || !forWriting {
		return p, err
	}
	p.writer, p.direct, err = openWriter(fsys, name)
	return p, err
}

// readPagesMeta returns the newer valid meta block. One of the two may be anything:
// a crash can have cut its writing short.
func readPagesMeta(f vfs.File, name string) (pagesMeta, error) {
	size, err := f.Size()
	if err != nil {
		return pagesMeta{}, err
	}
	if size < firstPageBlock*blockBytes {
		return pagesMeta{}, &engines.CorruptError{File: name, Offset: size, Reason: fmt.Sprintf("page file of %d bytes, want %d at least", size, firstPageBlock*blockBytes)}
	}
	b := make([]byte, firstPageBlock*blockBytes)
	if err := readFull(f, b, 0); err != nil {
		return pagesMeta{}, err
	}
	even, err0 := decodePagesMeta(name, 0, b[:blockBytes])
	odd, err1 := decodePagesMeta(name, 1, b[blockBytes:])
	best := even
	switch {
	case err0 != nil && err1 != nil:
		return pagesMeta{}, err0
	case err0 != nil || err1 == nil && odd.checkpoint > even.checkpoint:
		best = odd
	}
	if size < int64(best.blocks)*blockBytes {
		return pagesMeta{}, &engines.CorruptError{File: name, Offset: size, Reason: fmt.Sprintf("page file of %d bytes, the last checkpoint wants %d", size, int64(best.blocks)*blockBytes)}
	}
	return best, nil
}

// readFull reads all of b; the end of the file before that is an error of its own.
func readFull(f vfs.File, b []byte, off int64) error {
	n, err := f.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return &engines.CorruptError{File: f.Name(), Offset: off + int64(n), Reason: fmt.Sprintf("the file ends %d bytes into a page of %d", n, len(b))}
	}
	return err
}

// openWriter opens the file for direct IO if it takes that.
func openWriter(fsys vfs.FS, name string) (f vfs.File, direct bool, err error) {
	f, err = fsys.OpenFile(name, vfs.Direct)
	if errors.Is(err, vfs.ErrNoDirect) {
		f, err = fsys.OpenFile(name, 0)
		return f, false, err
	}
	return f, err == nil, err
}

// buffered gives direct IO up.
func (p *pageFile) buffered(fsys vfs.FS) error {
	f, err := fsys.OpenFile(p.name, 0)
	if err != nil {
		return err
	}
	old := p.writer
	p.writer, p.direct = f, false
	return old.Close()
}

// lengthen makes the file as long as its space is.
func (p *pageFile) lengthen() error {
	if p.space.blocks <= p.length {
		return nil
	}
	if err := p.writer.Allocate(0, int64(p.space.blocks)*blockBytes); err != nil {
		return err
	}
	p.length = p.space.blocks
	return nil
}

// readMap brings the map of used blocks into memory.
func (p *pageFile) readMap() error {
	p.space = newSpace(p.meta.blocks)
	a := p.meta.mapPage
	if !a.some() {
		return nil
	}
	pg, _, err := p.read(a, nil)
	if err != nil {
		return err
	}
	words := (int(p.meta.blocks) + 63) / 64
	if pg.kind != kindMap || len(pg.payload) != 8*words {
		return p.damaged(a, "map of %d bytes for %d blocks", len(pg.payload), p.meta.blocks)
	}
	for i := range words {
		w := le.Uint64(pg.payload[8*i:])
		for b := uint32(0); b < 64; b++ {
			if w&(1<<b) == 0 {
				continue
			}
			if at := uint32(i)*64 + b; at < p.meta.blocks {
				p.space.mark(at, 1)
			} else {
				return p.damaged(a, "the map marks block %d of %d", at, p.meta.blocks)
			}
		}
	}
	return nil
}

func (p *pageFile) damaged(a pageAddr, format string, args ...any) error {
	return &engines.CorruptError{File: p.name, Offset: a.offset(), Reason: "page: " + fmt.Sprintf(format, args...)}
}

// read reads and checks a page. buf is memory to use; it is returned, perhaps grown,
// and the page is part of it unless it was compressed.
func (p *pageFile) read(a pageAddr, buf []byte) (page, []byte, error) {
	if cap(buf) < int(a.bytes) {
		buf = make([]byte, a.blocks()*blockBytes)
	}
	b := buf[:a.bytes]
	if err := readFull(p.reader, b, a.offset()); err != nil {
		return page{}, buf, err
	}
	pg, err := openPage(p.name, a, b, nil)
	return pg, buf, err
}

func (p *pageFile) close() error {
	var err error
	for _, f := range []vfs.File{p.reader, p.writer} {
		if f != nil {
			err = errors.Join(err, f.Close())
		}
	}
	p.reader, p.writer = nil, nil
	return err
}
