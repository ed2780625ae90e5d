package snapshot

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"orbitbench/engines"
	"orbitbench/engines/internal/vfs"
)

const (
	temporary         = ".tmp"
	defaultChunkBytes = 256 << 10
)

// Options of a Writer. The zero value writes chunks of 256 KiB through direct IO
// where that works, as fast as it can.
type Options struct {
	ChunkBytes int  // size of a chunk, header included, that is not one long record; 0 means 256 KiB
	Buffered   bool // go through the page cache even where direct IO works
	// Share is the part of the time that the writer may keep the device busy: with
	// 0.25 it rests three times as long as each write took. 0 and 1 mean no rest.
	Share float64
	// OnWrite, if set, is called after each write with its size in bytes; an error
	// ends the snapshot (a context that has ended, an engine that closes).
	OnWrite func(bytes int) error
}

// Writer writes a snapshot. It is for one goroutine.
type Writer struct {
	fs      vfs.FS
	name    string
	o       Options
	file    vfs.File
	buf     []byte // aligned; the chunk being filled, its header first
	n       int    // bytes of it
	records uint32 // records in it
	off     int64  // where it goes
	chunks  []chunk
	foot    footer
	err     error
}

// Create starts the snapshot name; the file name.tmp is replaced. meta, at most
// MaxMeta bytes, is copied. The caller ends with Commit or Abort.
func Create(fsys vfs.FS, name string, tag Tag, meta []byte, o Options) (*Writer, error) {
	if len(meta) > MaxMeta {
		return nil, fmt.Errorf("%w: snapshot metadata of %d bytes, want at most %d", engines.ErrInvalid, len(meta), MaxMeta)
	}
	if o.ChunkBytes == 0 {
		o.ChunkBytes = defaultChunkBytes
	}
	o.ChunkBytes = int(roundUp(int64(max(o.ChunkBytes, blockBytes))))
	w := &Writer{fs: fsys, name: name, o: o, buf: vfs.AlignedBuffer(o.ChunkBytes), n: chunkHeader}
	block := vfs.AlignedBuffer(blockBytes)
	encodeHeader(block, tag, meta)
	w.foot.headerCRC = checksum(block)
	if err := w.open(block); err != nil {
		return nil, w.clear(full(err))
	}
	return w, nil
}

// open creates the temporary file and writes the header, without direct IO if
// either is refused with it.
func (w *Writer) open(header []byte) (err error) {
	flags := vfs.Create | vfs.Truncate
	if !w.o.Buffered {
		w.file, err = w.fs.OpenFile(w.name+temporary, flags|vfs.Direct)
		if err == nil {
			if err = w.write(header); err == nil || !errors.Is(err, unix.EINVAL) {
				return err
			}
			if err := w.file.Close(); err != nil {
				return err
			}
			w.file = nil
		} else if !errors.Is(err, vfs.ErrNoDirect) {
			return err
		}
	}
	if w.file, err = w.fs.OpenFile(w.name+temporary, flags); err != nil {
		return err
	}
	return w.write(header)
}

// Append adds one record, given in parts, which are copied. Errors:
// engines.ErrInvalid for a record above MaxRecord; engines.ErrFull and errors of the file
// system, after which the snapshot can only be aborted.
func (w *Writer) Append(parts ...[]byte) error {
	if w.err != nil {
		return w.err
	}
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	if size > MaxRecord {
		return fmt.Errorf("%w: snapshot record of %d bytes, want at most %d", engines.ErrInvalid, size, MaxRecord)
	}
	if w.n+size > len(w.buf) {
		if err := w.flush(); err != nil {
			return err
		}
		if w.n+size > len(w.buf) {
			w.buf = vfs.AlignedBuffer(int(roundUp(int64(w.n + size))))
		}
	}
	for _, p := range parts {
		w.n += copy(w.buf[w.n:], p)
	}
	w.records++
	return nil
}

// Cut ends the chunk: the next record begins another one. Errors as for Append.
func (w *Writer) Cut() error {
	if w.err != nil {
		return w.err
	}
	return w.flush()
}

// Chunk returns the number of the chunk that the next record goes to, unless it is too
// long for the rest of it.
func (w *Writer) Chunk() int { return len(w.chunks) }

// Pending returns the bytes of records in the chunk that is being filled.
func (w *Writer) Pending() int { return w.n - chunkHeader }

// flush writes the chunk.
func (w *Writer) flush() error {
	if w.records == 0 {
		return nil
	}
	c := chunk{off: w.off, length: uint32(w.n - chunkHeader), records: w.records}
	c.crc = encodeChunkHeader(w.buf, len(w.chunks), c)
	end := int(roundUp(int64(w.n)))
	clear(w.buf[w.n:end])
	if w.err = full(w.write(w.buf[:end])); w.err != nil {
		return w.err
	}
	w.chunks = append(w.chunks, c)
	w.foot.records += uint64(c.records)
	w.foot.bytes += uint64(c.length)
	w.n, w.records = chunkHeader, 0
	if len(w.buf) > w.o.ChunkBytes {
		w.buf = vfs.AlignedBuffer(w.o.ChunkBytes)
	}
	return nil
}

// write appends b to the file and rests.
func (w *Writer) write(b []byte) error {
	begin := time.Now()
	if _, err := w.file.WriteAt(b, w.off); err != nil {
		return err
	}
	w.off += int64(len(b))
	if s := w.o.Share; s > 0 && s < 1 {
		time.Sleep(time.Duration(float64(time.Since(begin)) * (1/s - 1)))
	}
	if w.o.OnWrite != nil {
		return w.o.OnWrite(len(b))
	}
	return nil
}

// Bytes returns the bytes written so far.
func (w *Writer) Bytes() int64 { return w.off }

// Commit makes the snapshot exist: when it returns nil, name holds it durably, and what
// name held before is gone. After an error name holds what it held before, or,
// if only the sync of the directory failed, either one.
func (w *Writer) Commit() error {
	err := w.flush()
	if err == nil {
		err = full(w.finish())
	}
	if err != nil {
		return w.clear(err)
	}
	if err := w.fs.Rename(w.name+temporary, w.name); err != nil {
		return w.clear(full(err))
	}
	w.err = engines.ErrClosed
	return full(w.fs.SyncDir(vfs.Dir(w.name)))
}

func (w *Writer) finish() error {
	index := vfs.AlignedBuffer(int(roundUp(int64(len(w.chunks) * indexEntry))))
	encodeIndex(index, w.chunks)
	w.foot.chunks = uint64(len(w.chunks))
	w.foot.indexOff = w.off
	w.foot.indexCRC = checksum(index)
	if len(index) > 0 {
		if err := w.write(index); err != nil {
			return err
		}
	}
	block := vfs.AlignedBuffer(blockBytes)
	encodeFooter(block, w.foot)
	if err := w.write(block); err != nil {
		return err
	}
	if err := w.file.Sync(); err != nil {
		return err
	}
	file := w.file
	w.file = nil
	return file.Close()
}

// Abort gives the snapshot up and removes the temporary file. After Commit it does nothing.
func (w *Writer) Abort() error {
	if w.err == engines.ErrClosed {
		return nil
	}
	return w.clear(nil)
}

// clear releases everything and returns cause with what went wrong doing so.
func (w *Writer) clear(cause error) error {
	w.err = engines.ErrClosed
	var err error
	if w.file != nil {
		err = w.file.Close()
		w.file = nil
	}
	if rerr := w.fs.Remove(w.name + temporary); rerr != nil && !errors.Is(rerr, fs.ErrNotExist) {
		err = errors.Join(err, rerr)
	}
	if cause == nil {
		return err
	}
	return errors.Join(cause, err)
}

// RemoveTemporary removes what snapshots and atomic files that were cut short left in dir.
func RemoveTemporary(fsys vfs.FS, dir string) error {
	names, err := fsys.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, n := range names {
		if strings.HasSuffix(n, temporary) {
			if err := fsys.Remove(dir + "/" + n); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

func full(err error) error {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return fmt.Errorf("%w: snapshot: %w", engines.ErrFull, err)
	}
	return err
}
