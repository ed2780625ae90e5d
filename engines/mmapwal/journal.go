package mmapwal

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"time"

	"golang.org/x/sys/unix"

	"orbitbench/engines"
	"orbitbench/engines/internal/snapshot"
	"orbitbench/engines/internal/storedir"
	"orbitbench/engines/internal/vfs"
)

// The file "checkpoint" has the frame of ../internal/snapshot, tag "mmapwal1", no
// metadata. Its records (little endian), which do not cross chunks:
//
//	 0     4        8                  4104
//	+-----+--------+------------------+
//	| 'P' | page   | the page         |      a page, in no order
//	+-----+--------+------------------+
//	 0     4        8        8+n
//	+-----+--------+--------+
//	| 'R' | n      | root   |                the root, once, at the end
//	+-----+--------+--------+
var journalTag = snapshot.Tag{'m', 'm', 'a', 'p', 'w', 'a', 'l', '1'}

const (
	entryPage = 'P'
	entryRoot = 'R'
	entryHead = 8
)

func appendPage(w *snapshot.Writer, p uint32, mem []byte) error {
	var head [entryHead]byte
	le.PutUint32(head[:], entryPage)
	le.PutUint32(head[4:], p)
	return w.Append(head[:], mem)
}

func appendRoot(w *snapshot.Writer, b []byte) error {
	var head [entryHead]byte
	le.PutUint32(head[:], entryRoot)
	le.PutUint32(head[4:], uint32(len(b)))
	return w.Append(head[:], b)
}

// eachEntry decodes a chunk. Lengths are checked before they are used.
func eachEntry(payload []byte, page func(p uint32, mem []byte) error, root func(b []byte) error) error {
	for len(payload) > 0 {
		if len(payload) < entryHead {
			return fmt.Errorf("entry head cut off: %d of %d bytes", len(payload), entryHead)
		}
		kind, a := le.Uint32(payload), le.Uint32(payload[4:])
		body := payload[entryHead:]
		n := pageBytes
		switch kind {
		case entryPage:
			if a >= maxPages {
				return fmt.Errorf("page %d", a)
			}
		case entryRoot:
			n = int(a)
		default:
			return fmt.Errorf("unknown entry %#x", kind)
		}
		if n > len(body) {
			return fmt.Errorf("entry cut off: %d of %d bytes", len(body), n)
		}
		var err error
		if kind == entryPage {
			err = page(a, body[:n])
		} else {
			err = root(body[:n])
		}
		if err != nil {
			return err
		}
		payload = body[n:]
	}
	return nil
}

// journal is a checkpoint file that is open.
type journal struct {
	name string
	r    *snapshot.Reader
	root *root
	raw  []byte // of the root
}

// openJournal opens the checkpoint file of a store and reads its root. Errors:
// fs.ErrNotExist, *CorruptError, those of the file system.
func openJournal(fsys vfs.FS, dir string) (_ *journal, err error) {
	j := &journal{name: path.Join(dir, journalName)}
	if j.r, err = snapshot.Open(fsys, j.name, journalTag); err != nil {
		return nil, err
	}
	if err = j.readRoot(); err != nil {
		return nil, errors.Join(err, j.r.Close())
	}
	return j, nil
}

func (j *journal) corrupt(chunk int, err error) error {
	if errors.Is(err, engines.ErrCorrupt) {
		return err
	}
	return &engines.CorruptError{File: j.name, Offset: -1, Reason: fmt.Sprintf("chunk %d: %v", chunk, err)}
}

// readRoot takes the root from the last chunk.
func (j *journal) readRoot() error {
	last := j.r.Chunks() - 1
	if last < 0 {
		return j.corrupt(last, errors.New("there is no root"))
	}
	payload, _, _, err := j.r.Chunk(last, nil)
	if err != nil {
		return err
	}
	err = eachEntry(payload, func(uint32, []byte) error { return nil }, func(b []byte) (err error) {
		if j.root != nil {
			return errors.New("there are two roots")
		}
		j.raw = b
		j.root, err = decodeRoot(j.name, -1, b)
		return err
	})
	if err == nil && j.root == nil {
		err = errors.New("there is no root at the end")
	}
	if err != nil {
		return j.corrupt(last, err)
	}
	return nil
}

// pages calls yield with every page in the file.
func (j *journal) pages(yield func(p uint32, mem []byte) error) error {
	var buf []byte
	for i := range j.r.Chunks() {
		payload, _, b, err := j.r.Chunk(i, buf)
		if err != nil {
			return err
		}
		buf = b
		err = eachEntry(payload, func(p uint32, mem []byte) error {
			if p >= j.root.size {
				return &engines.CorruptError{File: j.name, Offset: -1, Reason: fmt.Sprintf("page %d of %d", p, j.root.size)}
			}
			return yield(p, mem)
		}, func([]byte) error { return nil })
		if err != nil {
			return fmt.Errorf("chunk %d: %w", i, err)
		}
	}
	return nil
}

// finishCheckpoint is step 4: the pages of the checkpoint that exists go to their places.
func (e *engine) finishCheckpoint(c *checkpoint) error {
	a := &applier{fs: e.fs, dir: e.dir, share: c.share, stop: e.stopped.Done(), onWrite: func(n int) { e.last.written.Add(uint64(n)) }}
	if c.closing {
		a.stop = nil
	}
	if _, err := a.apply(); err != nil {
		return storedir.FullDevice(err)
	}
	e.last.unapplied = false
	return nil
}

// applier writes the pages of a checkpoint to their places. It may be cut short and done again.
type applier struct {
	fs      vfs.FS
	dir     string
	share   float64 // of the device's time
	stop    <-chan struct{}
	onWrite func(n int)

	file  vfs.File
	buf   []byte // pages in a row
	n     int
	first uint32    // the first of them
	begun time.Time // when the last rest ended
}

const runBytes = 256 << 10

// apply returns the root of the checkpoint, or nil if there is no checkpoint to apply.
func (a *applier) apply() (_ *root, err error) {
	j, err := openJournal(a.fs, a.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	// A kill may have come between the rename of the checkpoint and the sync of its name: a
	// power cut must not find the table half written and the checkpoint unnamed.
	if err = a.fs.SyncDir(a.dir); err == nil {
		err = a.write(j)
	}
	if err = errors.Join(err, j.r.Close()); err != nil {
		return nil, err
	}
	if err := vfs.WriteFileAtomic(a.fs, path.Join(a.dir, rootName), j.raw); err != nil {
		return nil, err
	}
	if err := a.fs.Remove(j.name); err != nil {
		return nil, err
	}
	return j.root, a.fs.SyncDir(a.dir)
}

func (a *applier) write(j *journal) (err error) {
	name := path.Join(a.dir, tableName)
	if a.file, err = a.fs.OpenFile(name, vfs.Create|vfs.Direct); errors.Is(err, vfs.ErrNoDirect) {
		a.file, err = a.fs.OpenFile(name, vfs.Create)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.file.Close()) }()
	// What was allocated while the store was in use need not have survived.
	if size := int64(j.root.size) * pageBytes; size > 0 {
		if err := a.file.Allocate(0, size); err != nil {
			return err
		}
	}
	a.buf, a.begun = vfs.AlignedBuffer(runBytes), time.Now()
	if err := j.pages(a.page); err != nil {
		return err
	}
	if err := a.flush(); err != nil {
		return err
	}
	return a.file.Sync()
}

func (a *applier) page(p uint32, mem []byte) error {
	if a.n > 0 && (a.n == len(a.buf) || p != a.first+uint32(a.n/pageBytes)) {
		if err := a.flush(); err != nil {
			return err
		}
	}
	if a.n == 0 {
		a.first = p
	}
	a.n += copy(a.buf[a.n:], mem)
	return nil
}

func (a *applier) flush() error {
	if a.n == 0 {
		return nil
	}
	select {
	case <-a.stop:
		return engines.ErrClosed
	default:
	}
	_, err := a.file.WriteAt(a.buf[:a.n], int64(a.first)*pageBytes)
	if errors.Is(err, unix.EINVAL) { // a file system that grants direct IO and does not do it
		if err := a.reopen(); err != nil {
			return err
		}
		_, err = a.file.WriteAt(a.buf[:a.n], int64(a.first)*pageBytes)
	}
	if err != nil {
		return err
	}
	if a.onWrite != nil {
		a.onWrite(a.n)
	}
	a.n = 0
	if a.share > 0 && a.share < 1 { // reading the checkpoint was work for the device too
		time.Sleep(time.Duration(float64(time.Since(a.begun)) * (1/a.share - 1)))
	}
	a.begun = time.Now()
	return nil
}

// reopen goes on without direct IO.
func (a *applier) reopen() error {
	old := a.file
	file, err := a.fs.OpenFile(old.Name(), vfs.Create)
	if err != nil {
		return err
	}
	a.file = file
	return old.Close()
}
