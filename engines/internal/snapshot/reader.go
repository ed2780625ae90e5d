package snapshot

import (
	"errors"
	"fmt"

	"orbitbench/engines"
	"orbitbench/engines/internal/vfs"
)

// Reader reads a snapshot. Chunk may be called from several goroutines.
type Reader struct {
	file   vfs.File
	meta   []byte
	chunks []chunk
	foot   footer
	size   int64
}

// Open opens the snapshot name and checks header, footer and index. Errors:
// fs.ErrNotExist, engines.ErrCorrupt (a *CorruptError), engines.ErrUnsupported (another version or tag).
func Open(fsys vfs.FS, name string, tag Tag) (_ *Reader, err error) {
	f, err := fsys.OpenFile(name, vfs.ReadOnly)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	r := &Reader{file: f}
	if r.size, err = f.Size(); err != nil {
		return nil, err
	}
	if r.size < 2*blockBytes || r.size%blockBytes != 0 {
		return nil, corrupt(name, r.size, "snapshot has %d bytes, want a multiple of %d from %d", r.size, blockBytes, 2*blockBytes)
	}
	head, foot := make([]byte, blockBytes), make([]byte, blockBytes)
	if _, err := f.ReadAt(head, 0); err != nil {
		return nil, err
	}
	if r.meta, err = decodeHeader(name, head, tag); err != nil {
		return nil, err
	}
	if _, err := f.ReadAt(foot, r.size-blockBytes); err != nil {
		return nil, err
	}
	if r.foot, err = decodeFooter(name, foot, r.size); err != nil {
		return nil, err
	}
	if r.foot.headerCRC != checksum(head) {
		return nil, corrupt(name, 0, "header is not the one that the footer was written for")
	}
	index := make([]byte, r.size-blockBytes-r.foot.indexOff)
	if _, err := f.ReadAt(index, r.foot.indexOff); err != nil {
		return nil, err
	}
	if r.chunks, err = decodeIndex(name, index, r.foot); err != nil {
		return nil, err
	}
	return r, nil
}

// Meta returns the owner's metadata. It belongs to the reader.
func (r *Reader) Meta() []byte { return r.meta }

// Chunks returns the number of chunks.
func (r *Reader) Chunks() int { return len(r.chunks) }

// Records returns the number of records.
func (r *Reader) Records() uint64 { return r.foot.records }

// PayloadBytes returns the bytes of all records.
func (r *Reader) PayloadBytes() uint64 { return r.foot.bytes }

// Size returns the bytes of the file.
func (r *Reader) Size() int64 { return r.size }

// Chunk reads chunk i into buf, which it grows if it must, and returns the records of
// the chunk one behind the other, how many they are, and buf for the next
// call. Damage is a *CorruptError.
func (r *Reader) Chunk(i int, buf []byte) (payload []byte, records int, _ []byte, err error) {
	if i < 0 || i >= len(r.chunks) {
		return nil, 0, buf, fmt.Errorf("%w: chunk %d of %d", engines.ErrInvalid, i, len(r.chunks))
	}
	c := r.chunks[i]
	n := chunkHeader + int(c.length)
	if cap(buf) < n {
		buf = make([]byte, max(n, defaultChunkBytes))
	}
	buf = buf[:cap(buf)]
	if _, err := r.file.ReadAt(buf[:n], c.off); err != nil {
		return nil, 0, buf, err
	}
	payload, err = decodeChunk(r.file.Name(), buf[:n], i, c)
	return payload, int(c.records), buf, err
}

// ChunkBytes returns the length of the payload of chunk i, and how many records it has.
func (r *Reader) ChunkBytes(i int) (n, records int) {
	return int(r.chunks[i].length), int(r.chunks[i].records)
}

// ReadChunk reads the payload of chunk i into dst, which has its length, and checks it by what
// the index says. The chunk's own header is not read. Damage is a *CorruptError.
func (r *Reader) ReadChunk(i int, dst []byte) error {
	c := r.chunks[i]
	if len(dst) != int(c.length) {
		return fmt.Errorf("%w: %d bytes for chunk %d of %d", engines.ErrInvalid, len(dst), i, c.length)
	}
	if _, err := r.file.ReadAt(dst, c.off+chunkHeader); err != nil {
		return err
	}
	var head [chunkHeader]byte
	if got := sumChunk(head[:], i, c, dst); got != c.crc {
		return corrupt(r.file.Name(), c.off, "checksum of chunk %d is %08x, want %08x", i, got, c.crc)
	}
	return nil
}

// ChunkOffset returns where chunk i begins in the file.
func (r *Reader) ChunkOffset(i int) int64 { return r.chunks[i].off }

// Reopen returns another reader of the same snapshot with a file of its own, so that
// two that read in order do not disturb each other's read-ahead.
func (r *Reader) Reopen(fsys vfs.FS) (*Reader, error) {
	f, err := fsys.OpenFile(r.file.Name(), vfs.ReadOnly)
	if err != nil {
		return nil, err
	}
	again := *r
	again.file = f
	return &again, nil
}

// Close releases the file.
func (r *Reader) Close() error { return r.file.Close() }
