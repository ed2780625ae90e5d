package enginetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync/atomic"
	"testing"

	"orbitbench/engines"
)

// childVariable holds a childSpec in the environment of a re-executed test binary.
const childVariable = "ENGINETEST_CHILD"

// mainRan says that Main stands in TestMain: without it a re-executed test
// binary would run every test again.
var mainRan atomic.Bool

// childSpec says what a child process does.
type childSpec struct {
	Engine      string             `json:"engine"`
	Dir         string             `json:"dir"`
	Durability  engines.Durability `json:"durability"`
	MemoryBytes int64              `json:"memory_bytes"`
	Config      map[string]any     `json:"config"`
	Load        *loadSpec          `json:"load"` // nil: open, say what came of it, and close
}

// Main stands in TestMain: it runs the tests, or, in a child process that the
// suite started, what the suite wants of the child. drivers are those that the
// tests hand to Run.
func Main(m *testing.M, drivers ...engines.Driver) {
	text, isChild := os.LookupEnv(childVariable)
	if !isChild {
		mainRan.Store(true)
		m.Run()
		return
	}
	if err := child(text, drivers, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "child:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// What a child that only opens the store says.
const (
	saidOpened = "opened"
	saidLocked = "locked"
)

func child(text string, drivers []engines.Driver, stdin io.Reader, stdout io.Writer) error {
	var spec childSpec
	if err := json.Unmarshal([]byte(text), &spec); err != nil {
		return fmt.Errorf("%s: %w", childVariable, err)
	}
	// The parent holds the other end of stdin and never writes: its end means
	// that the parent is gone, and then nobody wants this process any more.
	go func() {
		_, err := io.Copy(io.Discard, stdin)
		fmt.Fprintln(os.Stderr, "child: the parent is gone", err)
		os.Exit(1)
	}()
	for _, d := range drivers {
		if d.Info().Name != spec.Engine {
			continue
		}
		e, err := d.Open(context.Background(), engines.Options{
			Dir: spec.Dir, Durability: spec.Durability, MemoryBytes: spec.MemoryBytes, Config: spec.Config,
		})
		if spec.Load != nil {
			if err != nil {
				return err
			}
			return spec.Load.run(e, stdout)
		}
		return sayOpened(e, err, stdout)
	}
	return fmt.Errorf("engine %q was not handed to enginetest.Main", spec.Engine)
}

func sayOpened(e engines.Engine, err error, stdout io.Writer) error {
	said := saidOpened
	switch {
	case errors.Is(err, engines.ErrLocked):
		said = saidLocked
	case err != nil:
		said = err.Error()
	default:
		if err := e.Close(); err != nil {
			said = err.Error()
		}
	}
	_, err = io.WriteString(stdout, said)
	return err
}

// child returns a command that re-executes this test binary for the store. The
// caller closes stdin when the child may end.
func (s *store) child(load *loadSpec) (cmd *exec.Cmd, stdin io.Closer) {
	s.Helper()
	if !mainRan.Load() {
		s.Fatalf("TestMain must call enginetest.Main: the suite re-executes the test binary")
	}
	spec, err := json.Marshal(childSpec{
		Engine: s.info.Name, Dir: s.dir, Durability: s.options.Durability,
		MemoryBytes: s.options.MemoryBytes, Config: s.options.Config, Load: load,
	})
	if err != nil {
		s.Fatalf("child: %v", err)
	}
	program, err := os.Executable()
	if err != nil {
		s.Fatalf("child: %v", err)
	}
	cmd = exec.Command(program)
	// The race detector would sleep a second at the end of the child.
	cmd.Env = append(os.Environ(), childVariable+"="+string(spec), "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = new(tail)
	in, err := cmd.StdinPipe()
	if err != nil {
		s.Fatalf("child: %v", err)
	}
	return cmd, in
}

// childOpen opens and closes the store in another process and returns what that said.
func (s *store) childOpen() string {
	s.Helper()
	cmd, stdin := s.child(nil)
	defer func() {
		// Output has waited for the child, which closed the pipe by its end.
		if err := stdin.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			s.Errorf("child: %v", err)
		}
	}()
	out, err := cmd.Output()
	if err != nil {
		s.Fatalf("child: %v: %s", err, cmd.Stderr)
	}
	return string(out)
}

// tail keeps the last bytes that a child wrote to its standard error.
type tail struct{ b []byte }

func (t *tail) Write(p []byte) (int, error) {
	const most = 4 << 10
	t.b = append(t.b, p...)
	t.b = t.b[max(0, len(t.b)-most):]
	return len(p), nil
}

func (t *tail) String() string { return string(t.b) }
