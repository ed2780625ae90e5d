package runner

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"orbitbench/engines"
	"orbitbench/harness/cell"
	"orbitbench/harness/result"
)

// TestMain lets the test binary stand in for this program: with "fake-cell" it
// is the child of a cell, with "fake-run" a parent that a test kills.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "fake-cell":
			os.Exit(fakeCell())
		case "fake-inspect":
			os.Exit(fakeInspect(os.Args[2:]))
		case "fake-run":
			os.Exit(fakeRun(os.Args[2:]))
		}
	}
	os.Exit(m.Run())
}

func fakeChild() []string { return []string{os.Args[0], "fake-cell"} }

// fakeCell behaves as the engine's name says.
func fakeCell() int {
	var spec cell.Spec
	if err := json.NewDecoder(os.Stdin).Decode(&spec); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	enc := json.NewEncoder(out)
	say := func(m cell.Message) {
		if err := errors.Join(enc.Encode(m), out.Flush()); err != nil {
			panic(err)
		}
	}
	if spec.Kind == "overhead" {
		say(cell.Message{Overhead: &result.Overhead{PerOpNs: 1}})
		return 0
	}
	if err := os.WriteFile(filepath.Join(spec.Dir, "pid"), []byte(strconv.Itoa(os.Getpid())), 0o644); err != nil {
		panic(err)
	}
	say(cell.Message{Progress: &cell.Progress{Phase: "measuring", Done: 1, Total: 2}})
	good := &result.Cell{PlanCell: spec.Plan, Kind: spec.Kind, Status: result.OK, Seed: spec.Seed, Params: spec.Params}
	switch spec.Plan.Engine {
	case "panics":
		panic("the engine broke")
	case "exits3":
		fmt.Fprintln(os.Stderr, "first line\nsomething went wrong\nand that was all")
		os.Exit(3)
	case "killed":
		p, _ := os.FindProcess(os.Getpid()) // never fails on Unix
		_ = p.Kill()
		time.Sleep(time.Minute)
	case "hangs":
		time.Sleep(time.Hour)
	case "mute":
		return 0
	case "babbles":
		fmt.Println("hello, I am no message")
	case "stranger":
		good.Key = "another"
	case "latecrash":
		say(cell.Message{Cell: good})
		return 4
	case "loses":
		good.Check = &result.Check{Records: 10, Lost: 1, Verdict: "lost 1"}
	case "orphans":
		// A grandchild that would outlive the cell and holds its output open.
		child := exec.Command("sleep", "3600")
		child.Stdout = os.Stdout
		if err := child.Start(); err != nil {
			panic(err)
		}
		if err := os.WriteFile(os.Getenv("ORPHAN_PID_FILE"), []byte(strconv.Itoa(child.Process.Pid)), 0o644); err != nil {
			panic(err)
		}
	case "slow":
		time.Sleep(300 * time.Millisecond)
	case "waits":
		for name := os.Getenv("WAIT_FOR_FILE"); ; time.Sleep(time.Millisecond) {
			if _, err := os.Stat(name); err == nil {
				break
			}
		}
	}
	say(cell.Message{Cell: good})
	return 0
}

// fakeInspect is called with --engine NAME --dir DIR.
func fakeInspect(args []string) int {
	if len(args) != 4 || args[1] == "panics" {
		panic("cannot be opened")
	}
	fmt.Println(`{"goroutines": 7}`)
	return 0
}

// stub is a driver that is never opened here: the fake child plays the engine.
type stub string

func (s stub) Info() engines.Info {
	return engines.Info{Name: string(s), Role: engines.Candidate, Classes: []engines.Class{engines.None, engines.Sync}, WhyNot: map[engines.Class]string{engines.Process: "it has no file"}}
}
func (s stub) Configure(o engines.Options) (any, error) {
	return map[string]int{"cache_bytes": 0}, s.Info().Supports(o.Durability)
}

func alive(pid int) bool {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(raw), ") ")
	return !strings.HasPrefix(rest, "Z")
}
