package floor

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"orbitbench/harness/result"
)

// openOrSkip opens a Writer and skips the test where the test directory's file
// system cannot do it.
func openOrSkip(t *testing.T, o Options) *Writer {
	t.Helper()
	w, err := Open(o)
	if err != nil && (strings.Contains(err.Error(), "tmpfs") || strings.Contains(err.Error(), "refuses O_DIRECT")) {
		t.Skip(err)
	}
	require.NoError(t, err)
	return w
}

func requireEmpty(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, entries)
}

func TestProbe(t *testing.T) {
	for kind, size := range map[string]int{result.FloorOverwrite: BlockBytes, result.FloorAppend: 224} {
		t.Run(kind, func(t *testing.T) {
			dir := t.TempDir()
			openOrSkip(t, Options{Dir: dir, Kind: kind, WriteBytes: size, FileBytes: fillBytes}).Close()
			f := Probe(context.Background(), dir, kind, size, 20*time.Millisecond)
			require.Empty(t, f.Error)
			require.Equal(t, kind, f.Kind)
			require.Equal(t, size, f.Bytes)
			l := f.Latency
			require.NotZero(t, l.Count)
			require.Positive(t, l.MinNs)
			require.LessOrEqual(t, l.MinNs, l.P50Ns)
			require.LessOrEqual(t, l.P50Ns, l.P99Ns)
			require.LessOrEqual(t, l.P99Ns, l.MaxNs)
			require.NotEmpty(t, l.Histogram)
			requireEmpty(t, dir)
		})
	}
}

func TestOverwriteFillsTheFileAndWraps(t *testing.T) {
	dir := t.TempDir()
	w := openOrSkip(t, Options{Dir: dir, Kind: result.FloorOverwrite, FileBytes: fillBytes})
	flags, err := unix.FcntlInt(uintptr(w.fd), unix.F_GETFL, 0)
	require.NoError(t, err)
	require.NotZero(t, flags&unix.O_DIRECT, "writes must pass the page cache by")
	require.NotZero(t, flags&unix.O_DSYNC, "writes must be durable when they return")
	var st unix.Stat_t
	require.NoError(t, unix.Fstat(w.fd, &st))
	require.EqualValues(t, fillBytes, st.Size)
	require.GreaterOrEqual(t, st.Blocks*512, int64(fillBytes), "the file must have all its blocks before the first timed write")

	blocks := fillBytes / BlockBytes
	for range blocks + 1 {
		require.NoError(t, w.Write())
	}
	require.EqualValues(t, BlockBytes, w.offset, "the write after the last block goes to the first")
	require.NoError(t, unix.Fstat(w.fd, &st))
	require.EqualValues(t, fillBytes, st.Size, "overwrites must not extend the file")
	first := alignedBlock(BlockBytes)
	_, err = w.file.ReadAt(first, 0)
	require.NoError(t, err)
	require.True(t, bytes.Equal(first, w.block))
	requireEmpty(t, dir)
	require.NoError(t, w.Close())
}

func TestAppendExtends(t *testing.T) {
	dir := t.TempDir()
	w := openOrSkip(t, Options{Dir: dir, Kind: result.FloorAppend, WriteBytes: 224})
	for range 3 {
		require.NoError(t, w.Write())
	}
	var st unix.Stat_t
	require.NoError(t, unix.Fstat(w.fd, &st))
	require.EqualValues(t, 3*224, st.Size)
	require.NoError(t, w.Close())
	requireEmpty(t, dir)
}

func TestNoFigureIsInvented(t *testing.T) {
	dir := t.TempDir()
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	tests := []struct {
		name, kind, dir, want string
		size                  int
		ctx                   context.Context
	}{
		{"missing directory", result.FloorOverwrite, filepath.Join(dir, "none"), "no such file", BlockBytes, context.Background()},
		{"unknown kind", "erase", dir, "unknown kind", BlockBytes, context.Background()},
		{"unaligned", result.FloorOverwrite, dir, "multiple of 4096", 100, context.Background()},
		{"negative", result.FloorAppend, dir, "must not be negative", -1, context.Background()},
		{"cancelled", result.FloorAppend, dir, "canceled", 224, cancelled},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := Probe(tt.ctx, tt.dir, tt.kind, tt.size, time.Millisecond)
			require.Contains(t, f.Error, tt.want)
			require.Zero(t, f.Latency)
			requireEmpty(t, dir)
		})
	}
}

func TestMemoryIsNoDevice(t *testing.T) {
	const shm = "/dev/shm"
	var fs unix.Statfs_t
	if err := unix.Statfs(shm, &fs); err != nil || fs.Type != unix.TMPFS_MAGIC {
		t.Skipf("%s is no tmpfs here", shm)
	}
	dir, err := os.MkdirTemp(shm, "floor")
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	for _, kind := range []string{result.FloorOverwrite, result.FloorAppend} {
		f := Probe(context.Background(), dir, kind, BlockBytes, time.Millisecond)
		require.Contains(t, f.Error, "tmpfs")
		require.Zero(t, f.Latency)
	}
	requireEmpty(t, dir)
}

func TestFailedWriteIsTold(t *testing.T) {
	w := openOrSkip(t, Options{Dir: t.TempDir(), Kind: result.FloorAppend})
	fd := w.fd
	w.fd = -1
	require.ErrorIs(t, w.Write(), unix.EBADF)
	w.fd = fd
	require.NoError(t, w.Close())
}

func TestWriteDoesNotAllocate(t *testing.T) {
	w := openOrSkip(t, Options{Dir: t.TempDir(), Kind: result.FloorOverwrite, FileBytes: fillBytes})
	defer w.Close()
	require.Zero(t, testing.AllocsPerRun(50, func() {
		if err := w.Write(); err != nil {
			t.Fatal(err)
		}
	}))
}
