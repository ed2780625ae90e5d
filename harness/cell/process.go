package cell

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

// process is this program, running as a part of a recovery cell.
type process struct {
	name   string
	ctx    context.Context
	cmd    *exec.Cmd
	lines  chan []byte // closed at the end of its output
	done   chan struct{}
	err    error         // how it ended; read after done
	stderr *bytes.Buffer // read after done
	killed bool
}

// startProcess starts `cell NAME` with job on its stdin and file as descriptor
// 3. It dies with this process.
func startProcess(ctx context.Context, name string, job any, file *os.File) (*process, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(job)
	if err != nil {
		return nil, err
	}
	p := &process{name: name, ctx: ctx, lines: make(chan []byte, 16), done: make(chan struct{}), stderr: new(bytes.Buffer)}
	p.cmd = exec.Command(program, "cell", name)
	p.cmd.Stdin, p.cmd.Stderr = bytes.NewReader(raw), p.stderr
	p.cmd.ExtraFiles = []*os.File{file}
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
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return p, nil
}

func (p *process) read(stdout io.Reader) {
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

// line is the next line of the process' output.
func (p *process) line() ([]byte, error) {
	select {
	case line, ok := <-p.lines:
		if !ok {
			<-p.done
			return nil, p.ended()
		}
		return line, nil
	case <-p.ctx.Done():
		return nil, errInterrupted
	}
}

// alive waits for d and demands that the process runs all the while, in silence.
func (p *process) alive(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return errInterrupted
	case line, ok := <-p.lines:
		if !ok {
			<-p.done
			return p.ended()
		}
		var reply loadReply
		if err := json.Unmarshal(line, &reply); err == nil && reply.Error != "" {
			return errors.New(reply.Error)
		}
		return fmt.Errorf("%s said %q", p.name, line)
	}
}

// ended says how the process ended before it should have.
func (p *process) ended() error {
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

// kill ends the process with SIGKILL, if it still runs, and waits for its end.
func (p *process) kill() error {
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

// wait waits for the process to end by itself and well.
func (p *process) wait() error {
	select {
	case <-p.done:
	case <-p.ctx.Done():
		return errInterrupted
	}
	if p.err != nil {
		return p.ended()
	}
	return nil
}
