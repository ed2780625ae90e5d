package adapter

import (
	"context"
	"encoding/binary"
	"fmt"
)

// ChunkRecord takes the first record off a chunk that the scan of an adapter in
// C filled: the lengths of key and value as u32 (little endian), key, value.
func ChunkRecord(chunk []byte) (key, value, rest []byte, err error) {
	if len(chunk) < 8 {
		return nil, nil, nil, fmt.Errorf("scan chunk ends in a record head of %d bytes, want 8", len(chunk))
	}
	k, v := uint64(binary.LittleEndian.Uint32(chunk)), uint64(binary.LittleEndian.Uint32(chunk[4:]))
	chunk = chunk[8:]
	if k+v > uint64(len(chunk)) {
		return nil, nil, nil, fmt.Errorf("scan chunk ends in a record of %d bytes, has %d", k+v, len(chunk))
	}
	return chunk[:k:k], chunk[k : k+v : k+v], chunk[k+v:], nil
}

// A scan in C fills a buffer that begins at firstChunk and grows to maxChunk,
// so that a short scan reads little ahead.
const (
	firstChunk = 4 << 10
	maxChunk   = 256 << 10
)

// Chunk is what such a scan says of what it filled: the bytes and records, and
// whether they are the last. Without records Bytes is what the next one takes.
type Chunk struct {
	Bytes, Count int
	Done         bool
}

// ScanChunks calls yield for the records that fill hands over, chunk by chunk.
// Between two chunks it looks whether ctx has ended.
func ScanChunks(ctx context.Context, fill func(buf []byte) (Chunk, error), yield func(key, record []byte) error) error {
	buf := make([]byte, firstChunk)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		c, err := fill(buf)
		if err != nil {
			return err
		}
		if c.Count == 0 && !c.Done {
			buf = make([]byte, max(c.Bytes, 2*len(buf)))
			continue
		}
		for chunk := buf[:c.Bytes]; len(chunk) > 0; {
			key, record, rest, err := ChunkRecord(chunk)
			if err != nil {
				return err
			}
			if err := yield(key, record); err != nil {
				return err
			}
			chunk = rest
		}
		if c.Done {
			return nil
		}
		if len(buf) < maxChunk {
			buf = make([]byte, 4*len(buf))
		}
	}
}
