package actorstore

import (
	"fmt"
	"strconv"
	"strings"

	"orbitbench/engines"
	"orbitbench/engines/internal/index"
	"orbitbench/engines/internal/snapshot"
	"orbitbench/engines/internal/wal"
)

// A checkpoint file is named checkpoint- and the 16 hex digits of its start. Its
// frame (header, chunks, index and footer, all with checksums) is that of
// package snapshot with the tag "actors 1". What is in it (little endian):
//
//	metadata in the header, 1040 bytes:
//
//	 0           8        16                          1040
//	+-----------+--------+---------------------------+
//	| hash seed | start  | live records, u32 x 256   |
//	+-----------+--------+---------------------------+
//
//	chunks: first the records of the index, operations opPut of format.go one after
//	the other, those of one stripe together; then the sealed blocks of time series,
//	each a head and its body:
//
//	 0      1            3          7        11       19      27
//	+------+------------+----------+--------+--------+-------+--------+---------+
//	| 'B'  | metric len | data len | points | first  | last  | metric | data    |
//	+------+------------+----------+--------+--------+-------+--------+---------+
//
//	last, in the last chunk, the end, 2057 bytes:
//
//	 0      1           9                           2057
//	+------+-----------+---------------------------+
//	| 'E'  | end       | floors, u64 x 256         |
//	+------+-----------+---------------------------+
//
//	field         meaning
//	hash seed     that of META
//	start         replay begins with this log record
//	live records  about how many records of each stripe follow, to size tables
//	points        u32, points in the block; data is as block.go has it
//	first, last   u64, timestamps of its first and last point
//	end           the log must hold every record from start to here; 0: none
//	floors        for each stripe, the highest version of a deleted record
const (
	checkpointPrefix = "checkpoint-"

	headBytes      = 8 + 8 + 4*index.Stripes
	blockKind      = 'B'
	blockHeadBytes = 27
	endKind        = 'E'
	endBytes       = 1 + 8 + 8*index.Stripes
)

var checkpointTag = snapshot.Tag([]byte("actors 1"))

type checkpointHead struct {
	seed  uint64
	start wal.LSN
	live  [index.Stripes]uint32
}

func (h *checkpointHead) encode(dst []byte) []byte {
	dst = le.AppendUint64(dst, h.seed)
	dst = le.AppendUint64(dst, uint64(h.start))
	for _, n := range h.live {
		dst = le.AppendUint32(dst, n)
	}
	return dst
}

func decodeCheckpointHead(b []byte) (h checkpointHead, err error) {
	if len(b) != headBytes {
		return h, fmt.Errorf("metadata of %d bytes, want %d", len(b), headBytes)
	}
	h.seed, h.start = le.Uint64(b), wal.LSN(le.Uint64(b[8:]))
	for i := range h.live {
		if h.live[i] = le.Uint32(b[16+4*i:]); h.live[i] > index.MaxLocal {
			return h, fmt.Errorf("%d records in stripe %d, at most %d", h.live[i], i, index.MaxLocal)
		}
	}
	return h, nil
}

type checkpointEnd struct {
	end    wal.LSN
	floors [index.Stripes]engines.Version
}

func (t *checkpointEnd) encode(dst []byte) []byte {
	dst = append(dst, endKind)
	dst = le.AppendUint64(dst, uint64(t.end))
	for _, f := range t.floors {
		dst = le.AppendUint64(dst, uint64(f))
	}
	return dst
}

func decodeCheckpointEnd(b []byte) (t checkpointEnd, err error) {
	if len(b) != endBytes || b[0] != endKind {
		return t, fmt.Errorf("end of %d bytes, want type E and %d", len(b), endBytes)
	}
	t.end = wal.LSN(le.Uint64(b[1:]))
	for i := range t.floors {
		t.floors[i] = engines.Version(le.Uint64(b[9+8*i:]))
	}
	return t, nil
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

// eachRecord decodes a chunk and calls put for each record and seal for each
// block; it returns the end if the chunk holds it. Neither may keep what it gets.
func eachRecord(b []byte, put func(*index.Op) error, seal func(string, *block) error) (*checkpointEnd, error) {
	for len(b) > 0 {
		switch b[0] {
		case endKind:
			end, err := decodeCheckpointEnd(b)
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
			continue
		}
		o, n, err := index.ParseOp(b)
		if err != nil {
			return nil, err
		}
		if o.Kind != engines.OpPut {
			return nil, fmt.Errorf("operation %d in a checkpoint, want puts only", o.Kind)
		}
		if err := put(&o); err != nil {
			return nil, err
		}
		b = b[n:]
	}
	return nil, nil
}

func checkpointName(start wal.LSN) string {
	return fmt.Sprintf("%s%016x", checkpointPrefix, uint64(start))
}

// checkpointStart is the inverse of checkpointName.
func checkpointStart(name string) (wal.LSN, bool) {
	digits, ok := strings.CutPrefix(name, checkpointPrefix)
	if !ok || len(digits) != 16 {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 16, 64)
	return wal.LSN(n), err == nil && checkpointName(wal.LSN(n)) == name
}
