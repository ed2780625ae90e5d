package adapter

import (
	"bytes"
	"encoding/binary"
	"testing"
)

func FuzzChunkRecord(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0, 2, 0, 0, 0, 'k', 'v', 'v', 9})
	f.Add([]byte{255, 255, 255, 255, 255, 255, 255, 255, 1})
	f.Fuzz(func(t *testing.T, raw []byte) {
		key, value, rest, err := ChunkRecord(raw)
		if err != nil {
			return
		}
		again := binary.LittleEndian.AppendUint32(nil, uint32(len(key)))
		again = binary.LittleEndian.AppendUint32(again, uint32(len(value)))
		again = append(append(append(again, key...), value...), rest...)
		if !bytes.Equal(again, raw) {
			t.Fatalf("%x is taken apart as %x", raw, again)
		}
	})
}
