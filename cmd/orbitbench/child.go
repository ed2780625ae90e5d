package main

import (
	"context"
	"encoding/json"
	"path/filepath"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"orbitbench/engines"
	"orbitbench/engines/all"
	"orbitbench/harness/bench"
	"orbitbench/harness/cell"
	"orbitbench/harness/crash"
	"orbitbench/harness/plan"
	"orbitbench/harness/runner"
)

// cellCommand is the child process of a run: one cell.
func (a *app) cellCommand() *cobra.Command {
	return &cobra.Command{
		Use:                "cell",
		Short:              "run one cell, as the child of a run",
		Hidden:             true,
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if code := cell.Main(cmd.Context(), args, all.Lookup, a.stdin, a.stdout, a.stderr); code != 0 {
				return &exit{code: code}
			}
			return nil
		},
	}
}

// benchChildCommand is the process of its own of a benchmark point.
func (a *app) benchChildCommand() *cobra.Command {
	return &cobra.Command{
		Use:    bench.ChildVerb,
		Short:  "do one job of bench in a process of its own, as its child",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if code := bench.ChildMain(cmd.Context(), all.Lookup, a.stdin, a.stdout, a.stderr); code != 0 {
				return &exit{code: code}
			}
			return nil
		},
	}
}

// crashChildCommand is a worker or a verifier of the crash suite.
func (a *app) crashChildCommand() *cobra.Command {
	return &cobra.Command{
		Use:                crash.ChildVerb,
		Short:              "commit until killed, or look at what a crash left, as the child of crash",
		Hidden:             true,
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if code := crash.ChildMain(cmd.Context(), args, all.Lookup, a.stdin, a.stdout, a.stderr); code != 0 {
				return &exit{code: code}
			}
			return nil
		},
	}
}

// inspectCommand opens an engine in a process of its own and counts the
// goroutines that it keeps while nothing is asked of it.
func (a *app) inspectCommand() *cobra.Command {
	var flags storeFlags
	cmd := &cobra.Command{
		Use:    "inspect",
		Short:  "count the goroutines of an idle engine, as the child of a run",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := flags.open()
			if err != nil {
				return err
			}
			n, err := countGoroutines(cmd.Context(), d, flags.dir)
			if err != nil {
				return err
			}
			return json.NewEncoder(a.stdout).Encode(runner.Idle{Goroutines: n})
		},
	}
	flags.add(cmd)
	return cmd
}

// settle is how long an engine gets to start what it starts and end what it ends.
const settle = 100 * time.Millisecond

func countGoroutines(ctx context.Context, d engines.Driver, dir string) (int, error) {
	durability, err := plan.Strongest(d)
	if err != nil {
		return 0, err
	}
	before := runtime.NumGoroutine()
	e, err := d.Open(ctx, engines.Options{Dir: filepath.Join(dir, "store"), Durability: durability})
	if err != nil {
		return 0, err
	}
	time.Sleep(settle)
	n := runtime.NumGoroutine() - before
	return max(n, 0), e.Close()
}
