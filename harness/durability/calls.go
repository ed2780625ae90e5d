package durability

import "golang.org/x/sys/unix"

// action is what a system call does for durability.
type action uint8

// The actions.
const (
	actNone    action = iota
	actWrite          // bytes go to a descriptor
	actCopy           // bytes go from a descriptor to another, unseen
	actSync           // one file, whole
	actRange          // one file, a range, not past the device's cache
	actMsync          // a range of addresses
	actSyncAll        // every file of the machine or of a file system
	actRing           // io_uring: what it does cannot be seen
)

// call describes a traced system call.
type call struct {
	action action
	kind   string // under which it is counted, syncs only
	fd     int    // index of the argument that is the descriptor written to
	vector bool   // the bytes are given as an iovec
	offset int    // index of the argument that is the offset in the file, -1 for the file's position
	flags  int    // index of the argument with RWF_ flags, -1 for none
}

// calls holds every traced call by number. They have these numbers' names on
// every architecture that Go runs Linux on with 64 bits.
var calls = map[uint64]call{
	unix.SYS_WRITE:           {action: actWrite, offset: -1, flags: -1},
	unix.SYS_PWRITE64:        {action: actWrite, offset: 3, flags: -1},
	unix.SYS_WRITEV:          {action: actWrite, vector: true, offset: -1, flags: -1},
	unix.SYS_PWRITEV:         {action: actWrite, vector: true, offset: 3, flags: -1},
	unix.SYS_PWRITEV2:        {action: actWrite, vector: true, offset: 3, flags: 5},
	unix.SYS_SENDFILE:        {action: actCopy, offset: -1, flags: -1},
	unix.SYS_COPY_FILE_RANGE: {action: actCopy, fd: 2, offset: -1, flags: -1},
	unix.SYS_SPLICE:          {action: actCopy, fd: 2, offset: -1, flags: -1},
	unix.SYS_FSYNC:           {action: actSync, kind: "fsync"},
	unix.SYS_FDATASYNC:       {action: actSync, kind: "fdatasync"},
	unix.SYS_SYNC_FILE_RANGE: {action: actRange, kind: "sync_file_range"},
	unix.SYS_MSYNC:           {action: actMsync, kind: "msync"},
	unix.SYS_SYNC:            {action: actSyncAll, kind: "sync"},
	unix.SYS_SYNCFS:          {action: actSyncAll, kind: "syncfs"},
	unix.SYS_IO_URING_ENTER:  {action: actRing},
}

// traced returns the numbers of all traced calls.
func traced() []uint64 {
	numbers := make([]uint64, 0, len(calls))
	for n := range calls {
		numbers = append(numbers, n)
	}
	return numbers
}

// The flags of pwritev2 that make a write durable before it returns, and the one
// that appends (linux/fs.h).
const (
	rwfDsync  = 0x2
	rwfSync   = 0x4
	rwfAppend = 0x10
)
