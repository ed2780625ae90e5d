package appendlog

import (
	"fmt"
	"strconv"
	"strings"

	"orbitbench/engines"
	"orbitbench/engines/internal/index"
	"orbitbench/engines/internal/snapshot"
	"orbitbench/engines/internal/wal"
)

// A snapshot file is named snapshot- and the 16 hex digits of its start. Its
// frame (header, chunks, index and footer, all with checksums) is that of
// package snapshot with the tag "applog 1". What is in it (little endian):
//
//	metadata in the header, 1040 bytes:
//
//	 0           8        16                          1040
//	+-----------+--------+---------------------------+
//	| hash seed | start  | live records, u32 x 256   |
//	+-----------+--------+---------------------------+
//
//	chunks: operations opPut of format.go one after the other; records of one
//	stripe follow each other. The last thing in the last chunk is the end, 2057 bytes:
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
//	end           the log must hold every record from start to here; 0: none
//	floors        for each stripe, the highest version of a deleted record
const (
	snapshotPrefix = "snapshot-"

	headBytes = 8 + 8 + 4*index.Stripes
	endKind   = 'E'
	endBytes  = 1 + 8 + 8*index.Stripes
)

var snapshotTag = snapshot.Tag([]byte("applog 1"))

type snapshotHead struct {
	seed  uint64
	start wal.LSN
	live  [index.Stripes]uint32
}

func (h *snapshotHead) encode(dst []byte) []byte {
	dst = le.AppendUint64(dst, h.seed)
	dst = le.AppendUint64(dst, uint64(h.start))
	for _, n := range h.live {
		dst = le.AppendUint32(dst, n)
	}
	return dst
}

func decodeSnapshotHead(b []byte) (h snapshotHead, err error) {
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

type snapshotEnd struct {
	end    wal.LSN
	floors [index.Stripes]engines.Version
}

func (t *snapshotEnd) encode(dst []byte) []byte {
	dst = append(dst, endKind)
	dst = le.AppendUint64(dst, uint64(t.end))
	for _, f := range t.floors {
		dst = le.AppendUint64(dst, uint64(f))
	}
	return dst
}

func decodeSnapshotEnd(b []byte) (t snapshotEnd, err error) {
	if len(b) != endBytes || b[0] != endKind {
		return t, fmt.Errorf("end of %d bytes, want type E and %d", len(b), endBytes)
	}
	t.end = wal.LSN(le.Uint64(b[1:]))
	for i := range t.floors {
		t.floors[i] = engines.Version(le.Uint64(b[9+8*i:]))
	}
	return t, nil
}

// eachRecord decodes a chunk and calls yield for each record; it returns the
// end if the chunk holds it.
func eachRecord(b []byte, yield func(*index.Op) error) (*snapshotEnd, error) {
	for len(b) > 0 {
		if b[0] == endKind {
			end, err := decodeSnapshotEnd(b)
			return &end, err
		}
		o, n, err := index.ParseOp(b)
		if err != nil {
			return nil, err
		}
		if o.Kind != opPut {
			return nil, fmt.Errorf("operation %d in a snapshot, want puts only", o.Kind)
		}
		if err := yield(&o); err != nil {
			return nil, err
		}
		b = b[n:]
	}
	return nil, nil
}

func snapshotName(start wal.LSN) string { return fmt.Sprintf("%s%016x", snapshotPrefix, uint64(start)) }

// snapshotStart is the inverse of snapshotName.
func snapshotStart(name string) (wal.LSN, bool) {
	digits, ok := strings.CutPrefix(name, snapshotPrefix)
	if !ok || len(digits) != 16 {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 16, 64)
	return wal.LSN(n), err == nil && snapshotName(wal.LSN(n)) == name
}

func isSnapshot(name string) bool {
	_, ok := snapshotStart(name)
	return ok
}
