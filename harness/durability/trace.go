package durability

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"orbitbench/engines"
)

// errNoTrace is that the system does not let the worker be traced.
var errNoTrace = errors.New("the system does not let this process trace its child (ptrace)")

// tracer runs the worker from stop to stop and tells its judge what happens.
type tracer struct {
	job    *Job
	store  string // prefix of the paths of the store's files
	judge  *judge
	began  time.Time
	root   int             // process
	inside map[int]*inCall // threads within a traced call
	known  map[int]bool    // threads that have had their first stop
	mapped *mapped
	buf    []byte
	err    error // the first thing that the tracer could not do
}

// inCall is a traced call that has begun.
type inCall struct {
	call  call
	begin int // of a write
	desc  descriptor
	at    int64 // where a write begins
	hits  []hit
	kind  string // of a write that is a sync too
	sync  pendingSync
	proof bool // whether the sync proves anything when it succeeds
}

const traceOptions = unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_TRACEFORK |
	unix.PTRACE_O_TRACEVFORK | unix.PTRACE_O_TRACESECCOMP | unix.PTRACE_O_EXITKILL

// trace starts the worker and follows it to its end. Every ptrace call must come
// from the thread that started it, so that the goroutine keeps its thread.
func (t *tracer) trace(path string, args []string, files []*os.File) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	p, err := os.StartProcess(path, args, &os.ProcAttr{
		Files: files, Env: os.Environ(), Sys: &unix.SysProcAttr{Ptrace: true, Pdeathsig: unix.SIGKILL},
	})
	if err != nil {
		return fmt.Errorf("%w: %w", errNoTrace, err)
	}
	t.root = p.Pid
	if err := p.Release(); err != nil { // wait4 below is what reaps it
		return err
	}
	var ws unix.WaitStatus
	if _, err := wait4(t.root, &ws); err != nil || !ws.Stopped() {
		return fmt.Errorf("%w: it did not stop at its start (%v)", errNoTrace, err)
	}
	if err := unix.PtraceSetOptions(t.root, traceOptions); err != nil {
		return errors.Join(fmt.Errorf("%w: %w", errNoTrace, err), unix.Kill(t.root, unix.SIGKILL))
	}
	t.known[t.root] = true
	if err := unix.PtraceCont(t.root, 0); err != nil {
		return fmt.Errorf("%w: %w", errNoTrace, err)
	}
	return t.follow()
}

func wait4(pid int, ws *unix.WaitStatus) (int, error) {
	for {
		if got, err := unix.Wait4(pid, ws, unix.WALL, nil); err != unix.EINTR {
			return got, err
		}
	}
}

// follow handles stops until the worker has ended.
func (t *tracer) follow() error {
	for {
		var ws unix.WaitStatus
		tid, err := wait4(-1, &ws)
		if err == unix.ECHILD {
			return errors.Join(errors.New("the worker is gone without an exit status"), t.err)
		}
		if err != nil {
			return fmt.Errorf("wait: %w", err)
		}
		switch {
		case ws.Exited() || ws.Signaled():
			delete(t.inside, tid)
			if tid != t.root {
				continue
			}
			if ws.Signaled() {
				return errors.Join(fmt.Errorf("the worker was ended by a signal (%v)", ws.Signal()), t.err)
			}
			return t.err
		case ws.Stopped():
			// A thread that is gone meanwhile, because all are being killed, is none to go on.
			if err := t.stopped(tid, ws); err != nil && err != unix.ESRCH {
				return err
			}
		}
	}
}

// stopped handles one stop and lets the thread go on.
func (t *tracer) stopped(tid int, ws unix.WaitStatus) error {
	signal := ws.StopSignal()
	first := !t.known[tid]
	t.known[tid] = true
	switch {
	case signal == unix.SIGTRAP && ws.TrapCause() == unix.PTRACE_EVENT_SECCOMP:
		wantsEnd, err := t.begins(thread(tid))
		t.note(err)
		if wantsEnd {
			return unix.PtraceSyscall(tid, 0)
		}
		return unix.PtraceCont(tid, 0)
	case signal == unix.SIGTRAP|0x80:
		if c := t.inside[tid]; c != nil {
			delete(t.inside, tid)
			t.note(t.ends(thread(tid), c))
		}
		return unix.PtraceCont(tid, 0)
	case signal == unix.SIGTRAP && ws.TrapCause() > 0: // a clone: the new thread has its own stop
		return unix.PtraceCont(tid, 0)
	case signal == unix.SIGSTOP && first: // how a new thread begins
		return unix.PtraceCont(tid, 0)
	}
	return unix.PtraceCont(tid, int(signal))
}

// note keeps the first error. What was not seen could be what mattered, so that
// there is no verdict then; the worker runs to its end all the same.
func (t *tracer) note(err error) {
	if t.err == nil && err != nil && !errors.Is(err, unix.ESRCH) && !errors.Is(err, os.ErrNotExist) {
		t.err = err
	}
}

func (t *tracer) now() time.Duration { return time.Since(t.began) }

// begins handles the beginning of a traced call and reports whether its end matters.
func (t *tracer) begins(th thread) (wantsEnd bool, err error) {
	info, err := th.syscall()
	if err != nil || info.op != infoSeccomp {
		return false, err
	}
	args := info.words[1:7]
	c := &inCall{call: calls[info.words[0]]}
	switch c.call.action {
	case actWrite, actCopy:
		if c.call.action == actWrite && int32(args[0]) == markDescriptor && info.words[0] == unix.SYS_WRITE {
			return false, t.mark(th, args)
		}
		wantsEnd, err = t.beginWrite(th, c, args)
	case actSync, actRange:
		wantsEnd, err = t.beginSync(th, c, args[0])
	case actMsync:
		wantsEnd, err = t.beginMsync(th, c, args)
	case actSyncAll:
		if err = t.searchAll(th); err == nil {
			c.sync, c.proof, wantsEnd = t.judge.beginSync(target{all: true}), true, true
		}
	case actRing:
		t.judge.ring()
	}
	if wantsEnd && err == nil {
		t.inside[int(th)] = c
	}
	return wantsEnd && err == nil, err
}

// mark handles what the worker says.
func (t *tracer) mark(th thread, args []uint64) error {
	raw, err := th.read(args[1], args[2], nil)
	if err != nil {
		return err
	}
	letter, kind, number, err := parseMark(raw)
	if err != nil {
		return err
	}
	switch letter {
	case markPhase:
		t.judge.phase(number)
	case markIssue:
		t.judge.issue(number, kind)
	case markAck:
		if t.job.Durability.Class == engines.Process && t.judge.unseen(number) {
			if err := t.searchAll(th); err != nil {
				return err
			}
		}
		t.judge.ack(number, t.now())
	case markEnd:
		t.judge.end()
	default:
		return fmt.Errorf("the worker wrote a mark %q, which there is not", letter)
	}
	return nil
}

// beginWrite looks at what is about to be written, and where.
func (t *tracer) beginWrite(th thread, c *inCall, args []uint64) (bool, error) {
	d, err := th.descriptor(args[c.call.fd])
	if err != nil || !d.regular || !t.inStore(d.path) {
		return false, ignoreBadDescriptor(err)
	}
	c.desc, c.at = d, d.position
	var rwf uint64
	if c.call.flags >= 0 {
		rwf = args[c.call.flags]
	}
	switch {
	case d.flags&unix.O_APPEND != 0 || rwf&rwfAppend != 0:
		c.at = d.size
	case c.call.offset >= 0 && int64(args[c.call.offset]) >= 0:
		c.at = int64(args[c.call.offset])
	}
	switch {
	case d.flags&unix.O_SYNC == unix.O_SYNC || rwf&rwfSync != 0:
		c.kind = "sync_write"
	case d.flags&unix.O_DSYNC != 0 || rwf&rwfDsync != 0:
		c.kind = "dsync_write"
	}
	if c.call.action == actWrite {
		if c.call.vector {
			t.buf, err = th.readVectors(args[1], args[2], t.buf)
		} else {
			t.buf, err = th.read(args[1], args[2], t.buf)
		}
		if err != nil {
			return false, err
		}
		c.hits = t.job.Marker.find(t.buf, nil)
	}
	c.begin = t.judge.beginWrite()
	return true, nil
}

// beginSync is a sync of one descriptor.
func (t *tracer) beginSync(th thread, c *inCall, fd uint64) (bool, error) {
	d, err := th.descriptor(fd)
	if err != nil || !t.inStore(d.path) {
		return false, ignoreBadDescriptor(err)
	}
	c.kind, c.proof = c.call.kind, c.call.action == actSync
	if d.directory {
		c.kind = "fsync_directory"
	} else if t.wantsSearch() {
		maps, err := th.mappings()
		if err != nil {
			return false, err
		}
		for _, m := range maps {
			if f, id, err := t.mapped.open(m.path); err == nil && id == d.id {
				if err := t.search(f, id, m.path, 0); err != nil {
					return false, err
				}
				break
			}
		}
	}
	c.sync = t.judge.beginSync(wholeFile(d.id))
	return true, nil
}

// beginMsync is a sync of a range of addresses, of which MS_ASYNC starts nothing
// that could be waited for.
func (t *tracer) beginMsync(th thread, c *inCall, args []uint64) (bool, error) {
	if args[2]&unix.MS_SYNC == 0 {
		return false, nil
	}
	maps, err := th.mappings()
	if err != nil {
		return false, err
	}
	for _, m := range maps {
		if args[0] < m.from || args[0] >= m.to || !t.inStore(m.path) {
			continue
		}
		f, id, err := t.mapped.open(m.path)
		if err != nil {
			return false, err
		}
		from := m.offset + int64(args[0]-m.from)
		if t.wantsSearch() {
			if err := t.search(f, id, m.path, from); err != nil {
				return false, err
			}
		}
		c.kind, c.proof = c.call.kind, true
		c.sync = t.judge.beginSync(target{file: id, from: from, to: from + int64(pageUp(args[1]))})
		return true, nil
	}
	return false, nil
}

// pageUp rounds a length of msync up, as the kernel does.
func pageUp(n uint64) uint64 {
	page := uint64(os.Getpagesize())
	return (n + page - 1) / page * page
}

// wantsSearch reports whether a commit may lie in a mapped file.
func (t *tracer) wantsSearch() bool {
	return t.job.Durability.Class != engines.None && t.judge.searching()
}

// searchAll looks for commits in every mapped file of the store.
func (t *tracer) searchAll(th thread) error {
	if !t.wantsSearch() {
		return nil
	}
	maps, err := th.mappings()
	if err != nil {
		return err
	}
	for _, m := range maps {
		if !t.inStore(m.path) {
			continue
		}
		f, id, err := t.mapped.open(m.path)
		if errors.Is(err, os.ErrNotExist) {
			continue // removed, and nobody finds it after a crash either
		}
		if err != nil {
			return err
		}
		if err := t.search(f, id, m.path, 0); err != nil {
			return err
		}
		if !t.judge.searching() {
			return nil
		}
	}
	return nil
}

// search looks for commits in one mapped file now, and tells the judge. at is an
// offset that stands for a store whose bytes are not recognised.
func (t *tracer) search(f *mappedFile, id fileID, path string, at int64) error {
	hits, err := t.mapped.search(f, t.judge.unseen)
	if err != nil {
		return err
	}
	if len(hits) > 0 || t.job.Durability.Class == engines.Sync {
		t.judge.stored(place{file: id, name: t.name(path), from: at, to: at}, hits, t.now())
	}
	return nil
}

// ends handles the end of a call.
func (t *tracer) ends(th thread, c *inCall) error {
	info, err := th.syscall()
	if err != nil {
		return err
	}
	if info.op != infoExit {
		return fmt.Errorf("a call of thread %d did not end as it should", th)
	}
	value, failed := int64(info.words[0]), uint8(info.words[1]) != 0
	if c.call.action != actWrite && c.call.action != actCopy {
		kind := c.kind
		if kind == "" {
			kind = c.call.kind
		}
		t.judge.endSync(c.sync, kind, c.proof && !failed, t.now())
		return nil
	}
	if failed {
		return nil
	}
	written := c.hits[:0]
	for _, h := range c.hits {
		if h.at+h.length <= value {
			h.at += c.at
			written = append(written, h)
		}
	}
	p := place{file: c.desc.id, name: t.name(c.desc.path), from: c.at, to: c.at + value}
	t.judge.endWrite(c.begin, p, written, c.kind, t.now())
	return nil
}

func (t *tracer) inStore(path string) bool {
	return strings.HasPrefix(path+"/", t.store)
}

// name is a path within the store.
func (t *tracer) name(path string) string { return strings.TrimPrefix(path, t.store) }

// ignoreBadDescriptor drops the error of a descriptor that is not open: the call
// itself will fail, and writes nothing.
func ignoreBadDescriptor(err error) error {
	if errors.Is(err, unix.EBADF) || errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
