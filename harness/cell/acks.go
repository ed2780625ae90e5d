package cell

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// acks is memory shared by the processes of a recovery: the version of each
// actor's lease that was last acknowledged, which outlives the process that
// stored it, and a copy that the parent makes, of what must be recovered.
//
//	+----------------+----------------+----------------+
//	| renewals       | latest         | pledged        |
//	| one page       | 8 bytes/actor  | 8 bytes/actor  |
//	+----------------+----------------+----------------+
type acks struct {
	file    *os.File // a memfd: no bytes on disk
	raw     []byte
	counts  []uint64 // of acknowledged renewals, by writer; countStride apart
	latest  []uint64
	pledged []uint64
}

const (
	countStride = 8 // a cache line
	countPage   = 1 << 16
	maxWriters  = countPage / 8 / countStride
)

func newAcks(actors int) (*acks, error) {
	fd, err := unix.MemfdCreate("orbitbench-acks", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("memfd: %w", err)
	}
	f := os.NewFile(uintptr(fd), "acks")
	if err := f.Truncate(countPage + 16*int64(actors)); err != nil {
		return nil, errors.Join(fmt.Errorf("acknowledgements: %w", err), f.Close())
	}
	return mapAcks(f, actors)
}

// mapAcks maps f, which it then owns.
func mapAcks(f *os.File, actors int) (*acks, error) {
	raw, err := unix.Mmap(int(f.Fd()), 0, countPage+16*actors, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("acknowledgements: mmap: %w", err), f.Close())
	}
	words := unsafe.Slice((*uint64)(unsafe.Pointer(unsafe.SliceData(raw))), len(raw)/8)
	a := &acks{file: f, raw: raw, counts: words[:countPage/8]}
	a.latest, a.pledged = words[countPage/8:][:actors], words[countPage/8+actors:][:actors]
	return a, nil
}

// acknowledge notes a renewal of writer. It is called once the engine has
// acknowledged it, and not before.
func (a *acks) acknowledge(writer, actor int, version uint64) {
	atomic.StoreUint64(&a.latest[actor], version)
	atomic.AddUint64(&a.counts[writer%maxWriters*countStride], 1)
}

func (a *acks) renewals() (n uint64) {
	for i := 0; i < len(a.counts); i += countStride {
		n += atomic.LoadUint64(&a.counts[i])
	}
	return n
}

// pledge copies the latest versions: these must be recovered.
func (a *acks) pledge() {
	for i := range a.latest {
		a.pledged[i] = atomic.LoadUint64(&a.latest[i])
	}
}

func (a *acks) Close() error { return errors.Join(unix.Munmap(a.raw), a.file.Close()) }

// monotonic is CLOCK_MONOTONIC, which all processes of a machine share, in ns.
func monotonic() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic(fmt.Sprintf("cell: CLOCK_MONOTONIC: %v", err)) // every Linux has it
	}
	return ts.Nano()
}
