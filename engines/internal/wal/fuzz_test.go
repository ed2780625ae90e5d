package wal

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"orbitbench/engines"
	"orbitbench/engines/internal/frame"
	"orbitbench/engines/internal/vfs"
)

// FuzzSegment replays a segment made of any bytes behind a header that is right:
// it never panics, never gives a record whose checksum is wrong or whose number is
// out of order, and what it accepts it accepts again. Run it with
// -fuzzminimizetime=10x: goroutines make its coverage vary, on which minimizing stalls.
func FuzzSegment(f *testing.F) {
	mem, _ := writeLog(f, crashOptions(engines.Sync), 40, 7, false)
	good, err := vfs.ReadFile(mem, mem.Files()[0])
	require.NoError(f, err)
	f.Add(good[dataStart:dataStart+6000], true, uint64(1))
	f.Add(good[dataStart:dataStart+6000], false, uint64(1))
	f.Add([]byte{}, true, uint64(1))
	f.Fuzz(func(t *testing.T, data []byte, ordered bool, epoch uint64) {
		file := make([]byte, 32<<10)
		segmentHeader{ordered: ordered, epoch: max(epoch, 1), size: int64(len(file))}.encode(file)
		copy(file[dataStart:], data)
		fs := memWith(t, "/log/00000001.wal", file)
		next := LSN(0)
		info, err := Verify(context.Background(), fs, "/log", 0, 0, func(r Record) error {
			if next != 0 && r.LSN != next {
				t.Fatalf("record %d after %d", r.LSN, next-1)
			}
			next = r.LSN + 1
			at := bytes.Index(file[dataStart:], r.Payload)
			if at < 0 {
				t.Fatal("payload is not in the file")
			}
			return nil
		})
		var c *engines.CorruptError
		if err != nil && !errors.As(err, &c) {
			t.Fatalf("error is no CorruptError: %v", err)
		}
		if err := Dump(context.Background(), fs, "/log", discard{}, nil); err != nil {
			t.Fatal(err)
		}
		o := crashOptions(engines.Sync)
		o.FS, o.Dir = fs, "/log"
		l, _, got, oerr := replayAll(o, 0)
		if (err == nil) != (oerr == nil) {
			t.Fatalf("verify: %v, open: %v", err, oerr)
		}
		if oerr != nil {
			return
		}
		if uint64(len(got)) != info.Records {
			t.Fatalf("open gave %d records, verify %d", len(got), info.Records)
		}
		lsn, err := l.Append(1, []byte("more"))
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		l, again, more, err := replayAll(o, 0)
		if err != nil || !again.Clean || len(more) != len(got)+1 || string(more[lsn]) != "more" {
			t.Fatalf("after one more record: %v, %+v", err, again)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

func memWith(t testing.TB, name string, data []byte) *vfs.Mem {
	mem := vfs.NewMem()
	require.NoError(t, mem.MkdirAll(vfs.Dir(name)))
	file, err := mem.OpenFile(name, vfs.Create)
	require.NoError(t, err)
	_, err = file.WriteAt(data, 0)
	require.NoError(t, err)
	require.NoError(t, file.Close())
	return mem
}

// FuzzSegmentHeader: decode then encode gives the same bytes, or a clear error.
func FuzzSegmentHeader(f *testing.F) {
	b := make([]byte, headerBytes)
	segmentHeader{ordered: true, closed: true, epoch: 3, size: 1 << 20, closeSeq: 9, closeEnd: 5000}.encode(b)
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		// Any bytes with a right checksum: else the fuzzer never gets past it.
		if len(b) >= headerBytes && b[0]&1 == 1 {
			reseal(b)
		}
		h, empty, err := decodeSegmentHeader("f", b)
		if err != nil {
			if !errors.Is(err, engines.ErrCorrupt) && !errors.Is(err, engines.ErrUnsupported) {
				t.Fatalf("unclear error %v", err)
			}
			return
		}
		if empty {
			return
		}
		again := make([]byte, headerBytes)
		h.encode(again)
		h2, _, err := decodeSegmentHeader("f", again)
		if err != nil || h2 != h {
			t.Fatalf("%+v became %+v: %v", h, h2, err)
		}
	})
}

func reseal(b []byte) {
	sum := frame.PayloadSum(0, b[:60])
	b[60], b[61], b[62], b[63] = byte(sum), byte(sum>>8), byte(sum>>16), byte(sum>>24)
}
