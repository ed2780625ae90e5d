package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orbitbench/engines"
	"orbitbench/harness/plan"
	"orbitbench/harness/result"
)

func (s stub) Open(context.Context, engines.Options) (engines.Engine, error) {
	return nil, errors.New("the parent opens no engine")
}

var names = []string{"good", "slow", "waits", "panics", "exits3", "killed", "hangs", "mute", "babbles", "stranger", "latecrash", "loses", "orphans"}

func testCatalog() plan.Catalog {
	c := plan.Catalog{Presets: plan.Presets()}
	for _, n := range names {
		c.Drivers = append(c.Drivers, stub(n))
	}
	return c
}

func lookup(name string) (engines.Driver, error) { return stub(name), nil }

// smallPlan has one closed cell of class none per engine and trial.
func smallPlan(t *testing.T, trials int, engineNames ...string) *plan.Plan {
	t.Helper()
	actors, seconds := 10, 0.1
	p, err := plan.Expand(plan.Request{
		Engines: engineNames, Durability: []string{"none"}, Trials: &trials, Actors: &actors,
		Seconds: &seconds, WarmupSeconds: new(float64),
	}, testCatalog())
	require.NoError(t, err)
	return p
}

func testOptions(t *testing.T) Options {
	t.Helper()
	dir := t.TempDir()
	return Options{
		Out: filepath.Join(dir, "out"), LockFile: filepath.Join(dir, "lock"),
		Lookup: lookup, Child: fakeChild(), FloorTime: time.Millisecond,
		CommandLine: []string{"orbitbench", "run"},
	}
}

func runOne(t *testing.T, engine string) (*Summary, *result.Cell) {
	t.Helper()
	p := smallPlan(t, 1, engine)
	o := testOptions(t)
	s, err := Run(context.Background(), p, o)
	require.NoError(t, err)
	c, err := result.ReadCell(result.CellPath(s.Dir, p.Cells()[0].Key))
	require.NoError(t, err)
	require.NoDirExists(t, o.Out+".data", "nothing is left of the data")
	return s, c
}

func TestRunWritesEverything(t *testing.T) {
	p := smallPlan(t, 2, "good", "slow")
	o := testOptions(t)
	s, err := Run(context.Background(), p, o)
	require.NoError(t, err)
	require.Equal(t, 4, s.OK)
	require.Equal(t, ExitOK, s.ExitCode())

	run, err := result.ReadRun(o.Out)
	require.NoError(t, err)
	require.NotNil(t, run.Finished)
	require.False(t, run.Interrupted)
	require.Len(t, run.Plan, 4)
	require.Len(t, run.Engines, 2)
	require.Equal(t, 1.0, run.Overhead.PerOpNs)
	require.Equal(t, o.Out+".data", run.Environment.DataDir)
	require.NotEmpty(t, run.Environment.FileSystem)
	before := map[string]int{}
	for _, f := range run.Floors {
		before[f.Before]++
	}
	require.Equal(t, 2, before[""], "both floors after the last cell")
	for _, c := range p.Cells() {
		require.Equal(t, 2, before[c.Key], "both floors before each cell")
	}
	cells, err := result.ReadCells(o.Out)
	require.NoError(t, err)
	require.Len(t, cells, 4)
	again, err := plan.Expand(plan.Request{File: filepath.Join(o.Out, PlanFile)}, testCatalog())
	require.NoError(t, err)
	require.Len(t, again.Cells(), 4)
}

func TestComplexityIsJoined(t *testing.T) {
	o := testOptions(t)
	o.Inspect = []string{os.Args[0], "fake-inspect"}
	o.Complexity = map[string]result.Complexity{"good": {Lines: 10, Dependencies: 2}, "panics": {Lines: 20, Note: "C++ left out"}}
	_, err := Run(context.Background(), smallPlan(t, 1, "good", "panics", "slow"), o)
	require.NoError(t, err)
	run, err := result.ReadRun(o.Out)
	require.NoError(t, err)
	require.Equal(t, &result.Complexity{Lines: 10, Dependencies: 2, Tunables: 1, Goroutines: 7}, run.Engines[0].Complexity)
	require.Contains(t, run.Engines[1].Complexity.Note, "C++ left out; goroutines not counted: child process exited with status 2: panic: cannot be opened")
	require.Nil(t, run.Engines[2].Complexity, "what was not counted is absent")
}

func TestToolInfo(t *testing.T) {
	info := ToolInfo("v9")
	require.Equal(t, "v9", info.Version)
	require.NotEmpty(t, info.GoVersion)
}

func TestSkippedCellsAreNoFailure(t *testing.T) {
	trials := 1
	p, err := plan.Expand(plan.Request{Engines: []string{"good"}, Trials: &trials}, testCatalog())
	require.NoError(t, err)
	s, err := Run(context.Background(), p, testOptions(t))
	require.NoError(t, err)
	require.Equal(t, 1, s.Skipped)
	require.Equal(t, 2, s.OK)
	require.Equal(t, ExitOK, s.ExitCode())
	c, err := result.ReadCell(result.CellPath(s.Dir, "good-best-orbit-default-closed-process-1"))
	require.NoError(t, err)
	require.Equal(t, result.Skipped, c.Status)
	require.Equal(t, "it has no file", c.Reason)
	require.Equal(t, "process", c.Class)
}

// What a child can do wrong, each with the reason that must reach the result.
func TestBrokenChildrenGiveFailedCells(t *testing.T) {
	for engine, want := range map[string]string{
		"panics":    "exited with status 2: panic: the engine broke",
		"exits3":    "exited with status 3: first line | something went wrong | and that was all",
		"killed":    "killed by a signal (killed)",
		"mute":      "gave no result",
		"babbles":   `"hello, I am no message", which is no message`,
		"stranger":  "result of another cell (another)",
		"latecrash": "exited with status 4",
	} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			s, c := runOne(t, engine)
			require.Equal(t, result.Failed, c.Status)
			require.Contains(t, c.Reason, want)
			require.Equal(t, 1, s.Failed)
			require.Equal(t, ExitFailure, s.ExitCode())
			require.Len(t, s.Failures, 1)
		})
	}
}

func TestTheRunGoesOnAfterAFailure(t *testing.T) {
	s, err := Run(context.Background(), smallPlan(t, 1, "panics", "good", "exits3"), testOptions(t))
	require.NoError(t, err)
	require.Equal(t, 1, s.OK)
	require.Equal(t, 2, s.Failed)
}

func TestALostLeaseIsAViolation(t *testing.T) {
	p := smallPlan(t, 1, "loses")
	p.Workloads[0].Durability = []engines.Durability{{Class: engines.Sync}}
	s, err := Run(context.Background(), p, testOptions(t))
	require.NoError(t, err)
	require.Equal(t, ExitViolation, s.ExitCode())
	require.Contains(t, s.Violations[0], "1 of 10 leases were lost")

	s, _ = runOne(t, "loses")
	require.Equal(t, ExitOK, s.ExitCode(), "class none promises nothing across a close")
}

func TestRecoveryViolations(t *testing.T) {
	lost := &result.Cell{Recovery: &result.Recovery{Repetitions: []result.RecoveryTrial{{Acknowledged: 5, Lost: 2}}}}
	at := func(c engines.Class) plan.Cell { return plan.Cell{Durability: engines.Durability{Class: c}} }
	require.Contains(t, violation(at(engines.Process), lost), "2 of 5")
	require.Empty(t, violation(at(engines.Interval), lost), "a window may be lost")
	require.Contains(t, violation(at(engines.None), &result.Cell{Check: &result.Check{Phantom: 1}}), "nobody had stored")
}

func TestAHangingChildIsEnded(t *testing.T) {
	p := smallPlan(t, 1, "hangs")
	r := &run{Options: testOptions(t), plan: p, progress: silent{}}
	r.data = t.TempDir()
	c := p.Cells()[0]
	ctx, cancel := context.WithTimeoutCause(context.Background(), 300*time.Millisecond, errors.New("no result after 300ms"))
	defer cancel()
	begin := time.Now()
	a := ask(ctx, r.Child, r.spec(c, r.data), nil)
	require.ErrorContains(t, a.err, "no result after 300ms")
	require.Less(t, time.Since(begin), 30*time.Minute, "it would hang for an hour")
	require.Contains(t, r.judge(c, a, begin).Reason, "no result after 300ms")
}

func TestGrandchildrenDoNotOutliveTheCell(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	t.Setenv("ORPHAN_PID_FILE", file)
	_, c := runOne(t, "orphans")
	require.Contains(t, c.Reason, "left a process behind")
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	pid, err := strconv.Atoi(string(raw))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return !alive(pid) }, time.Minute, 10*time.Millisecond)
}

func TestInterruptKeepsWhatIsDoneAndResumeFinishes(t *testing.T) {
	p := smallPlan(t, 4, "waits")
	o := testOptions(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	gate := filepath.Join(t.TempDir(), "gate")
	t.Setenv("WAIT_FOR_FILE", gate)
	require.NoError(t, os.WriteFile(gate, nil, 0o644))
	o.Progress = &stopAfter{t: t, n: 2, gate: gate, out: o.Out, stop: cancel}
	s, err := Run(ctx, p, o)
	require.NoError(t, err)
	require.True(t, s.Interrupted)
	require.Equal(t, ExitInterrupted, s.ExitCode())
	require.Equal(t, 2, s.OK)
	require.Equal(t, 2, s.Missing)
	run, err := result.ReadRun(o.Out)
	require.NoError(t, err)
	require.True(t, run.Interrupted)
	require.Nil(t, run.Finished)
	require.NoDirExists(t, o.Out+".data")

	_, err = Run(context.Background(), p, o)
	var u *UsageError
	require.ErrorAs(t, err, &u, "a run directory is not run into again")
	require.ErrorContains(t, err, "resume")

	first, err := os.Stat(result.CellPath(o.Out, p.Cells()[0].Key))
	require.NoError(t, err)
	o.Progress = nil
	require.NoError(t, os.WriteFile(gate, nil, 0o644))
	s, err = Resume(context.Background(), o, testCatalog())
	require.NoError(t, err)
	require.Equal(t, 4, s.OK)
	require.False(t, s.Interrupted)
	after, err := os.Stat(result.CellPath(o.Out, p.Cells()[0].Key))
	require.NoError(t, err)
	require.Equal(t, first.ModTime(), after.ModTime(), "a finished cell is not run again")
	run, err = result.ReadRun(o.Out)
	require.NoError(t, err)
	require.NotNil(t, run.Finished)
	require.False(t, run.Interrupted)

	finished := *run.Finished
	s, err = Resume(context.Background(), o, testCatalog())
	require.NoError(t, err)
	require.Equal(t, 4, s.OK)
	run, err = result.ReadRun(o.Out)
	require.NoError(t, err)
	require.Equal(t, finished, *run.Finished, "a run that lacks nothing stays as it is")
}

// stopAfter ends the run in the middle of the cell after n finished ones, which
// waits for its gate.
type stopAfter struct {
	silent
	t         *testing.T
	n         int
	gate, out string
	stop      context.CancelFunc
}

func (s *stopAfter) CellStart(i int, _ plan.Cell) {
	if i != s.n {
		return
	}
	if err := os.Remove(s.gate); err != nil {
		s.t.Error(err)
	}
	go func() {
		for !cellUnderWay(s.out, "waits") {
			time.Sleep(time.Millisecond)
		}
		s.stop()
	}()
}

func TestResumeRetriesFailedCellsOnRequest(t *testing.T) {
	o := testOptions(t)
	_, err := Run(context.Background(), smallPlan(t, 1, "exits3", "good"), o)
	require.NoError(t, err)
	s, err := Resume(context.Background(), o, testCatalog())
	require.NoError(t, err)
	require.Equal(t, 1, s.Failed, "a failure is a result")

	key := "exits3-best-orbit-default-closed-none-1"
	require.NoError(t, os.WriteFile(result.CellPath(o.Out, key), []byte(`{"schema": 1, "half`), 0o644))
	s, err = Resume(context.Background(), o, testCatalog())
	require.NoError(t, err)
	require.Equal(t, 1, s.Failed, "a damaged result is taken anew")

	o.RetryFailed = true
	s, err = Resume(context.Background(), o, testCatalog())
	require.NoError(t, err)
	require.Equal(t, 1, s.Failed)
	require.Zero(t, s.Missing)
}

func TestResumeRefusesWhatIsNoRun(t *testing.T) {
	o := testOptions(t)
	require.NoError(t, os.Mkdir(o.Out, 0o755))
	_, err := Resume(context.Background(), o, testCatalog())
	var u *UsageError
	require.ErrorAs(t, err, &u)
	require.ErrorContains(t, err, "no run directory")

	_, err = Run(context.Background(), smallPlan(t, 1, "good"), o)
	require.NoError(t, err, "an empty directory will do")
	require.NoError(t, os.WriteFile(filepath.Join(o.Out, PlanFile), []byte("trials = 2\n"), 0o644))
	_, err = Resume(context.Background(), o, testCatalog())
	require.ErrorContains(t, err, "different cells")
}

// fakeRun is a whole run in a process of its own: out, lock file, trials.
func fakeRun(args []string) int {
	trials, err := strconv.Atoi(args[2])
	if err == nil {
		var p *plan.Plan
		actors, seconds := 10, 0.1
		p, err = plan.Expand(plan.Request{
			Engines: []string{"good", "hangs"}, Durability: []string{"none"}, Trials: &trials, Actors: &actors,
			Seconds: &seconds, WarmupSeconds: new(float64),
		}, testCatalog())
		if err == nil {
			_, err = Run(context.Background(), p, Options{
				Out: args[0], LockFile: args[1], Lookup: lookup, Child: fakeChild(),
				FloorTime: time.Millisecond, CommandLine: []string{"fake-run"},
			})
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func TestKilledParent(t *testing.T) {
	o := testOptions(t)
	parent := exec.Command(os.Args[0], "fake-run", o.Out, o.LockFile, "1")
	parent.Stderr = os.Stderr
	require.NoError(t, parent.Start())
	var child int
	require.Eventually(t, func() bool { // the hanging cell is under way
		files, err := filepath.Glob(filepath.Join(o.Out+".data", dataPrefix+"*", "hangs-*", "pid"))
		if err != nil || len(files) == 0 {
			return false
		}
		raw, err := os.ReadFile(files[0])
		if err != nil {
			return false
		}
		child, err = strconv.Atoi(string(raw))
		return err == nil && child > 0
	}, 2*time.Minute, 10*time.Millisecond)
	require.True(t, alive(child))

	_, err := Run(context.Background(), smallPlan(t, 1, "good"), Options{Out: filepath.Join(t.TempDir(), "x"), LockFile: o.LockFile, Lookup: lookup, Child: fakeChild()})
	var held *LockError
	require.ErrorAs(t, err, &held)
	require.Equal(t, parent.Process.Pid, held.Holder.PID)
	require.ErrorContains(t, err, "fake-run")

	require.NoError(t, parent.Process.Signal(syscall.SIGKILL))
	require.Error(t, parent.Wait())
	require.Eventually(t, func() bool { return !alive(child) }, time.Minute, 10*time.Millisecond, "the child died with its parent")
	leftovers, err := filepath.Glob(filepath.Join(o.Out+".data", dataPrefix+"*"))
	require.NoError(t, err)
	require.Len(t, leftovers, 1)
	// What a writer leaves that was killed at the worst moment.
	require.NoError(t, os.WriteFile(filepath.Join(o.Out, result.CellDir, ".x.json.1"), []byte("{"), 0o644))

	// The hanging engine has been mended meanwhile: play it by another child.
	script := filepath.Join(t.TempDir(), "mended")
	require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\nsed 's/\"engine\":\"hangs\"/\"engine\":\"slow\"/' | "+os.Args[0]+" fake-cell\n"), 0o755))
	o.Child = []string{script}
	s, err := Resume(context.Background(), o, testCatalog())
	require.NoError(t, err)
	require.Equal(t, 2, s.OK, s.Failures)
	require.NoDirExists(t, o.Out+".data", "the killed run's data is gone too")
	entries, err := os.ReadDir(filepath.Join(o.Out, result.CellDir))
	require.NoError(t, err)
	require.Len(t, entries, 2)
}

func TestDiskGuard(t *testing.T) {
	o := testOptions(t)
	o.FreeBytes = func(string) (uint64, error) { return 1 << 20, nil }
	s, err := Run(context.Background(), smallPlan(t, 1, "good"), o)
	require.NoError(t, err)
	require.Contains(t, s.Failures[0], "not enough disk")

	o = testOptions(t)
	o.FreeBytes = func(string) (uint64, error) { // fills up while the cell runs
		if !cellUnderWay(o.Out, "hangs") {
			return 1 << 40, nil
		}
		return 1 << 20, nil
	}
	s, err = Run(context.Background(), smallPlan(t, 1, "hangs"), o)
	require.NoError(t, err)
	require.Contains(t, s.Failures[0], "disk nearly full: 1 MiB free")
}

func cellUnderWay(out, engine string) bool {
	files, err := filepath.Glob(filepath.Join(out+".data", dataPrefix+"*", engine+"-*", "pid"))
	return err == nil && len(files) > 0
}

func TestUnusableDataDirectoryFailsTheCells(t *testing.T) {
	o := testOptions(t)
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	o.DataDir = filepath.Join(file, "data")
	s, err := Run(context.Background(), smallPlan(t, 1, "good", "slow"), o)
	require.NoError(t, err)
	require.Equal(t, 2, s.Failed)
	require.Contains(t, s.Failures[0], "data directory")
	run, err := result.ReadRun(o.Out)
	require.NoError(t, err)
	require.NotEmpty(t, run.Floors[0].Error)
	require.NotEmpty(t, run.Warnings, "no overhead either, and it says why")
}

func TestDirectoriesThatAreRefused(t *testing.T) {
	var u *UsageError
	o := testOptions(t)
	require.NoError(t, os.Mkdir(o.Out, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(o.Out, "thesis.tex"), nil, 0o644))
	_, err := Run(context.Background(), smallPlan(t, 1, "good"), o)
	require.ErrorAs(t, err, &u)
	require.ErrorContains(t, err, "thesis.tex")
	require.NotContains(t, err.Error(), "\n")

	o = testOptions(t)
	o.DataDir = filepath.Join(o.Out, "data")
	_, err = Run(context.Background(), smallPlan(t, 1, "good"), o)
	require.ErrorAs(t, err, &u)
	require.NoDirExists(t, o.Out)
}

func TestKeptDataStays(t *testing.T) {
	o := testOptions(t)
	o.KeepData = true
	_, err := Run(context.Background(), smallPlan(t, 1, "good"), o)
	require.NoError(t, err)
	pattern := filepath.Join(o.Out+".data", dataPrefix+"*", "good-*", "pid")
	kept, err := filepath.Glob(pattern)
	require.NoError(t, err)
	require.Len(t, kept, 1)

	other := testOptions(t)
	other.DataDir = o.Out + ".data"
	_, err = Run(context.Background(), smallPlan(t, 1, "good"), other)
	require.NoError(t, err)
	kept, err = filepath.Glob(pattern)
	require.NoError(t, err)
	require.Len(t, kept, 1, "another run leaves kept data alone")
}

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	me := Holder{PID: 42, Command: []string{"orbitbench", "run", "--out", "a b"}, DataDir: "/d", Started: time.Now()}
	l, stale, err := TakeLock(path, me)
	require.NoError(t, err)
	require.Nil(t, stale)
	_, _, err = TakeLock(path, me)
	require.ErrorContains(t, err, "process 42 (orbitbench run --out 'a b')")
	require.NoError(t, l.Release())
	l, stale, err = TakeLock(path, me)
	require.NoError(t, err)
	require.Nil(t, stale, "the last one ended well")
	require.NoError(t, l.Release())

	raw, err := json.Marshal(me) // as a killed holder leaves it
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, raw, 0o644))
	l, stale, err = TakeLock(path, me)
	require.NoError(t, err)
	require.Equal(t, "/d", stale.DataDir)
	require.NoError(t, l.Release())
	_, _, err = TakeLock(filepath.Join(path, "no", "where"), me)
	require.ErrorContains(t, err, "run lock")
}

func TestTailKeepsBothEnds(t *testing.T) {
	var log tail
	fmt.Fprintln(&log, "panic: first")
	for i := range 10_000 {
		fmt.Fprintln(&log, "line", i)
	}
	require.Less(t, len(log.String()), 3*tailBytes)
	require.Equal(t, "panic: first", essence(log.String()))
	require.True(t, strings.HasSuffix(strings.TrimSpace(log.String()), "line 9999"))
}
