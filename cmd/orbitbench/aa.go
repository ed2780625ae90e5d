package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"orbitbench/engines"
	"orbitbench/engines/all"
	"orbitbench/harness/aa"
)

// exitUndecided is the exit code where nothing could be decided.
const exitUndecided = 12

// aaFlags are the flags of aa.
type aaFlags struct {
	engine, durability, dataDir string
	repetitions, trials, actors int
	slowdown                    float64
	time                        time.Duration
	seed                        uint64
	json                        bool
}

const aaHelp = `Ask what this machine can tell apart: compare an engine with itself, which must
show no difference, and with itself slowed down, which must be found.

Each block of a comparison opens four stores in this process: the engine as base,
as head, as the control that tells the noise, and with a delay in every call. They
take turns in slices of 2 ms, in an order drawn for each round, so that whatever
the machine does meets all of them; a trial's figure is the median over its slices
of the p50 of renewals, as a multiple of the control's. Then every store is closed,
reopened and checked. The delay is work, and nothing sleeps; it is calibrated to
raise the p50 by the share asked for. A difference is one if Mann and Whitney's p
is below 0.05, the bootstrap interval of the paired ratios excludes none, and it is
more than 5% and twice the noise. Noise is what the engine differs from itself by;
from 5% on the answer is inconclusive. By default the engine is the reference model,
which has no files: what is told apart is up to the processors and the memory. An
engine with files adds the page cache and its writing back. --json has the figures of every trial.

Exit codes: 0 in 19 of 20 repetitions nothing was found in the engine and itself,
and in 19 of 20 that could tell the slowdown was, 1 it was not so, 2 wrong usage,
12 the machine is too noisy for any repetition to tell, 130 interrupted.`

func (a *app) aaCommand() *cobra.Command {
	var f aaFlags
	cmd := &cobra.Command{
		Use:   "aa",
		Short: "compare an engine with itself, and with itself slowed down",
		Long:  aaHelp,
		Example: `  orbitbench aa
  orbitbench aa --engine appendlog --durability process
  orbitbench aa --engine pebble --durability process --slowdown 20`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.aa(cmd.Context(), &f) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.engine, "engine", "memory", "`NAME` of the engine")
	flags.StringVar(&f.durability, "durability", "none", "durability `CLASS`: none, process, interval:10ms, sync")
	flags.Float64Var(&f.slowdown, "slowdown", 10, "`PERCENT` of its p50 by which each call is slowed down")
	flags.IntVar(&f.repetitions, "repetitions", 20, "repetitions of the comparison")
	flags.IntVar(&f.trials, "trials", 12, "interleaved trials of each side of a comparison")
	flags.IntVar(&f.actors, "actors", 500, "leases in a store")
	flags.DurationVar(&f.time, "time", 40*time.Millisecond, "`TIME` that a trial measures, in slices")
	flags.Uint64Var(&f.seed, "seed", 1, "seed of the load and of the order of trials")
	flags.StringVar(&f.dataDir, "data-dir", ".", "`DIR` for the stores; what is made there is removed")
	flags.BoolVar(&f.json, "json", false, "print every repetition as JSON")
	return cmd
}

func (a *app) aa(ctx context.Context, f *aaFlags) (err error) {
	driver, err := all.Lookup(f.engine)
	if err != nil {
		return usage(fmt.Errorf("--engine: %w", err))
	}
	durability, err := engines.ParseDurability(f.durability)
	if err == nil {
		err = driver.Info().Supports(durability)
	}
	if err != nil {
		return usage(fmt.Errorf("--durability: %w", err))
	}
	dir, err := os.MkdirTemp(f.dataDir, "orbitbench-aa-")
	if err != nil {
		return usage(fmt.Errorf("--data-dir: %w", err))
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	r, err := aa.Run(ctx, aa.Options{
		Driver: driver, Durability: durability, Repetitions: f.repetitions, Trials: f.trials, Slowdown: f.slowdown / 100,
		Actors: f.actors, Time: f.time, Seed: f.seed, DataDir: dir,
		Progress: func(format string, args ...any) { fmt.Fprintf(a.stderr, format+"\n", args...) }, // progress that cannot be shown is no reason to stop
	})
	switch {
	case errors.Is(err, aa.ErrUsage):
		return usage(err)
	case err != nil:
		return err
	}
	if f.json {
		err = a.printJSON(r)
	} else {
		_, err = fmt.Fprint(a.stdout, r)
	}
	switch r.Outcome() {
	case aa.Failed:
		return errors.Join(err, &exit{code: 1})
	case aa.Undecided:
		return errors.Join(err, &exit{code: exitUndecided})
	}
	return err
}
