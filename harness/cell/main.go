package cell

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"

	"orbitbench/harness/result"
	"orbitbench/workloads"
)

// Exit codes of Main. A cell that failed is a result, and exits 0.
const (
	exitOK    = 0
	exitTool  = 1
	exitUsage = 2
)

// spareProcs is what the Go scheduler gets beyond the machine's processors in an
// open loop. The scheduler gives a goroutine in a system call 20 us to 10 ms
// before it takes the processor from it: with two processors, one leader that
// sleeps until the next due time and one engine that waits for its disk, whatever
// has become runnable stands still meanwhile. On two cores renewals at
// 1,200/s had a p99 of 6 ms without, 4 ms with one and 0.6 ms with two to spare.
const spareProcs = 2

// Main is the body of the hidden verb `orbitbench cell`: it reads a Spec as
// JSON from stdin, runs it, and writes one Message a line to stdout, the result
// last. It exits 0 whenever it could write a result. args is empty, or names a
// process that a recovery cell starts (recovery-load, recovery-open).
func Main(ctx context.Context, args []string, lookup Lookup, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	fail := func(code int, err error) int {
		fmt.Fprintf(stderr, "orbitbench cell: %v\n", err) // nowhere else to say it
		return code
	}
	if len(args) > 0 {
		if err := recoveryProcess(ctx, args, lookup, stdin, stdout); err != nil {
			return fail(exitTool, err)
		}
		return exitOK
	}
	var s Spec
	if err := readJSON(stdin, &s); err != nil {
		return fail(exitUsage, err)
	}
	if s.Params.Loop == workloads.Open && os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + spareProcs)
	}
	out := &messages{enc: json.NewEncoder(stdout)}
	last := measureSpec(ctx, s, lookup, func(p Progress) { out.send(Message{Progress: &p}) })
	if err := out.send(last); err != nil {
		return fail(exitTool, fmt.Errorf("write the result: %w", err))
	}
	return exitOK
}

func measureSpec(ctx context.Context, s Spec, lookup Lookup, progress func(Progress)) Message {
	if s.Kind != KindOverhead {
		return Message{Cell: Execute(ctx, s, lookup, progress)}
	}
	o, err := Overhead(ctx, s, lookup)
	if err == nil {
		return Message{Overhead: o}
	}
	status, reason := judge(ctx, err)
	return Message{Cell: &result.Cell{Schema: result.SchemaVersion, PlanCell: s.Plan, Kind: s.Kind, Status: status, Reason: reason, Seed: s.Seed, Params: s.Params}}
}

// messages writes lines from several goroutines.
type messages struct {
	mu  sync.Mutex
	enc *json.Encoder // guarded by mu
}

func (m *messages) send(msg Message) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.enc.Encode(msg)
}
