package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"orbitbench/engines"
	"orbitbench/engines/all"
	"orbitbench/harness/durability"
	"orbitbench/harness/result"
	"orbitbench/harness/runner"
	"orbitbench/reports"
)

// durabilityFlags are the flags of durability.
type durabilityFlags struct {
	engines, classes []string
	dataDir          string
	json             bool
}

const durabilityHelp = `Trace each engine while it commits, and judge whether it keeps the promise of its
durability class: sync (the commit's own bytes were written to a file, and that
file was synced, before the acknowledgement), interval (the sync follows within
the window), process (the bytes have left the process before it).

The engine runs in a process of its own under ptrace and a seccomp filter, for
one writer and for eight; nothing is timed. What is counted is the system calls
that make data durable, per acknowledgement. run does the same once for each
engine and class of its plan.

The trace cannot see whether the device keeps what it was given (only a power cut
shows it) and whether the name of a new file is durable.

Exit codes: 0 every verdict is in and none is bad, 1 a verdict could not be had
(no permission to trace, or the engine failed), 2 wrong usage, 11 an engine
acknowledges before its promise, 130 interrupted.`

func (a *app) durabilityCommand() *cobra.Command {
	var f durabilityFlags
	cmd := &cobra.Command{
		Use:   "durability",
		Short: "count the syncs of each engine and class, and judge their promises",
		Long:  durabilityHelp,
		Example: `  orbitbench durability
  orbitbench durability --engines appendlog,pebble --durability sync --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.durability(cmd.Context(), &f) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringSliceVar(&f.engines, "engines", nil, "comma-separated engine `NAMES` (default every engine of this build)")
	flags.StringSliceVar(&f.classes, "durability", []string{"none", "process", "interval:10ms", "sync"}, "durability `CLASSES`")
	flags.StringVar(&f.dataDir, "data-dir", ".", "`DIR` for the engines' data; what is made there is removed")
	flags.BoolVar(&f.json, "json", false, "print the verdicts and counts as JSON")
	return cmd
}

// durability verifies what the flags name and prints it.
func (a *app) durability(ctx context.Context, f *durabilityFlags) (err error) {
	jobs, err := f.jobs()
	if err != nil {
		return usage(err)
	}
	dir, err := os.MkdirTemp(f.dataDir, "orbitbench-durability-")
	if err != nil {
		return usage(fmt.Errorf("--data-dir: %w", err))
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	checks := []result.Durability{}
	for i, j := range jobs {
		fmt.Fprintf(a.stderr, "[%d/%d] %s %s\n", i+1, len(jobs), j.Engine, j.Durability) // progress that cannot be shown is no reason to stop
		if j.Dir, err = os.MkdirTemp(dir, j.Engine+"-"); err != nil {
			return err
		}
		d, err := durability.Verify(ctx, j)
		if err != nil {
			return err
		}
		checks = append(checks, d)
		if err := os.RemoveAll(j.Dir); err != nil {
			return err
		}
	}
	if f.json {
		err = a.printJSON(checks)
	} else {
		err = reports.DurabilityTable(a.stdout, checks, terminalWidth(a.stdout))
	}
	return errors.Join(err, durabilityCode(checks))
}

// jobs are the engines and classes that can be had; a class that an engine does
// not offer is left out, unless nothing else was asked of it.
func (f *durabilityFlags) jobs() ([]durability.Job, error) {
	drivers := all.Drivers()
	if len(f.engines) > 0 {
		drivers = nil
		for _, name := range f.engines {
			d, err := all.Lookup(name)
			if err != nil {
				return nil, err
			}
			drivers = append(drivers, d)
		}
	}
	var classes []engines.Durability
	for _, c := range f.classes {
		d, err := engines.ParseDurability(c)
		if err != nil {
			return nil, err
		}
		classes = append(classes, d)
	}
	var jobs []durability.Job
	for _, driver := range drivers {
		before, why := len(jobs), error(nil)
		for _, d := range classes {
			if _, err := driver.Configure(engines.Options{Durability: d}); err != nil {
				why = err
				continue
			}
			jobs = append(jobs, durability.Job{Engine: driver.Info().Name, Durability: d})
		}
		if len(jobs) == before && len(f.engines) > 0 {
			return nil, fmt.Errorf("nothing to verify of %s: %w", driver.Info().Name, why)
		}
	}
	if len(jobs) == 0 {
		return nil, errors.New("nothing to verify: no engine of this build offers these classes")
	}
	if info, err := os.Stat(f.dataDir); err != nil {
		return nil, fmt.Errorf("--data-dir: %w", err)
	} else if !info.IsDir() {
		return nil, fmt.Errorf("--data-dir: %s is no directory", filepath.Clean(f.dataDir))
	}
	return jobs, nil
}

// durabilityCode is the exit code that verdicts ask for.
func durabilityCode(checks []result.Durability) error {
	code := runner.ExitOK
	for _, d := range checks {
		switch d.Verdict {
		case result.DurabilityEarly:
			return &exit{code: runner.ExitViolation}
		case result.DurabilityNotVerified:
			code = runner.ExitFailure
		}
	}
	if code != runner.ExitOK {
		return &exit{code: code}
	}
	return nil
}

// durabilityChildCommand is a process of a durability pass: its tracer or its worker.
func (a *app) durabilityChildCommand(verb string) *cobra.Command {
	return &cobra.Command{
		Use:    verb,
		Short:  "trace an engine, or be traced, as the child of durability or run",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			code := 0
			if verb == durability.PassVerb {
				code = durability.PassMain(a.stdin, a.stdout, a.stderr)
			} else {
				code = durability.WorkerMain(cmd.Context(), all.Lookup, a.stdin, a.stdout)
			}
			if code != 0 {
				return &exit{code: code}
			}
			return nil
		},
	}
}
