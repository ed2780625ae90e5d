// Package offheap hands out memory that the garbage collector neither scans
// nor counts: the tables of the harness would otherwise change how often the
// collector of the process under test runs.
package offheap

import (
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Arena owns mappings of anonymous memory until Release. Pages that were never
// written take no physical memory. It is safe for concurrent use.
type Arena struct {
	mu       sync.Mutex
	mappings [][]byte // guarded by mu
}

// Number is what an array can hold: nothing that the collector must follow.
type Number interface{ ~uint8 | ~uint32 | ~uint64 }

// Take returns n zeroes. Where the kernel refuses a mapping they come from the
// Go heap: the figures are the same, the collector's pace is not.
func Take[T Number](m *Arena, n int) []T {
	if n == 0 {
		return nil
	}
	var zero T
	size := n * int(unsafe.Sizeof(zero))
	raw, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return make([]T, n)
	}
	m.mu.Lock()
	m.mappings = append(m.mappings, raw)
	m.mu.Unlock()
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(raw))), n)
}

// Resident is how many bytes of the mappings take physical memory.
func (m *Arena) Resident() uint64 {
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

// Release unmaps everything; arrays of m must not be used any more.
func (m *Arena) Release() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, raw := range m.mappings {
		_ = unix.Munmap(raw) // fails only for a range that is no mapping
	}
	m.mappings = nil
}
