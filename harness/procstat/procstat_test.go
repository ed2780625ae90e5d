package procstat

import (
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"testing"

	"golang.org/x/sys/unix"
)

func TestReadCountsWork(t *testing.T) {
	before, err := Read()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "f")
	var keep [][]byte
	for range 1000 {
		keep = append(keep, make([]byte, 100))
	}
	if err := os.WriteFile(file, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	for before.UserNs+before.SystemNs == func() int64 { u, _ := Read(); return u.UserNs + u.SystemNs }() {
		runtime.Gosched()
	}
	runtime.GC()
	after, err := Read()
	if err != nil {
		t.Fatal(err)
	}
	runtime.KeepAlive(keep)
	if d := after.Mallocs - before.Mallocs; d < 1000 {
		t.Errorf("%d allocations, want 1000 and more", d)
	}
	if d := after.WrittenBytes - before.WrittenBytes; d < 1<<20 {
		t.Errorf("%d bytes written, want 1 MiB and more", d)
	}
	if f := GCCPUFraction(before, after); f < 0 || f > 1 {
		t.Errorf("GC fraction %v", f)
	}
}

func TestMemorySplit(t *testing.T) {
	dir := t.TempDir()
	const size = 8 << 20
	path := filepath.Join(dir, "mapped")
	if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
		t.Fatal(err)
	}
	debug.FreeOSMemory() // so that none is given back between the readings
	anonymousBefore, err := Anonymous()
	if err != nil {
		t.Fatal(err)
	}
	base, err := Memory(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	file, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(file)
	anonymous, err := unix.Mmap(-1, 0, 4*size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_POPULATE)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(anonymous)
	m, err := Memory(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	if base.MappedFileBytes != 0 || m.MappedFileBytes != size {
		t.Errorf("mapped file bytes %d, then %d, want 0 and %d", base.MappedFileBytes, m.MappedFileBytes, size)
	}
	if m.PageCacheBytes == nil || *m.PageCacheBytes != size {
		t.Errorf("page cache %v, want %d", m.PageCacheBytes, size)
	}
	if d := int64(m.AnonymousBytes) - int64(base.AnonymousBytes); d < 3*size {
		t.Errorf("anonymous memory grew by %d, want about %d", d, 4*size)
	}
	anonymousAfter, err := Anonymous()
	// The kernel counts a process's pages in batches, and the runtime gives some back now and then.
	if d := int64(anonymousAfter) - int64(anonymousBefore); err != nil || d < 4*size-size/2 || d >= 5*size {
		t.Errorf("anonymous memory grew by %d (%v), want about %d and no page of the mapped file", d, err, 4*size)
	}
	if m.GoHeapBytes == 0 || m.ResidentBytes < m.GoHeapBytes {
		t.Errorf("resident %d, Go heap %d", m.ResidentBytes, m.GoHeapBytes)
	}
	without, err := Memory(dir, 4*size)
	if err != nil {
		t.Fatal(err)
	}
	if without.AnonymousBytes >= m.AnonymousBytes && m.AnonymousBytes > 0 {
		t.Errorf("the harness' own memory is not left out: %d and %d", without.AnonymousBytes, m.AnonymousBytes)
	}
}

func TestSumMapped(t *testing.T) {
	const smaps = `7f00-7f01 r--s 00000000 fe:00 1    /data/store/table.0
Rss:                 100 kB
Anonymous:             0 kB
7f01-7f02 rw-p 00000000 fe:00 1    /data/store/with space
Rss:                  50 kB
Anonymous:            20 kB
7f02-7f03 r-xp 00000000 fe:00 1    /usr/bin/orbitbench
Rss:                 900 kB
Anonymous:             0 kB
7f03-7f04 rw-p 00000000 00:00 0
Rss:                 400 kB
Anonymous:           400 kB
7f04-7f05 r--s 00000000 fe:00 1    /data/store2/table.0
Rss:                 100 kB
`
	if got, want := sumMapped([]byte(smaps), "/data/store"), uint64(130*kib); got != want {
		t.Errorf("%d bytes, want %d", got, want)
	}
}

func TestDiskBytesCountsBlocks(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(dir, "sub", "sparse"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(make([]byte, 4096), 1<<30); err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	n, err := DiskBytes(dir)
	if err != nil || n < 4096 || n > 1<<20 {
		t.Errorf("%d bytes (%v), want about 4096", n, err)
	}
	if _, err := DiskBytes(filepath.Join(dir, "missing")); err != nil {
		t.Errorf("missing directory: %v, want 0 bytes", err)
	}
}

func TestDropCache(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "f"), make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	cold, err := DropCache(dir)
	if err != nil {
		t.Fatal(err)
	}
	left, err := PageCache(dir)
	if err != nil || cold != (left == 0) {
		t.Errorf("cold %v with %d bytes cached (%v)", cold, left, err)
	}
}
