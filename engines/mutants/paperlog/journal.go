package paperlog

import (
	"errors"
	"os"
	"runtime/debug"
	"time"

	"golang.org/x/sys/unix"

	"orbitbench/engines/adapter"
)

// journal is the log of one generation, open for writing. It is for one
// goroutine at a time.
type journal struct {
	files      files
	generation uint64
	file       *os.File
	mem        []byte // the mapping; nil: frames are written
	end        int64  // where the next byte goes
	synced     int64  // bytes that are durable
	seq        uint64 // of the last frame
	durable    uint64 // of the last frame that is durable
	buffer     []byte // frames that only this process has, to be written at end
	flushes    uint64
	bytes      uint64
}

// mappedStep is by how much a mapped log grows.
const mappedStep = 256 << 10

// createJournal makes an empty log durable, but for its name.
func createJournal(s files, generation, seq uint64, mapped bool) (*journal, error) {
	f, err := os.OpenFile(s.path(logName(generation)), os.O_CREATE|os.O_RDWR|os.O_TRUNC, 0o644)
	if err != nil {
		return nil, err
	}
	j := &journal{files: s, generation: generation, file: f, end: headBytes, seq: seq, durable: seq}
	_, err = f.WriteAt(appendHead(nil, fileLog, generation), 0)
	if err == nil && mapped {
		err = j.grow(mappedStep)
	}
	if err == nil {
		err = s.syncFile(f)
	}
	if err != nil {
		return nil, errors.Join(err, j.close())
	}
	j.synced = j.end
	return j, nil
}

// openJournal continues the log that was loaded, after cutting off what is torn
// and making durable what is served from now on.
func openJournal(s files, l *loaded, mapped bool) (*journal, error) {
	f, err := os.OpenFile(s.path(logName(l.generation)), os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	j := &journal{files: s, generation: l.generation, file: f, end: l.end, seq: l.seq, durable: l.seq}
	if s.flaw == KeepsTornTail && l.torn > 0 {
		j.end = (l.end + l.torn + 7) &^ 7
	} else {
		if s.flaw == MendsInPlace && l.torn > 0 {
			err = mendInPlace(f, l.end)
		}
		err = errors.Join(err, f.Truncate(l.end))
	}
	if err == nil && mapped {
		err = j.grow(mappedStep)
	}
	if err == nil && s.flaw != NoFsync && s.flaw != NoMsync {
		err = s.syncFile(f)
	}
	if err != nil {
		return nil, errors.Join(err, j.close())
	}
	j.synced = j.end
	return j, nil
}

// mendInPlace empties a log and writes its first bytes again: a power cut before the
// sync that follows takes what was durable, which is the flaw.
func mendInPlace(f *os.File, end int64) error {
	whole := make([]byte, end)
	if _, err := f.ReadAt(whole, 0); err != nil {
		return err
	}
	if err := f.Truncate(headBytes); err != nil {
		return err
	}
	_, err := f.WriteAt(whole[headBytes:], headBytes)
	return err
}

// grow makes the mapping hold at least by bytes more than there are.
func (j *journal) grow(by int64) error {
	to := (j.end + by + mappedStep - 1) / mappedStep * mappedStep
	from := max(j.end, int64(len(j.mem)))
	if _, err := j.file.WriteAt(make([]byte, to-from), from); err != nil {
		return err
	}
	if err := j.files.syncFile(j.file); err != nil { // the size, and that there is room
		return err
	}
	if j.mem != nil {
		mem := j.mem
		j.mem = nil
		if err := unix.Munmap(mem); err != nil {
			return err
		}
	}
	mem, err := unix.Mmap(int(j.file.Fd()), 0, int(to), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	j.mem = mem
	return err
}

// mark is a place in the journal to which drop goes back.
type mark struct {
	buffered int
	seq      uint64
}

func (j *journal) mark() mark { return mark{len(j.buffer), j.seq} }

// drop takes frames back that were added since m and did not get written.
func (j *journal) drop(m mark) error {
	j.buffer, j.seq = j.buffer[:m.buffered], m.seq
	if j.mem != nil {
		return nil
	}
	return j.file.Truncate(j.end)
}

// add puts a frame behind the others, in this process.
func (j *journal) add(k frameKind, payload []byte) {
	j.seq++
	before := len(j.buffer)
	j.buffer = appendFrame(j.buffer, j.generation, frame{seq: j.seq, durable: j.durable, kind: k, payload: payload})
	j.bytes += uint64(len(j.buffer) - before)
}

// write hands the frames to the kernel.
func (j *journal) write() error {
	if len(j.buffer) == 0 {
		return nil
	}
	var err error
	switch {
	case j.mem != nil:
		err = j.store()
	case j.files.flaw == ShortWrite:
		_, err = unix.Pwrite(int(j.file.Fd()), j.buffer, j.end)
	default:
		_, err = j.file.WriteAt(j.buffer, j.end)
	}
	for err != nil && j.files.flaw == SpinsWhenFull && adapter.NoSpace(err) {
		time.Sleep(time.Millisecond)
		_, err = j.file.WriteAt(j.buffer, j.end)
	}
	if err != nil {
		return err
	}
	j.end += int64(len(j.buffer))
	j.buffer = j.buffer[:0]
	return nil
}

// store copies the frames into the mapping. A page that the device does not give
// is an error and not the end of the process.
func (j *journal) store() (err error) {
	if j.end+int64(len(j.buffer))+frameBytes > int64(len(j.mem)) {
		if err := j.grow(int64(len(j.buffer)) + frameBytes); err != nil {
			return err
		}
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if recover() != nil {
			err = unix.EIO
		}
	}()
	copy(j.mem[j.end:], j.buffer)
	return nil
}

// sync makes everything that was added durable.
func (j *journal) sync() error {
	if j.files.flaw != Buffered {
		if err := j.write(); err != nil {
			return err
		}
	}
	if j.durable == j.seq {
		return nil
	}
	var err error
	switch {
	case j.files.flaw == NoFsync || j.files.flaw == NoMsync:
	case j.mem != nil:
		page := int64(os.Getpagesize())
		err = unix.Msync(j.mem[j.synced/page*page:min((j.end+page-1)/page*page, int64(len(j.mem)))], unix.MS_SYNC)
	default:
		err = unix.Fdatasync(int(j.file.Fd()))
	}
	if err != nil && j.files.flaw != SwallowFsync {
		return os.NewSyscallError("sync of the log", err)
	}
	j.flushes++
	j.synced, j.durable = j.end, j.seq
	return nil
}

func (j *journal) close() error {
	var err error
	if j.mem != nil {
		err = unix.Munmap(j.mem)
		j.mem = nil
	}
	return errors.Join(err, j.file.Close())
}
