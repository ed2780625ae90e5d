package adapter

import (
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
