package actorstore

import (
	"fmt"

	"orbitbench/engines"
	"orbitbench/engines/internal/image"
	"orbitbench/engines/internal/snapshot"
)

// A checkpoint is two files with the same start: checkpoint-, the records of the
// index (package image), and series-, the sealed blocks of time series.
//
// The frame of a series file (header, chunks, index and footer, all with checksums) is that
// of package snapshot with the tag "actser 1". What is in it (little endian):
//
//	metadata in the header, 16 bytes:
//
//	 0           8        16
//	+-----------+--------+
//	| hash seed | start  |
//	+-----------+--------+
//
//	chunks: blocks in the order of metrics and time, each a head and its body:
//
//	 0      1            3          7        11       19      27
//	+------+------------+----------+--------+--------+-------+--------+---------+
//	| 'B'  | metric len | data len | points | first  | last  | metric | data    |
//	+------+------------+----------+--------+--------+-------+--------+---------+
//
//	last, in the last chunk, the end, 17 bytes:
//
//	 0      1        9        17
//	+------+--------+--------+
//	| 'E'  | blocks | points |
//	+------+--------+--------+
//
//	field         meaning
//	hash seed     that of META
//	start         that of the checkpoint it belongs to
//	points        of a block u32, of the file u64; data is as block.go has it
//	first, last   u64, timestamps of the block's first and last point
//	blocks        u64, in the file
const (
	headBytes      = 8 + 8
	blockKind      = 'B'
	blockHeadBytes = 27
	endKind        = 'E'
	endBytes       = 1 + 8 + 8
)

var (
	checkpoints = image.Format{Tag: snapshot.Tag([]byte("actors 3")), Prefix: "checkpoint-"}
	seriesFiles = image.Format{Tag: snapshot.Tag([]byte("actser 1")), Prefix: "series-"} // for its names and tag only
)

// seriesEnd is the end of a series file.
type seriesEnd struct{ blocks, points uint64 }

func (t seriesEnd) encode(dst []byte) []byte {
	return le.AppendUint64(le.AppendUint64(append(dst, endKind), t.blocks), t.points)
}

func decodeSeriesEnd(b []byte) (seriesEnd, error) {
	if len(b) != endBytes || b[0] != endKind {
		return seriesEnd{}, fmt.Errorf("end of %d bytes, want type E and %d", len(b), endBytes)
	}
	return seriesEnd{blocks: le.Uint64(b[1:]), points: le.Uint64(b[9:])}, nil
}

// appendBlock encodes a sealed block.
func appendBlock(dst []byte, metric string, b *block) []byte {
	dst = append(dst, blockKind)
	dst = le.AppendUint16(dst, uint16(len(metric)))
	dst = le.AppendUint32(dst, uint32(len(b.data)))
	dst = le.AppendUint32(dst, uint32(b.n))
	dst = le.AppendUint64(dst, b.first)
	dst = le.AppendUint64(dst, b.last)
	return append(append(dst, metric...), b.data...)
}

// parseBlock decodes the block at the start of b, checks it to its last point,
// and returns its length. Its data is part of b.
func parseBlock(b []byte) (metric string, _ *block, n int, err error) {
	if len(b) < blockHeadBytes {
		return "", nil, 0, fmt.Errorf("block head cut off: %d of %d bytes", len(b), blockHeadBytes)
	}
	name, size := int(le.Uint16(b[1:])), int(le.Uint32(b[3:]))
	blk := &block{n: int(le.Uint32(b[7:])), first: le.Uint64(b[11:]), last: le.Uint64(b[19:])}
	if n = blockHeadBytes + name + size; n > len(b) {
		return "", nil, 0, fmt.Errorf("block cut off: %d of %d bytes", len(b), n)
	}
	metric = string(b[blockHeadBytes : blockHeadBytes+name])
	blk.data = b[blockHeadBytes+name : n : n]
	if _, _, ok := splitKey(appendPointKey(nil, metric, 0)); !ok || name+1+timeBytes > engines.MaxKeyBytes {
		return "", nil, 0, fmt.Errorf("block of metric %q, which can have no points", metric)
	}
	if err := blk.check(); err != nil {
		return "", nil, 0, fmt.Errorf("metric %q: %w", metric, err)
	}
	return metric, blk, n, nil
}

// eachBlock decodes a chunk and calls seal for each block, whose data is part of
// b; it returns the end if the chunk holds it.
func eachBlock(b []byte, seal func(string, *block) error) (*seriesEnd, error) {
	for len(b) > 0 {
		switch b[0] {
		case endKind:
			end, err := decodeSeriesEnd(b)
			return &end, err
		case blockKind:
			metric, blk, n, err := parseBlock(b)
			if err != nil {
				return nil, err
			}
			if err := seal(metric, blk); err != nil {
				return nil, err
			}
			b = b[n:]
		default:
			return nil, fmt.Errorf("type %#x where a block begins", b[0])
		}
	}
	return nil, nil
}
