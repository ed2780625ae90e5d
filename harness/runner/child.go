package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"orbitbench/harness/cell"
	"orbitbench/harness/result"
)

// answer is what a child process said before it ended.
type answer struct {
	cell     *result.Cell
	overhead *result.Overhead
	stderr   string // the last lines
	err      error  // how it ended, if not well
}

// pipeGrace is how long a grandchild may hold the child's pipes open after the
// child has ended.
const pipeGrace = 2 * time.Second

// ask runs cmd with spec on its standard input until it ends or ctx does; then
// nothing of its process group is left.
func ask(ctx context.Context, command []string, spec cell.Spec, progress func(cell.Progress)) answer {
	raw, err := json.Marshal(spec)
	if err != nil {
		return answer{err: fmt.Errorf("specification: %w", err)}
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stdin = bytes.NewReader(raw)
	messages := &messageReader{progress: progress}
	stderr := &tail{}
	cmd.Stdout, cmd.Stderr = messages, stderr
	bind(cmd)
	err = runLocked(cmd)
	a := answer{cell: messages.cell, overhead: messages.overhead, stderr: stderr.String()}
	switch {
	case ctx.Err() != nil:
		a.err = context.Cause(ctx)
	case messages.bad != nil:
		a.err = messages.bad
	case err != nil:
		a.err = ended(err, a.stderr)
	}
	return a
}

// bind ties a child to this process: it dies with it, and with ctx, and so does
// what it starts. It gets a group of its own, so that a terminal's Ctrl-C
// reaches the parent only, and so that grandchildren can be ended with it.
func bind(cmd *exec.Cmd) {
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL}
	cmd.Cancel = func() error { return killGroup(cmd.Process.Pid) }
	cmd.WaitDelay = pipeGrace
}

// runLocked runs cmd from a thread that lives as long as it: the kernel sends
// the parent-death signal when the thread that forked ends, not the process.
func runLocked(cmd *exec.Cmd) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := cmd.Start(); err != nil {
			done <- err
			return
		}
		err := cmd.Wait()
		// An empty group, the usual case, is ErrProcessDone.
		if killErr := killGroup(cmd.Process.Pid); err == nil && !errors.Is(killErr, os.ErrProcessDone) {
			err = killErr
		}
		done <- err
	}()
	return <-done
}

// killGroup ends every process of the group; that none is left is no error.
func killGroup(pid int) error {
	err := unix.Kill(-pid, unix.SIGKILL)
	if errors.Is(err, unix.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}

// ended says how a child ended, with what it last wrote to its standard error.
func ended(err error, stderr string) error {
	var exit *exec.ExitError
	switch {
	case errors.Is(err, exec.ErrWaitDelay):
		err = errors.New("it left a process behind that held its output open")
	case errors.As(err, &exit):
		if status, ok := exit.Sys().(interface{ Signaled() bool }); ok && status.Signaled() {
			err = fmt.Errorf("killed by a signal (%s)", strings.TrimPrefix(exit.Error(), "signal: "))
		} else {
			err = fmt.Errorf("exited with status %d", exit.ExitCode())
		}
	}
	if said := essence(stderr); said != "" {
		return fmt.Errorf("child process %w: %s", err, said)
	}
	return fmt.Errorf("child process %w", err)
}

// essence is the line of stderr that says most: the one of a panic or fatal
// error, else the last ones.
func essence(stderr string) string {
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	for _, line := range lines {
		for _, start := range []string{"panic: ", "fatal error: ", "terminate called", "Assertion"} {
			if strings.HasPrefix(line, start) {
				return line
			}
		}
	}
	return strings.Join(lines[max(0, len(lines)-3):], " | ")
}

// maxMessage bounds one line of a child: a cell with all its histograms is well
// below a megabyte.
const maxMessage = 64 << 20

// messageReader takes a child's standard output apart into messages.
type messageReader struct {
	progress func(cell.Progress)
	line     []byte
	cell     *result.Cell
	overhead *result.Overhead
	bad      error // the first line that is no message
}

// Write takes the next bytes. It never fails, so that a talkative child is not
// ended by a broken pipe before it can say what is wrong.
func (m *messageReader) Write(p []byte) (int, error) {
	rest := p
	for {
		i := bytes.IndexByte(rest, '\n')
		if i < 0 {
			break
		}
		m.take(append(m.line, rest[:i]...))
		m.line, rest = m.line[:0], rest[i+1:]
	}
	if m.line = append(m.line, rest...); len(m.line) > maxMessage {
		m.bad = fmt.Errorf("child process wrote a line of more than %d bytes", maxMessage)
		m.line = m.line[:0]
	}
	return len(p), nil
}

func (m *messageReader) take(line []byte) {
	if len(bytes.TrimSpace(line)) == 0 || m.bad != nil {
		return
	}
	var msg cell.Message
	if err := json.Unmarshal(line, &msg); err != nil {
		m.bad = fmt.Errorf("child process wrote %.80q, which is no message: %w", line, err)
		return
	}
	if msg.Progress != nil && m.progress != nil {
		m.progress(*msg.Progress)
	}
	if msg.Cell != nil {
		m.cell = msg.Cell
	}
	if msg.Overhead != nil {
		m.overhead = msg.Overhead
	}
}

// tailBytes is how much of a child's standard error is kept, at the beginning
// (where a panic says what it is) and at the end.
const tailBytes = 4 << 10

// tail keeps the beginning and the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	head []byte
	last []byte
	cut  bool
}

// Write keeps what fits.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := min(len(p), tailBytes-len(t.head))
	t.head = append(t.head, p[:n]...)
	t.last = append(t.last, p[n:]...)
	if extra := len(t.last) - tailBytes; extra > 0 {
		t.last, t.cut = append(t.last[:0], t.last[extra:]...), true
	}
	return len(p), nil
}

// String is what was kept.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cut {
		return string(t.head) + "\n[...]\n" + string(t.last)
	}
	return string(t.head) + string(t.last)
}
