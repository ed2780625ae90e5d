package paperlog

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"orbitbench/engines"
)

// Every file is a head and frames (little endian):
//
//	 0          8            12        16              24          28      32
//	+----------+------------+---------+---------------+-----------+-------+
//	| magic    | format u32 | kind u32| generation u64| crc32c u32| zero  |   head
//	+----------+------------+---------+---------------+-----------+-------+
//	 0           4            8         16              24       25      32
//	+-----------+------------+---------+---------------+--------+---------+
//	| length u32| crc32c u32 | seq u64 | durable u64   | kind u8| zero    |   frame
//	+-----------+------------+---------+---------------+--------+---------+
//	| payload of length bytes, zeros to a multiple of 8                   |
//	+----------------------------------------------------------------------+
//
// The checksum of a frame covers the generation, the bytes of its head behind
// the checksum, its length and its payload. seq counts frames from 1 over all
// generations of a log, and from 1 in the other files; durable is the highest
// seq that was durable when the frame was written.
//
// A log may end in zeros (the mapped one does). A snapshot ends with frameEnd,
// CURRENT is one frame.
const (
	headBytes     = 32
	frameBytes    = 32
	magic         = "paperlog"
	formatVersion = 1
)

// fileKind tells the files apart.
type fileKind uint32

const (
	fileCurrent  fileKind = 1
	fileSnapshot fileKind = 2
	fileLog      fileKind = 3
)

// frameKind says what a payload is.
type frameKind uint8

const (
	frameBatch   frameKind = 1 // changes that belong together
	frameState   frameKind = 2 // adapter.VersionState
	frameCurrent frameKind = 3 // u64: the log holds every frame up to this one
	frameBase    frameKind = 4 // u64: the snapshot holds what frames up to this one did
	frameEnd     frameKind = 5 // u64: how many records the snapshot has
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func appendHead(dst []byte, k fileKind, generation uint64) []byte {
	start := len(dst)
	dst = append(dst, magic...)
	dst = binary.LittleEndian.AppendUint32(dst, formatVersion)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(k))
	dst = binary.LittleEndian.AppendUint64(dst, generation)
	dst = binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
	return append(dst, 0, 0, 0, 0)
}

// checkHead returns the generation of a file, or says what is wrong with its head.
func checkHead(b []byte, k fileKind, believe bool) (generation uint64, wrong string) {
	if len(b) < headBytes {
		return 0, fmt.Sprintf("file of %d bytes, shorter than its head of %d", len(b), headBytes)
	}
	switch sum := crc32.Checksum(b[:24], castagnoli); {
	case !bytes.Equal(b[:8], []byte(magic)):
		return 0, fmt.Sprintf("magic is %q, want %q", b[:8], magic)
	case !believe && sum != binary.LittleEndian.Uint32(b[24:]):
		return 0, fmt.Sprintf("checksum of the head is %08x, stored %08x", sum, binary.LittleEndian.Uint32(b[24:]))
	case binary.LittleEndian.Uint32(b[8:]) != formatVersion:
		return 0, fmt.Sprintf("format %d, want %d", binary.LittleEndian.Uint32(b[8:]), formatVersion)
	case binary.LittleEndian.Uint32(b[12:]) != uint32(k):
		return 0, fmt.Sprintf("file of kind %d, want %d", binary.LittleEndian.Uint32(b[12:]), k)
	}
	return binary.LittleEndian.Uint64(b[16:]), ""
}

// frame is one frame; payload lies in the file's bytes.
type frame struct {
	seq, durable uint64
	kind         frameKind
	payload      []byte
}

func appendFrame(dst []byte, generation uint64, f frame) []byte {
	start := len(dst)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(f.payload)))
	dst = append(dst, 0, 0, 0, 0)
	dst = binary.LittleEndian.AppendUint64(dst, f.seq)
	dst = binary.LittleEndian.AppendUint64(dst, f.durable)
	dst = append(dst, byte(f.kind), 0, 0, 0, 0, 0, 0, 0)
	dst = append(dst, f.payload...)
	binary.LittleEndian.PutUint32(dst[start+4:], checksum(dst[start:], generation))
	for (len(dst)-start)%8 != 0 {
		dst = append(dst, 0)
	}
	return dst
}

// checksum is that of a frame without its padding.
func checksum(b []byte, generation uint64) uint32 {
	var g [12]byte
	binary.LittleEndian.PutUint64(g[:], generation)
	copy(g[8:], b[:4])
	return crc32.Update(crc32.Checksum(g[:], castagnoli), castagnoli, b[8:])
}

// frameAt reads the frame at off. ok is false where there is none: the caller
// knows whether that is an end or damage. Of the flaws two leave out a check.
func frameAt(b []byte, off int, generation uint64, flaw Flaw) (f frame, next int, ok bool) {
	if off < 0 || len(b)-off < frameBytes {
		return f, off, false
	}
	b = b[off:]
	length := int(binary.LittleEndian.Uint32(b))
	if length > len(b)-frameBytes && flaw != NoBounds {
		return f, off, false
	}
	f = frame{
		seq:     binary.LittleEndian.Uint64(b[8:]),
		durable: binary.LittleEndian.Uint64(b[16:]),
		kind:    frameKind(b[24]),
		payload: b[frameBytes : frameBytes+length],
	}
	if f.kind < frameBatch || f.kind > frameEnd {
		return f, off, false
	}
	if flaw != NoChecksum && checksum(b[:frameBytes+length], generation) != binary.LittleEndian.Uint32(b[4:]) {
		return f, off, false
	}
	return f, off + (frameBytes+length+7)&^7, true
}

// change is one record as a commit leaves it; version 0 = deleted.
type change struct {
	ks      engines.Keyspace
	key     string
	version engines.Version
	value   []byte
}

// changeBytes is what stands before the key and value of a change:
// keyspace u8, length of the key u16, length of the value u32, version u64.
const changeBytes = 15

func (c change) append(dst []byte) []byte {
	dst = append(dst, byte(c.ks))
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(c.key)))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(c.value)))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(c.version))
	dst = append(dst, c.key...)
	return append(dst, c.value...)
}

// decodeChanges calls install with each change of a batch. Its error says what
// is wrong; trust leaves out the checks of the lengths.
func decodeChanges(b []byte, trust bool, install func(change)) error {
	for len(b) > 0 {
		if !trust && len(b) < changeBytes {
			return fmt.Errorf("%d bytes behind the last change", len(b))
		}
		c := change{ks: engines.Keyspace(b[0]), version: engines.Version(binary.LittleEndian.Uint64(b[7:]))}
		key, value := int(binary.LittleEndian.Uint16(b[1:])), int(binary.LittleEndian.Uint32(b[3:]))
		b = b[changeBytes:]
		if !trust && (key+value > len(b) || !c.ks.Valid()) {
			return fmt.Errorf("change of keyspace %d with %d bytes, %d are left", c.ks, key+value, len(b))
		}
		c.key, c.value = string(b[:key]), bytes.Clone(b[key:key+value])
		b = b[key+value:]
		install(c)
	}
	return nil
}
