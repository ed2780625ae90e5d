package durability

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// thread is a stopped thread of the worker, seen through /proc and ptrace.
type thread int

// syscallInfo is struct ptrace_syscall_info (linux/ptrace.h), which is the same
// on every architecture.
type syscallInfo struct {
	op          uint8
	_           [3]byte
	arch        uint32
	instruction uint64
	stack       uint64
	words       [8]uint64 // entry and seccomp: number, 6 arguments; exit: value, whether it is an error
}

// The operations of a syscallInfo.
const (
	infoExit    = 2
	infoSeccomp = 3
)

func (t thread) syscall() (i syscallInfo, err error) {
	_, _, errno := unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_GET_SYSCALL_INFO, uintptr(t), unsafe.Sizeof(i), uintptr(unsafe.Pointer(&i)), 0, 0)
	if errno != 0 {
		return i, fmt.Errorf("ptrace(PTRACE_GET_SYSCALL_INFO): %w", errno)
	}
	return i, nil
}

// read returns n bytes of the thread's memory, in buf if they fit.
func (t thread) read(address, n uint64, buf []byte) ([]byte, error) {
	if n == 0 {
		return nil, nil
	}
	if uint64(cap(buf)) < n {
		buf = make([]byte, n)
	}
	buf = buf[:n]
	local := []unix.Iovec{{Base: &buf[0], Len: n}}
	got, err := unix.ProcessVMReadv(int(t), local, []unix.RemoteIovec{{Base: uintptr(address), Len: int(n)}}, 0)
	if err != nil {
		return nil, fmt.Errorf("process_vm_readv: %w", err)
	}
	return buf[:got], nil
}

// maxVectors is IOV_MAX.
const maxVectors = 1024

// readVectors returns the bytes of an iovec in the thread's memory.
func (t thread) readVectors(address, count uint64, buf []byte) ([]byte, error) {
	if count > maxVectors {
		return nil, nil // the call will be refused
	}
	raw, err := t.read(address, 16*count, nil)
	if err != nil {
		return nil, err
	}
	buf = buf[:0]
	for ; len(raw) >= 16; raw = raw[16:] {
		part, err := t.read(binary.NativeEndian.Uint64(raw), binary.NativeEndian.Uint64(raw[8:]), nil)
		if err != nil {
			return nil, err
		}
		buf = append(buf, part...)
	}
	return buf, nil
}

// descriptor is what a descriptor of a thread stands for.
type descriptor struct {
	id        fileID
	path      string
	regular   bool
	directory bool
	size      int64
	position  int64
	flags     int // of open
}

// descriptor looks a descriptor up. One that is not open is an error.
func (t thread) descriptor(fd uint64) (d descriptor, err error) {
	if int32(fd) < 0 {
		return d, unix.EBADF
	}
	link := fmt.Sprintf("/proc/%d/fd/%d", t, int32(fd))
	var st unix.Stat_t
	if err := unix.Stat(link, &st); err != nil {
		return d, &os.PathError{Op: "stat", Path: link, Err: err}
	}
	d.id, d.size = fileID{st.Dev, st.Ino}, st.Size
	d.regular, d.directory = st.Mode&unix.S_IFMT == unix.S_IFREG, st.Mode&unix.S_IFMT == unix.S_IFDIR
	if !d.regular && !d.directory {
		return d, nil
	}
	if d.path, err = os.Readlink(link); err != nil {
		return d, err
	}
	info, err := os.ReadFile(fmt.Sprintf("/proc/%d/fdinfo/%d", t, int32(fd)))
	if err != nil {
		return d, err
	}
	return d, d.parseInfo(info)
}

// parseInfo reads position and flags from /proc/PID/fdinfo/FD.
func (d *descriptor) parseInfo(info []byte) error {
	for line := range strings.Lines(string(info)) {
		key, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		var err error
		switch key {
		case "pos":
			d.position, err = strconv.ParseInt(value, 10, 64)
		case "flags":
			var flags int64
			flags, err = strconv.ParseInt(value, 8, 64)
			d.flags = int(flags)
		}
		if err != nil {
			return fmt.Errorf("fdinfo: %w", err)
		}
	}
	return nil
}

// mapping is a shared, writable mapping of a file.
type mapping struct {
	from, to uint64 // addresses
	offset   int64  // in the file
	path     string
}

// mappings returns the shared, writable mappings of files.
func (t thread) mappings() ([]mapping, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", t))
	if err != nil {
		return nil, err
	}
	var all []mapping
	for lines := bufio.NewScanner(bytes.NewReader(raw)); lines.Scan(); {
		if m, ok := parseMapping(lines.Text()); ok {
			all = append(all, m)
		}
	}
	return all, nil
}

// parseMapping reads a line of /proc/PID/maps (proc(5)).
func parseMapping(line string) (m mapping, ok bool) {
	var perms, device string
	var inode uint64
	var offset uint64
	if _, err := fmt.Sscanf(line, "%x-%x %s %x %s %d", &m.from, &m.to, &perms, &offset, &device, &inode); err != nil || inode == 0 {
		return m, false
	}
	if len(perms) != 4 || perms[1] != 'w' || perms[3] != 's' {
		return m, false
	}
	i := strings.IndexByte(line, '/')
	if i < 0 {
		return m, false
	}
	m.offset, m.path = int64(offset), line[i:]
	return m, true
}
