package durability

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Offsets within struct seccomp_data (linux/seccomp.h).
const (
	seccompNumber = 0
	seccompArch   = 4
)

// installFilter makes every thread of this process stop for its tracer at the
// calls of traced, and at no others. Without a tracer those calls would fail
// with ENOSYS from now on. It needs no privilege.
func installFilter() error {
	return install(filterProgram(auditArch, traced(), unix.SECCOMP_RET_TRACE))
}

// install puts a filter before every thread of this process.
func install(program []unix.SockFilter) error {
	prog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	runtime.LockOSThread() // the promise not to gain privileges is a thread's, and spreads with the filter
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("prctl(PR_SET_NO_NEW_PRIVS): %w", err)
	}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog)))
	runtime.KeepAlive(program)
	if errno != 0 {
		return fmt.Errorf("seccomp filter: %w", errno)
	}
	return nil
}

// filterProgram is a BPF program that returns verdict for the numbers and allows
// everything else.
func filterProgram(arch uint32, numbers []uint64, verdict uint32) []unix.SockFilter {
	statement := func(code uint16, k uint32) unix.SockFilter { return unix.SockFilter{Code: code, K: k} }
	program := []unix.SockFilter{
		statement(unix.BPF_LD|unix.BPF_W|unix.BPF_ABS, seccompArch),
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: arch, Jt: 1},
		statement(unix.BPF_RET|unix.BPF_K, unix.SECCOMP_RET_ALLOW),
		statement(unix.BPF_LD|unix.BPF_W|unix.BPF_ABS, seccompNumber),
	}
	for i, n := range numbers {
		toTrace := uint8(len(numbers) - i) // over the comparisons that follow and one return
		program = append(program, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: uint32(n), Jt: toTrace})
	}
	return append(program,
		statement(unix.BPF_RET|unix.BPF_K, unix.SECCOMP_RET_ALLOW),
		statement(unix.BPF_RET|unix.BPF_K, verdict))
}
