package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"orbitbench/harness/patience"
)

// exits runs a program and demands its exit code: exits CODE PROGRAM ARGS...
// Its output can be matched with stdout and stderr as that of exec.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if exit, ok := err.(*exec.ExitError); ok {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// waitFile waits until a file matches a pattern, and sends a signal to what runs in the
// background: waitfile PATTERN STOP|KILL. What runs cannot end before the script is ready for that.
func waitFile(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: waitfile PATTERN STOP|KILL")
	}
	for deadline := time.Now().Add(5 * time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		names, err := filepath.Glob(ts.MkAbs(args[0]))
		ts.Check(err)
		if len(names) > 0 {
			if _, err := os.Stat(names[0]); err == nil {
				sendSignal(ts, false, args[1:])
				return
			}
		}
	}
	ts.Fatalf("%s has not appeared within five minutes", args[0])
}

// sendSignal sends signals to what runs in the background: signal INT|STOP|CONT|KILL...
func sendSignal(ts *testscript.TestScript, neg bool, args []string) {
	known := map[string]os.Signal{"INT": os.Interrupt, "STOP": syscall.SIGSTOP, "CONT": syscall.SIGCONT, "KILL": os.Kill}
	for _, name := range args {
		if neg || known[name] == nil {
			ts.Fatalf("usage: signal INT|STOP|CONT|KILL...")
		}
		for _, cmd := range ts.BackgroundCmds() {
			if err := cmd.Process.Signal(known[name]); !errors.Is(err, os.ErrProcessDone) {
				ts.Check(err)
			}
		}
	}
}

// again runs a program until it succeeds and its stdout matches a pattern, some times at
// most: again DIR PATTERN PROGRAM ARGS... It removes DIR before each time. It is for
// figures that a machine which stands still for a while spoils.
func again(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: again DIR PATTERN PROGRAM ARGS...")
	}
	want, err := regexp.Compile(args[1])
	ts.Check(err)
	for range patience.Attempts {
		ts.Check(os.RemoveAll(ts.MkAbs(args[0])))
		if err = ts.Exec(args[2], args[3:]...); err == nil && want.MatchString(ts.ReadFile("stdout")) {
			return
		}
	}
	ts.Fatalf("%s: %v, or it does not print %s", strings.Join(args[2:], " "), err, want)
}
