package vfs

import "runtime"

// FaultAddr returns the address of a fault that debug.SetPanicOnFault has made a panic with x: what the
// kernel makes of an access to a mapped page that cannot be read, or lies beyond the end of a file that was cut.
func FaultAddr(x any) (addr uintptr, ok bool) {
	fault, ok := x.(interface {
		runtime.Error
		Addr() uintptr
	})
	if !ok {
		return 0, false
	}
	return fault.Addr(), true
}
