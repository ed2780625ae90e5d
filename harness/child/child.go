package child

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// ErrInterrupted is what the methods return once the context has ended.
var ErrInterrupted = errors.New("interrupted")

// Process is this program at work on a job. Its methods are for one goroutine.
type Process struct {
	name   string
	ctx    context.Context
	cmd    *exec.Cmd
	lines  chan []byte // closed at the end of its output
	done   chan struct{}
	err    error         // how it ended; read after done
	stderr *bytes.Buffer // read after done
	killed bool
}

// Start starts this program with args, the last of which names the process in
// errors, with job as JSON on its standard input, and with files as descriptors
// 3 and up. The caller calls Kill at the end whatever happens; after a Wait that
// returned nil it does nothing.
func Start(ctx context.Context, args []string, job any, files ...*os.File) (*Process, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(job)
	if err != nil {
		return nil, err
	}
	p := &Process{name: args[len(args)-1], ctx: ctx, lines: make(chan []byte, 16), done: make(chan struct{}), stderr: new(bytes.Buffer)}
	p.cmd = exec.Command(program, args...)
	p.cmd.Stdin, p.cmd.Stderr = bytes.NewReader(raw), p.stderr
	p.cmd.ExtraFiles = files
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	started := make(chan error, 1)
	go func() {
		// The kernel sends the parent-death signal when the thread that forked
		// ends, so this one stays until the child has gone.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		p.read(stdout)
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", p.name, err)
	}
	return p, nil
}

func (p *Process) read(stdout io.Reader) {
	defer close(p.lines)
	r := bufio.NewReader(stdout)
	for {
		line, err := r.ReadBytes('\n')
		if err != nil {
			return // the end; what it means Wait says
		}
		p.lines <- line
	}
}

// Line is the next line of the process' output. An end of the output is an
// error that says how the process ended.
func (p *Process) Line() ([]byte, error) {
	select {
	case line, ok := <-p.lines:
		return p.line(line, ok)
	case <-p.ctx.Done():
		return nil, ErrInterrupted
	}
}

// Decode reads the next line as JSON into v.
func (p *Process) Decode(v any) error {
	line, err := p.Line()
	if err != nil {
		return err
	}
	if err := json.Unmarshal(line, v); err != nil {
		return fmt.Errorf("%s said %q: %w", p.name, line, err)
	}
	return nil
}

// Alive waits for d and demands that the process runs all the while. A line
// that it writes meanwhile is returned at once. Time in which this process was
// itself stopped (SIGSTOP, Ctrl-Z), and its children with it, counts for no more
// than a moment: a run that was paused for an hour has not waited for one.
func (p *Process) Alive(d time.Duration) (line []byte, err error) {
	for left := d; ; left -= moment {
		timer := time.NewTimer(min(left, moment))
		select {
		case <-timer.C:
			if left > moment {
				continue
			}
			select { // a line that came at the same time
			case line, ok := <-p.lines:
				return p.line(line, ok)
			default:
				return nil, nil
			}
		case <-p.ctx.Done():
			timer.Stop()
			return nil, ErrInterrupted
		case line, ok := <-p.lines:
			timer.Stop()
			return p.line(line, ok)
		}
	}
}

// moment is the longest single wait of Alive.
const moment = 250 * time.Millisecond

// line is what was received from p.lines.
func (p *Process) line(line []byte, ok bool) ([]byte, error) {
	if !ok {
		<-p.done
		return nil, p.ended()
	}
	return line, nil
}

// ended says how the process ended before it should have.
func (p *Process) ended() error {
	how := "ended early"
	if p.err != nil {
		how = p.err.Error()
	}
	if said := strings.TrimSpace(p.stderr.String()); said != "" {
		first, _, _ := strings.Cut(said, "\n")
		return fmt.Errorf("%s: %s: %s", p.name, how, first)
	}
	return fmt.Errorf("%s: %s", p.name, how)
}

// Kill ends the process with SIGKILL, if it still runs, and waits for its end.
func (p *Process) Kill() error {
	if p.killed {
		return nil
	}
	p.killed = true
	err := p.cmd.Process.Kill()
	go func() { // so that read comes to its end
		for range p.lines {
		}
	}()
	<-p.done
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill %s: %w", p.name, err)
	}
	return nil
}

// Wait waits for the process to end by itself and well.
func (p *Process) Wait() error {
	select {
	case <-p.done:
	case <-p.ctx.Done():
		return ErrInterrupted
	}
	if p.err != nil {
		return p.ended()
	}
	return nil
}
