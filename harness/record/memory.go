package record

import (
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// memory hands out zeroed arrays that live outside the Go heap until release.
// Pages that were never written take no physical memory.
type memory struct {
	mu       sync.Mutex
	mappings [][]byte // guarded by mu
}

// take returns n zeroes. Where the kernel refuses a mapping they come from the
// Go heap: the figures are the same, the collector's pace is not.
func (m *memory) take(n int) []uint32 {
	size := n * int(unsafe.Sizeof(uint32(0)))
	raw, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return make([]uint32, n)
	}
	m.mu.Lock()
	m.mappings = append(m.mappings, raw)
	m.mu.Unlock()
	return unsafe.Slice((*uint32)(unsafe.Pointer(unsafe.SliceData(raw))), n)
}

// resident is how many bytes of the mappings take physical memory.
func (m *memory) resident() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	page := os.Getpagesize()
	var pages uint64
	for _, raw := range m.mappings {
		state := make([]byte, (len(raw)+page-1)/page)
		if _, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(unsafe.SliceData(raw))), uintptr(len(raw)), uintptr(unsafe.Pointer(unsafe.SliceData(state)))); errno != 0 {
			continue // an estimate without this mapping is the best there is
		}
		for _, s := range state {
			pages += uint64(s & 1)
		}
	}
	return pages * uint64(page)
}

// release unmaps everything; arrays of m must not be used any more.
func (m *memory) release() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, raw := range m.mappings {
		_ = unix.Munmap(raw) // fails only for a range that is no mapping
	}
	m.mappings = nil
}
