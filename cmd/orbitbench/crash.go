package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"orbitbench/engines/all"
	"orbitbench/harness/crash"
	"orbitbench/harness/runner"
)

// crashFlags are the flags of crash.
type crashFlags struct {
	engines, methods, classes []string
	options                   []string
	gate                      string
	states, parallel          int
	seed                      uint64
	replay                    string
	out, dataDir, lockFile    string
	timeout                   time.Duration
	json                      bool
}

const crashHelp = `Kill engines, cut their power, and judge what is left by what was acknowledged.

A worker process commits leases, batches and points, and tells each commit before
and after; a verifier process opens what the crash left, reads everything, writes,
closes and opens again; ten invariants are judged. Methods:

  kill                   kill -9 at random moments, recovery in place
  file-posix, file-ext4  power cuts from a recording of file operations (FUSE):
                         everything that was not synced may be lost, in any subset;
                         or as an ext4 journal orders it
  block-ext4, block-ext4-writeback, block-xfs
                         power cuts from a recording of a disk (FUSE, loop device)
                         under the real file system; needs root
  damage                 bits flipped, blocks zeroed or stale, ends cut off while
                         nobody has the store open: the right data or an error
  damage-bitflip         single bits anywhere in the files of a store that was closed
  faults                 EIO and ENOSPC from write, fsync and read, once and for
                         ever, short writes (FUSE), a full disk (needs root)

A method that this machine cannot give is skipped with its reason, and is never
counted as passed. Each failure is shrunk and saved in the run directory with all
it takes to see it again (--replay). resume goes on with an interrupted run,
report prints its matrix again.

Gates, for each engine: pr 500 block and 2,000 file states and 200 kills,
nightly 10,000, 50,000 and 5,000, release more.

Exit codes: 0 no violation but known findings, 1 a cell failed, 2 wrong usage,
11 a violation, 130 interrupted.`

const crashExample = `  orbitbench crash --gate pr
  orbitbench crash --engines appendlog,pebble --methods kill,file-posix --states 300 --durability sync
  orbitbench crash --replay runs/20260102-150405-crash/failures-.../01-durability`

func (a *app) crashCommand() *cobra.Command {
	var f crashFlags
	cmd := &cobra.Command{
		Use:     "crash",
		Short:   "kill engines and cut their power, and judge what is left",
		Long:    crashHelp,
		Example: crashExample,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.replay != "" {
				return a.crashReplay(cmd.Context(), &f)
			}
			return a.crash(cmd.Context(), &f)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringSliceVar(&f.engines, "engines", nil, "comma-separated engine `NAMES` (default all of the comparison; see list engines), or mutants: those that are broken on purpose")
	flags.StringSliceVar(&f.methods, "methods", nil, "comma-separated `NAMES` of methods, or kill, file, block (default all)")
	flags.StringSliceVar(&f.classes, "durability", []string{"process", "interval:10ms", "sync"}, "durability `CLASSES`; a power cut judges interval and sync only")
	flags.StringArrayVar(&f.options, "set", nil, "`ENGINE.NAME=VALUE`: an option of an engine, such as bbolt.sync_parent_dir=true; may be repeated")
	flags.StringVar(&f.gate, "gate", "pr", "how many crashes: pr, nightly or release")
	flags.IntVar(&f.states, "states", 0, "crashes for each engine and method, in place of the gate's")
	flags.Uint64Var(&f.seed, "seed", 1, "seed of loads, kills and crash states")
	flags.StringVar(&f.replay, "replay", "", "see a saved failure again: its `FILE` or directory")
	flags.StringVar(&f.out, "out", "", "run directory (default runs/TIME-crash)")
	flags.StringVar(&f.dataDir, "data-dir", "", "`DIR` for stores and images; what is made there is removed (default memory, /dev/shm)")
	flags.IntVar(&f.parallel, "parallel", runtime.GOMAXPROCS(0), "verifiers at work at a time")
	flags.DurationVar(&f.timeout, "timeout", crash.DefaultTimeout, "how long an engine may say nothing before it counts as hung")
	flags.StringVar(&f.lockFile, "lock-file", runner.DefaultLockFile(), "`FILE` whose lock lets one run at a time use the machine")
	flags.BoolVar(&f.json, "json", false, "print the cells as JSON instead of the matrix")
	return cmd
}

// crashMethods are all that there are.
func crashMethods() []crash.Method {
	return append([]crash.Method{crash.Kill{}, crash.Damage{}, crash.Damage{FlipsOnly: true}, crash.Faults{}}, crash.Powers()...)
}

// pickMethods are those that are named, by name or by the word before the dash.
func pickMethods(names []string) ([]crash.Method, error) {
	known := crashMethods()
	if len(names) == 0 {
		return known, nil
	}
	var picked []crash.Method
	var all []string
	for _, m := range known {
		all = append(all, m.Name())
		sort, _, _ := strings.Cut(m.Name(), "-")
		if slices.Contains(names, m.Name()) || slices.Contains(names, sort) {
			picked = append(picked, m)
		}
	}
	for _, name := range names {
		if !slices.ContainsFunc(picked, func(m crash.Method) bool { return m.Name() == name || strings.HasPrefix(m.Name(), name+"-") }) {
			return nil, fmt.Errorf("unknown method %q, want one of %s", name, strings.Join(all, ", "))
		}
	}
	return picked, nil
}

// plan turns the flags into a plan.
func (f *crashFlags) plan() (*crashPlan, error) {
	gate, err := crash.GateOf(f.gate)
	if err != nil {
		return nil, err
	}
	methods, err := pickMethods(f.methods)
	if err != nil {
		return nil, err
	}
	targets, err := crashTargets(f.engines, f.classes)
	if err == nil {
		err = setOptions(targets, f.options)
	}
	if err != nil {
		return nil, err
	}
	switch {
	case f.states < 0:
		return nil, fmt.Errorf("--states %d: want 1 or more", f.states)
	case f.parallel < 1:
		return nil, fmt.Errorf("--parallel %d: want 1 or more", f.parallel)
	case f.timeout < time.Second:
		return nil, fmt.Errorf("--timeout %v: want at least 1s", f.timeout)
	}
	p := &crashPlan{Gate: gate.Name, Seed: f.seed, Parallel: f.parallel, Timeout: f.timeout, Cells: crash.Plan(gate, f.states, targets, methods)}
	p.DataDir, err = crashDataDir(f.dataDir)
	return p, err
}

// crashDataDir is dir, or memory: what is lost or kept here is decided by the
// recorders and the kernel's page cache, and not by a device.
func crashDataDir(dir string) (string, error) {
	if dir == "" {
		if dir = "/dev/shm"; os.MkdirAll(filepath.Join(dir, ""), 0o755) != nil {
			dir = os.TempDir()
		}
	}
	if info, err := os.Stat(dir); err != nil {
		return "", fmt.Errorf("--data-dir: %w", err)
	} else if !info.IsDir() {
		return "", fmt.Errorf("--data-dir: %s is no directory", dir)
	}
	return filepath.Abs(dir)
}

func (a *app) crash(ctx context.Context, f *crashFlags) error {
	p, err := f.plan()
	if err != nil {
		return usage(err)
	}
	if f.out == "" {
		f.out = outDir("crash", "")
	}
	r := &crashRun{app: a, plan: p, out: f.out, lockFile: f.lockFile, json: f.json}
	return r.start(ctx)
}

// crashReplay shows a saved failure again.
func (a *app) crashReplay(ctx context.Context, f *crashFlags) (err error) {
	data, err := crashDataDir(f.dataDir)
	if err != nil {
		return usage(err)
	}
	occupation, err := runner.Occupy(data, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, occupation.End()) }()
	scratch, err := crash.MakeScratch(data, "replay")
	if err != nil {
		return err
	}
	pool := crash.NewPool(1, f.timeout)
	defer func() { err = errors.Join(err, pool.Close(), os.RemoveAll(scratch)) }()
	r, err := crash.Replay(ctx, f.replay, scratch, all.Lookup, pool)
	if err != nil {
		return usage(err)
	}
	if f.json {
		err = a.printJSON(r)
	} else {
		err = printReplay(a.stdout, r)
	}
	if err == nil && len(r.Now.Violations) > 0 {
		return &exit{code: runner.ExitViolation}
	}
	return err
}
